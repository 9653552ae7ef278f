#!/usr/bin/python3
"""Broken configs. Each folder of tests/badconfig holds a config.toml and what must be said about it, word for word, with file and line.

`config check` ends with 1, `serve` with 2 before it opens a port, both say the same; a good config is the control. In `expect` FOLDER
stands for the folder of the config; MADE in a config for a folder with certificates made here.
"""
import glob
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from lab import BINARY, COMMANDS, ROOT, Folder, need, self_signed

CASES = os.path.join(ROOT, "tests", "badconfig")


def run(*words, binary=COMMANDS):
    return subprocess.run([binary, *words], capture_output=True, timeout=60)


def try_case(folder, made, case, write):
    name = os.path.basename(case)
    here = os.path.join(folder, name)
    shutil.copytree(case, here)
    config = os.path.join(here, "config.toml")
    octets = open(config, "rb").read().replace(b"MADE/", made.encode() + b"/")
    open(config, "wb").write(octets)
    checked, served = run("config", "check", config, binary=BINARY), run("serve", "-c", config)
    said = checked.stderr.decode().replace(here, "FOLDER").replace(made, "MADE")
    if write:
        open(os.path.join(case, "expect"), "w").write(said)
        return
    wanted = open(os.path.join(case, "expect")).read()
    need(checked.returncode == 1 and said == wanted, "%s: config check: exit %d\n%s" % (name, checked.returncode, said.rstrip() if said == wanted else "wanted:\n%ssaid:\n%s" % (wanted, said)))
    need(served.returncode == 2 and served.stderr == checked.stderr, "%s: serve says the same: exit %d" % (name, served.returncode))
    need(not os.path.exists(os.path.join(here, "state")), "%s: and nothing was begun" % name)
    told = json.loads(run("config", "check", config, "--json").stdout)
    need(not told["ok"] and len(told["problems"]) == len(wanted.rstrip("\n").split("\n")), "%s: --json tells %d problems" % (name, len(told["problems"])))


def main():
    write = sys.argv[1:] == ["--write"]  # for whoever changes a message on purpose: then read the diff
    cases = sorted(glob.glob(os.path.join(CASES, "*", "config.toml")))
    with Folder() as folder:
        made = os.path.join(folder, "made")
        os.mkdir(made)
        self_signed(made, "mx"), self_signed(made, "other")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done in [pool.submit(try_case, folder, made, os.path.dirname(case), write) for case in cases]:
                done.result()
        absent = os.path.join(folder, "absent.toml")
        for words, code in ((("config", "check", absent), 1), (("serve", "-c", absent), 2)):
            done = run(*words)
            need(done.returncode == code and absent.encode() in done.stderr, "no such file: %s" % done.stderr.decode().strip())
        for words in (("serve",), ("config",), ("config", "check"), ("config", "explain", "mx.lisen"), ("nonsense",)):
            need(run(*words).returncode == 2, "sekisho %s: exit 2" % " ".join(words))
        for good in ("etc/first-run.toml", "etc/cases.toml"):
            done = run("config", "check", os.path.join(ROOT, good))
            need(done.returncode == 0, "control: %s is good" % good)
    need(len(cases) >= 50, "%d broken configs" % len(cases))


main()
