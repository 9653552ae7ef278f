#!/usr/bin/python3
"""What nobody here has signed is not passed on: tampered, expired, foreign, forged SRS1; Postfix refuses it at RCPT. The true one passes (control)."""
import subprocess
import time

from forwarder import SRS, Forwarder
from lab import Folder, need, until


def main():
    with Folder() as folder, Forwarder(folder) as f:
        now = int(time.time())
        true = f.srs("forward", "user@first.example")
        tampered = true.replace("=user@", "=victim@")
        expired = f.srs("forward", "user@first.example", "--now", str(now - 22 * 86400))
        with open(folder + "/other.secret", "w") as out:
            out.write("another forwarder's secret\n")
        subprocess.run(["chmod", "600", folder + "/other.secret"], check=True)
        foreign = f.srs("forward", "user@first.example", secret=folder + "/other.secret")
        cases = {"tampered": tampered, "expired": expired, "of another's secret": foreign, "a forged SRS1": "SRS1=abcd=victim.example==x=y=z=user@" + SRS,
                 "an empty hash": "SRS0==IP=victim.example=user@" + SRS, "no fields": "SRS0=@" + SRS, "no SRS at all": "user@" + SRS}
        before = len(f.sink.mails)
        for why, address in cases.items():
            reply = f.send("", address)
            need(reply.startswith("550 5.1.1"), "%s: %s" % (why, reply))
        need(f.send("", "user@victim.example").startswith("454 4.7.1") or f.send("", "user@victim.example")[:1] == "5", "nor is anything else relayed")
        need(f.send("", true).startswith("250") and f.arrived("user@first.example"), "control: the true one passes")
        need(len(f.sink.mails) == before + 1, "and nothing else has left")
        asked = f.gate.metrics()
        for outcome in ("hash", "expired", "malformed", "not_srs"):
            need(asked.get('sekisho_mediator_requests_total{outcome="%s"}' % outcome, 0) >= 1, "counted: " + outcome)


main()
