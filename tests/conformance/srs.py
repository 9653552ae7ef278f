#!/usr/bin/python3
"""SRS vectors made with Mail::SRS 0.31: all through the library in one process, one case through `sekisho srs` as an operator would call it.

Use: srs.py SEKISHO SRS_SUITE VECTORS WANTED. 77 when the vectors are not here.
"""
import json
import os
import subprocess
import sys
import tempfile

DAY = 86400


def steps(case):
    """[(key of the answer, verb, domain, address, time)]"""
    now, one, two, three = case["time"], case["alias1"], case["alias2"], case["alias3"]
    return [("srs0", "forward", one, case["sender"], now), ("srs1", "forward", two, case["srs0"], now), ("srs1b", "forward", three, case["srs1"], now),
            ("reverse_srs0", "reverse", one, case["srs0"], now), ("reverse_srs1", "reverse", two, case["srs1"], now),
            ("tampered_result", "reverse", one, case["tampered"], now), ("reverse_after_20d", "reverse", one, case["srs0"], now + 20 * DAY),
            ("reverse_after_23d", "reverse", one, case["srs0"], now + 23 * DAY)]


def by_library(suite, cases):
    """The answers to all steps of all cases, in order."""
    lines = ["\t".join([verb, case["secret"], str(case["hashlength"]), case["separator"], str(now), domain, address])
             for case in cases for _, verb, domain, address, now in steps(case)]
    done = subprocess.run([suite], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split("\n")[:-1]


def by_command(binary, case):
    with tempfile.TemporaryDirectory() as folder:
        secret = os.path.join(folder, "secret")
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(case["secret"] + "\n")
        for _, verb, domain, address, now in steps(case):
            done = subprocess.run([binary, "srs", verb, "--secret", secret, "--domain", domain, "--hash-length", str(case["hashlength"]),
                                   "--separator", case["separator"], "--now", str(now), address], capture_output=True, text=True, timeout=30)
            if done.returncode == 1:
                yield "ERROR" if done.stdout == "" else "output beside a refusal: " + done.stdout
            else:
                yield done.stdout.rstrip("\n") if done.returncode == 0 else "exit %d: %s" % (done.returncode, done.stderr)


def main():
    binary, suite, path, wanted = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    if not os.path.exists(path):
        print("SKIPPED: %s is not here" % path)
        sys.exit(77)
    cases = json.load(open(path))
    got, good = by_library(suite, cases), 0
    each = len(steps(cases[0]))
    shown = next(i for i, case in enumerate(cases) if case["separator"] != "=" and case["hashlength"] != 4)
    command = list(by_command(binary, cases[shown]))
    for number, case in enumerate(cases):
        answers = [("library", got[number * each:number * each + each])] + ([("command", command)] if number == shown else [])
        faults = ["%s, %s: wanted %r, got %r" % (who, step[0], case[step[0]], answer)
                  for who, said in answers for step, answer in zip(steps(case), said) if answer != case[step[0]]]
        good += not faults and len(answers[0][1]) == each
        for fault in faults:
            print("case %d (%s): %s" % (number, case["sender"], fault))
    print("SRS: %d of %d cases as Mail::SRS 0.31, one of them by the command too" % (good, len(cases)))
    sys.exit(0 if good == len(cases) == wanted else 1)


main()
