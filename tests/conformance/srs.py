#!/usr/bin/python3
"""SRS vectors made with Mail::SRS 0.31, through `sekisho srs` as an operator would call it.

Use: srs.py SEKISHO VECTORS WANTED. 77 when the vectors are not here.
"""
import json
import os
import subprocess
import sys
import tempfile

DAY = 86400


class Command:
    def __init__(self, binary, folder):
        self.binary, self.secret = binary, os.path.join(folder, "secret")

    def use(self, secret):
        with open(os.open(self.secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(secret + "\n")

    def ask(self, verb, case, domain, address, now):
        done = subprocess.run([self.binary, "srs", verb, "--secret", self.secret, "--domain", domain, "--hash-length", str(case["hashlength"]),
                               "--separator", case["separator"], "--now", str(now), address], capture_output=True, text=True, timeout=30)
        if done.returncode == 1:
            return "ERROR" if done.stdout == "" else "output beside a refusal: " + done.stdout
        return done.stdout.rstrip("\n") if done.returncode == 0 else "exit %d: %s" % (done.returncode, done.stderr)


def check(command, case):
    """What differs, as text."""
    command.use(case["secret"])
    now, one, two, three = case["time"], case["alias1"], case["alias2"], case["alias3"]
    steps = [("srs0", "forward", one, case["sender"], now), ("srs1", "forward", two, case["srs0"], now), ("srs1b", "forward", three, case["srs1"], now),
             ("reverse_srs0", "reverse", one, case["srs0"], now), ("reverse_srs1", "reverse", two, case["srs1"], now),
             ("tampered_result", "reverse", one, case["tampered"], now), ("reverse_after_20d", "reverse", one, case["srs0"], now + 20 * DAY),
             ("reverse_after_23d", "reverse", one, case["srs0"], now + 23 * DAY)]
    for key, verb, domain, address, when in steps:
        got = command.ask(verb, case, domain, address, when)
        if got != case[key]:
            yield "%s: wanted %r, got %r" % (key, case[key], got)


def main():
    binary, path, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
    fast = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/release/sekisho")
    binary = fast if os.path.exists(fast) else binary  # 480 starts, most of the time of a sanitized program
    if not os.path.exists(path):
        print("SKIPPED: %s is not here" % path)
        sys.exit(77)
    cases = json.load(open(path))
    good = 0
    with tempfile.TemporaryDirectory() as folder:
        command = Command(binary, folder)
        for number, case in enumerate(cases):
            faults = list(check(command, case))
            good += not faults
            for fault in faults:
                print("case %d (%s): %s" % (number, case["sender"], fault))
    print("SRS: %d of %d cases as Mail::SRS 0.31" % (good, len(cases)))
    sys.exit(0 if good == len(cases) == wanted else 1)


main()
