#!/usr/bin/python3
"""A record tried on past mail before it is published: of a mailbox, and of the ledger of a running gate. The control: the record that stands changes nothing."""
import json
import subprocess

from lab import BINARY, Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need

MAIL = ("From x@y Thu Jan  1 00:00:00 2026\nReturn-Path: <user@%s>\nReceived: from %s (%s [%s]) by mx.dest.example; Thu, 1 Jan 2026 00:00:00 +0000\nFrom: user@%s\nTo: b@dest.example\n"
        "Subject: s\nDate: Thu, 1 Jan 2026 00:00:00 +0000\nMessage-ID: <%d@x>\n\nHello\n\n")
OLD = """$ORIGIN .
example.org. 300 IN TXT "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.5 ~all"
_dmarc.example.org. 300 IN TXT "v=DMARC1; p=none; rua=mailto:d@example.org"
"""


def lint(zone, text, *more):
    done = subprocess.run([BINARY, "record", "lint", "example.org", "--text", text, "--zone", zone, "--json", *more], capture_output=True, timeout=60)
    need(done.stdout, "an answer: " + done.stderr.decode()[-300:])
    return json.loads(done.stdout)["simulation"]


def mailbox(folder):
    zone, box = folder + "/old.zone", folder + "/old.mbox"
    open(zone, "w").write(OLD)
    sources = [("mx.example.org", "192.0.2.1")] * 3 + [("crm.example.net", "198.51.100.5")] * 2 + [("forger.example", "203.0.113.9")]
    mails = [MAIL % ("example.org", helo, helo, ip, "example.org", i) for i, (helo, ip) in enumerate(sources)] + [MAIL % ("other.example", "o", "o", "192.0.2.1", "other.example", 99)]
    open(box, "w").write("".join(mails))
    same = lint(zone, "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.5 ~all", "--simulate", box)
    need((same["mails"], same["others"], same["changed"], same["pass_before"], same["pass_after"]) == (6, 1, 0, 5, 5), "the control: the same record changes nothing: %r" % same)
    fresh = lint(zone, "v=spf1 ip4:192.0.2.0/24 -all", "--simulate", box)
    rows = {s["ip"]: s for s in fresh["sources"]}
    need(fresh["pass_before"] == 5 and fresh["pass_after"] == 3 and fresh["changed"] == 3, "who would be lost: %r" % fresh)
    crm = rows["198.51.100.5"]
    need(crm["mails"] == 2 and crm["helo"] == "crm.example.net" and crm["before"]["spf"] == "pass" and crm["after"]["spf"] == "fail" and crm["after"]["dmarc"] == "fail", "by source: %r" % crm)
    need(rows["203.0.113.9"]["before"]["spf"] == "softfail" and rows["203.0.113.9"]["after"]["spf"] == "fail" and not rows["192.0.2.1"]["changes"], "and the forger")
    policy = lint(zone, "v=DMARC1; p=reject; rua=mailto:d@example.org", "--simulate", box)
    forger = {s["ip"]: s for s in policy["sources"]}["203.0.113.9"]
    need(policy["changed"] == 1 and forger["before"]["policy"] == "none" and forger["after"]["policy"] == "reject", "a policy on past mail: %r" % policy)
    table = subprocess.run([BINARY, "record", "build", "spf", "--domain", "example.org", "--ip4", "192.0.2.0/24", "--zone", zone, "--simulate", box], capture_output=True, timeout=60).stdout.decode()
    need("6 mails: 5 pass now, 3 under the new record, 3 change" in table or "6 mails: 5 pass now, 3 under the new record, 2 change" in table, "build simulates too: " + table[-300:])
    missing = subprocess.run([BINARY, "record", "lint", "example.org", "--simulate", box], capture_output=True, timeout=60)
    need(missing.returncode == 2 and b"--text" in missing.stderr, "without a new record there is nothing to simulate")


def ledger(folder):
    sink = Sink()
    with Sekisho(folder, NEXT_HOP, ZONE, sink=sink.port) as gate:
        for i in range(3):
            client = Client(gate.port)
            need(client.send(message(message_id="%d@sender.example" % i)).startswith("250"), "a mail passes")
            client.close()
        gate.story("--message-id", "2@sender.example")
        words = ["record", "lint", "sender.example", "--zone", folder + "/gate.zone", "--ledger", gate.config, "--json"]

        def ask(text):
            done = subprocess.run([BINARY, *words, "--text", text], capture_output=True, timeout=60)
            need(done.stdout, "an answer: " + done.stderr.decode()[-300:])
            return json.loads(done.stdout)["simulation"]
        same = ask("v=spf1 ip4:127.0.0.0/8 -all")
        need(same["mails"] == 3 and same["changed"] == 0 and same["pass_after"] == 3, "of the ledger, the control: %r" % same)
        lost = ask("v=spf1 ip4:192.0.2.0/24 -all")
        need(lost["pass_before"] == 3 and lost["pass_after"] == 0 and lost["sources"][0]["after"] == {"spf": "fail", "dmarc": "fail", "policy": "reject"}, "all would be refused: %r" % lost)
    sink.close()


if __name__ == "__main__":
    with Folder() as folder:
        mailbox(folder)
        ledger(folder)
