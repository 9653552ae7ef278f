"""Runs the DKIM part of a case list (JSON) through the driver. Says so and skips when the list is not there."""
import json
import os
import subprocess
import sys
import tempfile

if len(sys.argv) != 3 or not os.path.exists(sys.argv[2]):
    print("skipped: no case list at", sys.argv[2:])
    sys.exit(77)


def quoted(text):
    return '"%s"' % "".join("\\%03d" % ord(c) if not (32 <= ord(c) < 127) or c in '"\\' else c for c in text)


def owner(name):
    return "".join(c if c.isalnum() or c in "._-*" else "\\%03d" % ord(c) for c in name) + "."


def zone_text(zone):
    lines = ["$ORIGIN .", "$TTL 300"]
    for name, records in zone.items():
        fault = records.get("_behaviour")
        if fault:
            lines.append(";!%s %s" % (fault, owner(name)))
        for value in records.get("TXT", []):
            parts = [value] if isinstance(value, str) else value
            lines.append("%s IN TXT %s" % (owner(name), " ".join(quoted(p) for p in parts)))
        for value in records.get("CNAME", []) if isinstance(records.get("CNAME"), list) else []:
            lines.append("%s IN CNAME %s" % (owner(name), owner(value)))
    return "\n".join(lines) + "\n"


def judge(case, results, findings, queries, cpu_us):
    expect, wrong = case["expect"], []
    if "dkim" in expect and sorted(expect["dkim"]) != sorted(results):
        wrong.append("results %s, wanted %s" % (results, expect["dkim"]))
    if "dkim_in" in expect and not any(r in expect["dkim_in"] for r in results):
        wrong.append("results %s, wanted one of %s" % (results, expect["dkim_in"]))
    for word in expect.get("forbid", {}).get("dkim", []):
        if word in results:
            wrong.append("forbidden " + word)
    if expect.get("flags_any") and not set(expect["flags_any"]) & set(findings):
        wrong.append("findings %s, wanted one of %s" % (findings, expect["flags_any"]))
    if queries > expect.get("dns_queries_max", 1000):
        wrong.append("%d queries" % queries)
    if cpu_us / 1000 > expect.get("cpu_ms_max", 10000):
        wrong.append("%d us of CPU" % cpu_us)
    return wrong


failures = 0
cases = json.load(open(sys.argv[2]))
with tempfile.TemporaryDirectory() as folder:
    for case in cases:
        mail, zone = os.path.join(folder, "mail"), os.path.join(folder, "zone")
        open(mail, "wb").write(case["message"].encode("latin-1"))
        open(zone, "w").write(zone_text(case["zone"]))
        run = subprocess.run([sys.argv[1], "verify", "--now", str(case["clock"]), "--zone", zone, mail],
                             capture_output=True, text=True)
        parts = run.stdout.rstrip("\n").split("\t")
        if run.returncode or len(parts) != 6:
            wrong = ["the driver failed: %s %s" % (run.stdout, run.stderr)]
        else:
            wrong = judge(case, parts[1].split(","), parts[2].split(","), int(parts[3]), int(parts[4]))
            if os.environ.get("VERBOSE"):
                print(case["id"], case["title"], "->", parts[1][:60], parts[2], parts[5][:90])
        if wrong:
            failures += 1
            print(case["id"], case["title"], "; ".join(wrong), parts[-1][:200])
print("%d of %d cases as expected" % (len(cases) - failures, len(cases)))
sys.exit(1 if failures else 0)
