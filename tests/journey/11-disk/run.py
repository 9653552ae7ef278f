#!/usr/bin/python3
"""A full state disk: 452 4.3.1 at MAIL, before anything left us; nothing that was acknowledged is lost; when there is room again, mail
flows again without a restart, and the ledger verifies. The state folder lies on a small tmpfs of its own.
"""
import errno
import os
import re
import subprocess

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, skip, until

LEDGER = "\n[ledger]\nfree_bytes = %(free)s\n"


def fill(path, leave):
    """Fills the disk with one file but for `leave` octets."""
    space = os.statvfs(path)
    with open(os.path.join(path, "ballast"), "ab", buffering=0) as out:
        wanted = space.f_bavail * space.f_frsize - leave
        try:
            out.write(b"\0" * max(wanted, 0))
        except OSError as fault:  # the server writes too
            if fault.errno != errno.ENOSPC or leave:
                raise


def send(client, number):
    return client.send(message(message_id="%s@sender.example" % number, body="mail %s.\r\n" % number))


def short(folder, disk, sink):
    """Below ledger.free_bytes the answer is 452 at MAIL; the control is the same server with room."""
    with Sekisho(folder, NEXT_HOP + LEDGER, ZONE, name="disk", sink=sink.port, free="1048576") as gate:
        client = Client(gate.port)
        need(send(client, "d1").startswith("250"), "control: with room the mail is taken")
        fill(disk, 512 * 1024)
        client.say("EHLO client.example")
        until(lambda: not client.say("MAIL FROM:<a@sender.example>").startswith("250") or not client.say("RSET"), seconds=15)
        reply = client.say("MAIL FROM:<a@sender.example>")
        need(reply.startswith("452 4.3.1"), "disk below ledger.free_bytes: " + reply)
        need(client.say("RCPT TO:<user@dest.example>").startswith("503"), "no transaction was begun")
        need(len(sink.mails) == 1, "nothing left us")
        need(gate.metrics().get('sekisho_refusals_total{code="state_disk_short"}', 0) >= 1, "metrics name it")
        os.unlink(os.path.join(disk, "ballast"))
        until(lambda: send(client, "d2").startswith("250"), seconds=30, what="room again: mail flows without a restart")
        client.close()
        need(gate.json("ledger", "verify")["verified"], "the ledger verifies")


def full(folder, disk, sink):
    """With no reserve at all the write itself fails: still no 250 that is not recorded."""
    with Sekisho(folder, NEXT_HOP + LEDGER, ZONE, name="disk", sink=sink.port, free="0") as gate:
        fill(disk, 0)
        client, replies = Client(gate.port), []
        for i in range(200):  # more than fits into the room that the ledger has already
            replies.append(send(client, "f%02d" % i))
            if replies[-1][:3] == "421" or replies[-1] == "":
                client = Client(gate.port)
        client.close()
        kinds = sorted({r[:9] for r in replies})
        need(all(re.match(r"250 2\.0\.0|45\d 4\.3|421", r) for r in replies) and any(r[:1] == "4" for r in replies), "a full disk, 200 mails: %r" % kinds)
        os.unlink(os.path.join(disk, "ballast"))
        client = Client(gate.port)
        until(lambda: send(client, "g1").startswith("250"), seconds=30, what="room again: mail flows without a restart")
        client.close()
        taken = ["f%02d" % i for i, r in enumerate(replies) if r.startswith("250")]
        here = [re.search(rb"mail (\w+)\.", m["data"])[1].decode() for m in sink.mails]
        need(set(taken) <= set(here) and not set(here) & {"f%02d" % i for i, r in enumerate(replies) if r[:1] == "4"}, "what got a 250 is at the next hop, what got 4xx is not: %d taken" % len(taken))
        report = gate.json("ledger", "verify")
        need(report["verified"], "the ledger verifies: %s" % report["problems"])
        told = {s["events"][0]["message_id"].split("@")[0] for s in gate.json("trace", "--domain", "sender.example", "--limit", "1000")["stories"]}
        need(set(taken) <= told, "and each of them has its story")


def main():
    with Folder() as folder:
        disk = os.path.join(folder, "disk-state")  # where Sekisho(name="disk") keeps its state
        for part in (short, full):
            os.makedirs(disk, exist_ok=True)
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", disk], capture_output=True).returncode:
                skip("no tmpfs can be mounted here, so no disk can be filled")
            try:
                part(folder, disk, Sink())
            finally:
                subprocess.run(["umount", "-l", disk], check=True)


main()
