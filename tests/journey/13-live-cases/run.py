#!/usr/bin/python3
"""The attack cases of ../shared/cases that speak SMTP, against `sekisho serve -c etc/cases.toml`: smuggling, STARTTLS, pipelining, relay
and session state. Every case must pass; the runner sends a good mail after each one, so a server that refuses everything fails too.

Ports 2525, 2590 and 2600 are fixed, therefore this journey runs alone (the file `serial`).
"""
import json
import os
import re
import subprocess
import sys

from lab import BINARY, ROOT, SHARED, Folder, need, skip, wait_port

GROUPS = ("smuggling", "starttls", "pipelining", "relay", "state")
PORTS = (2525, 2590, 2600)


def busy(port):
    listening = subprocess.run(["ss", "-Hltn", "sport = :%d" % port], capture_output=True, text=True).stdout
    return bool(listening.strip())


def wanted(group):
    """How many cases the runner must judge: all of its kind that are not for the night and not for listeners we do not have yet."""
    return [c for c in json.load(open(os.path.join(SHARED, "cases", group + ".json"))) if c["kind"] == "smtp" and not c.get("slow")]


def run(group, pid, folder):
    report = os.path.join(folder, group + ".json")
    words = [sys.executable, os.path.join(SHARED, "cases/tools/run_cases.py"), "--mx", "127.0.0.1:2525", "--sink-port", "2600", "--cases", os.path.join(SHARED, "cases", group + ".json"),
             "--settle", "0.5", "--pid", str(pid), "--out", report]
    done = subprocess.run(words, capture_output=True, text=True, timeout=400)
    if done.returncode:
        raise AssertionError("the runner failed: " + done.stderr[-1000:])
    results = json.load(open(report))
    for r in results:
        if r["result"] != "pass":
            print("%s %s: %s\n    %s" % (r["result"], r["id"], "; ".join(map(str, r["why"])), "\n    ".join(r["transcript"][-6:])))
    return results


def main():
    if not os.path.exists(os.path.join(SHARED, "cases/tools/run_cases.py")):
        skip("../shared/cases is not here")
    for port in PORTS:
        if busy(port):
            skip("port %d is in use" % port)
    failed = passed = skipped = 0
    with Folder() as folder:
        # The server's state must not come from another run.
        text = open(os.path.join(ROOT, "etc/cases.toml")).read().replace('"../var/cases/state"', '"%s/state"' % folder)
        text = re.sub(r'"(cases/[a-z.]+)"', lambda m: '"%s/etc/%s"' % (ROOT, m[1]), text)
        config = os.path.join(folder, "cases.toml")
        open(config, "w").write(text)
        log = open(os.path.join(folder, "log"), "wb")
        server = subprocess.Popen([BINARY, "serve", "-c", config], stdout=log, stderr=log)
        try:
            wait_port(2525, 30, server)
            for group in GROUPS:
                results = run(group, server.pid, folder)
                kinds = [r["result"] for r in results]
                need(len(results) == len(wanted(group)), "%s: %d cases judged: %d pass, %d fail, %d skip" % (group, len(results), kinds.count("pass"), kinds.count("fail"), kinds.count("skip")))
                failed, passed, skipped = failed + kinds.count("fail"), passed + kinds.count("pass"), skipped + kinds.count("skip")
                need(server.poll() is None, "the server lives")
        finally:
            if server.poll() is None:
                server.terminate()
            code = server.wait(45)
            print(open(os.path.join(folder, "log"), errors="replace").read()[-1500:] if failed or code else "", end="")
    need(code == 0, "serve ended in order: %d" % code)
    need(failed == 0 and passed > 0, "%d cases pass, %d fail, %d are skipped (what they need is not offered)" % (passed, failed, skipped))


main()
