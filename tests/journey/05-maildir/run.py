#!/usr/bin/python3
"""Mail into Maildirs: one file per recipient under DOMAIN/LOCAL/new, mode 0600, the message octet for octet; a folder that cannot be
written is 4xx for the client, nothing is lost and nothing half-written is left behind, and the retry brings it in.
"""
import os
import subprocess

from lab import Client, Folder, Sekisho, ZONE, message, need, skip

MAILDIR = """
[[next_hop]]
name = "boxes"
kind = "maildir"
folder = "%(boxes)s"
[[local_domain]]
name = "dest.example"
next_hop = "boxes"
check = "any"
"""
BODY = "Line\r\n.\r\n..\r\n\xe4\xf6\xfc \x01\x7f\r\n" + "y" * 4000 + "\r\n\r\n"


def files(folder, box, part="new"):
    path = os.path.join(folder, "dest.example", box, part)
    return sorted(os.path.join(path, f) for f in os.listdir(path)) if os.path.isdir(path) else []


def delivered(gate, boxes):
    mail = message(message_id="m1@sender.example", body=BODY)
    client = Client(gate.port)
    reply = client.send(mail, rcpts=("User@DEST.example", "alice+tag@dest.example", "o'brien/../x@dest.example"))
    need(reply.startswith("250"), "three recipients: " + reply)
    reply = client.send(mail.replace("m1@", "m2@"), rcpts=("user@dest.example",))
    need(reply.startswith("250"), "again on the same connection")
    client.close()
    need(len(files(boxes, "user")) == 2 and len(files(boxes, "alice+tag")) == 1, "files in DOMAIN/LOCAL/new, lower case")
    odd = [d for d in os.listdir(os.path.join(boxes, "dest.example")) if "brien" in d]
    need(len(odd) == 1 and "/" not in odd[0] and len(files(boxes, odd[0])) == 1, "a local part with slashes and dots stays below its domain: " + odd[0])
    need(sorted(os.listdir(boxes)) == ["dest.example"], "nothing beside it")
    for path in files(boxes, "user"):
        need(os.stat(path).st_mode & 0o777 == 0o600, "mode 0600")
        octets = open(path, "rb").read()
        head, body = octets.split(b"\r\n\r\n", 1)
        need(body == BODY.encode("latin-1"), "body octet for octet")
        need(head.startswith(b"Return-Path: <a@sender.example>\r\nAuthentication-Results: mx.sekisho.example;") and head.endswith(mail.split("\r\n\r\n")[0].replace("m1@", "m%d@" % (1 if b"<m1@" in head else 2)).encode()), "Return-Path (RFC 5321 section 4.4) and our headers on top of the sender's own")
    need(files(boxes, "user", "tmp") == [], "tmp is empty")
    story = gate.story("m1@sender.example")["events"]
    names = [os.path.basename(p) for b in ("user", "alice+tag", odd[0]) for p in files(boxes, b)]
    need(any(e.get("queue_id") in names for e in story), "the trail names the file")


def unwritable(gate, boxes):
    blocked = os.path.join(boxes, "dest.example", "bob")
    os.makedirs(os.path.join(blocked))
    open(os.path.join(blocked, "new"), "w").close()  # a file where the folder should be: not writable even for root
    client = Client(gate.port)
    mail = message(message_id="m3@sender.example", body=BODY)
    reply = client.send(mail, rcpts=("bob@dest.example",))
    need(reply[:1] == "4", "a folder that cannot be written: " + reply)
    need(client.send(mail.replace("m3@", "m4@"), rcpts=("alice@dest.example",)).startswith("250"), "others are served meanwhile")
    need(files(boxes, "bob", "tmp") == [], "nothing half-written is left")
    reply = client.send(mail.replace("m3@", "m5@"), rcpts=("bob@dest.example", "alice@dest.example"))
    need(reply.startswith("451"), "one served, one not: " + reply)
    os.unlink(os.path.join(blocked, "new"))
    need(client.send(mail, rcpts=("bob@dest.example",)).startswith("250"), "the client's retry brings it in")
    need(client.send(mail.replace("m3@", "m5@"), rcpts=("bob@dest.example", "alice@dest.example")).startswith("250"), "and the other too")
    client.close()
    got = {b: [next(w for w in ("m3@", "m4@", "m5@") if w.encode() in open(p, "rb").read()) for p in files(boxes, b)] for b in ("bob", "alice")}
    need(sorted(got["bob"]) == ["m3@", "m5@"] and sorted(got["alice"]) == ["m4@", "m5@"], "each exactly once: %r" % got)
    base = boxes + ".away"
    os.rename(boxes, base)
    client = Client(gate.port)
    reply = client.send(mail.replace("m3@", "m6@"), rcpts=("user@dest.example",))
    need(reply[:1] == "4" and not os.path.exists(boxes), "a mail disk that is not mounted: %s, and no folder is made in its place" % reply)
    os.rename(base, boxes)
    need(client.send(mail.replace("m3@", "m6@"), rcpts=("user@dest.example",)).startswith("250"), "mounted again")
    client.close()


def full(folder):
    small = os.path.join(folder, "small")
    os.mkdir(small)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], capture_output=True).returncode:
        print("SKIP part: no tmpfs can be mounted, the full disk is not tried")
        return
    try:
        with Sekisho(folder, MAILDIR, ZONE, name="full", boxes=small) as gate:
            client = Client(gate.port)
            reply = client.send(message(body="z" * 70 + "\r\n" * 1 + ("z" * 70 + "\r\n") * 30000), rcpts=("user@dest.example",))
            need(reply.startswith("452 4.3.1"), "a full mail disk: " + reply)
            need(files(small, "user") == [] and files(small, "user", "tmp") == [], "nothing half-written is left")
            need(client.send(message(), rcpts=("user@dest.example",)).startswith("250"), "a small mail still fits")
            client.close()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def main():
    with Folder() as folder:
        boxes = os.path.join(folder, "boxes")
        with Sekisho(folder, MAILDIR, ZONE, boxes=boxes) as gate:
            delivered(gate, boxes)
            unwritable(gate, boxes)
        full(folder)


main()
