#!/usr/bin/python3
"""`ledger show` by number, by time and from the end; which files of a mailbox are mails; what a second server is told about the lock.
"""
import json
import os
import subprocess
import time

from lab import BINARY, COMMANDS, Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need


def records(gate, *words):
    return json.loads(gate.run("ledger", "show", *words, "--json", check=0).stdout)["records"]


def show(gate):
    before = int(time.time()) - 1
    for i in range(3):
        client = Client(gate.port)
        need(client.send(message(message_id="m%d@sender.example" % i)).startswith("250"), "mail %d" % i)
        client.close()
    gate.story("--message-id", "m2@sender.example")
    everything = records(gate, "--from-seq", "1", "--limit", "1000")
    need([r["seq"] for r in everything] == list(range(1, len(everything) + 1)), "%d records from the first on" % len(everything))
    last = records(gate, "--last", "2")
    # The query for the story is a record too, so the end has moved by a few.
    need(len(last) == 2 and last[1]["seq"] == last[0]["seq"] + 1 and last[0]["seq"] >= everything[-2]["seq"], "--last 2 are the last two")
    since = records(gate, "--since", str(before), "--limit", "1000")
    need(since and {r["seq"] for r in since} >= {r["seq"] for r in everything if r["event"] == "decided"}, "--since holds today's mails")
    need(records(gate, "--since", str(before), "--until", str(before)) == [], "nothing in a second before them")
    need(records(gate, "--since", str(int(time.time()) + 86400)) == [], "nor tomorrow")
    need(records(gate, "--until", "1000") == [], "nor in 1970")
    need(gate.run("ledger", "show", "--last", "2", "--since", "1").returncode == 2, "--last does not go with --since: exit 2")
    need(gate.run("ledger", "show", "--since", "yesterday").returncode == 2, "what is no time is said: exit 2")


def second_server(gate, folder):
    done = subprocess.run([BINARY, "serve", "-c", gate.config], capture_output=True, timeout=60)
    text = done.stderr.decode()
    need(done.returncode == 2 and "process %d (sekisho) holds it" % gate.process.pid in text and "stop it" in text, "a second server is told who holds the lock: " + text.strip().splitlines()[-1])


def wordings():
    done = subprocess.run([COMMANDS, "config", "check", "/nonexistent.toml"], capture_output=True, timeout=60)
    text = (done.stdout + done.stderr).decode()
    need(done.returncode in (1, 2) and "/nonexistent.toml: " in text and ":0:" not in text, "a config that is not there: " + text.strip())


def maildir(folder):
    box = os.path.join(folder, "Maildir")
    for place in ("cur", "new", "tmp", ".Sent/cur", ".Sent/new", ".Sent/tmp", ".hidden"):
        os.makedirs(os.path.join(box, place))
    mails = ("new/1.a.host", "cur/2.b.host:2,S", ".Sent/cur/3.c.host:2,S")
    others = ("tmp/4.d.host", "dovecot.index", "dovecot-uidlist", "subscriptions", "cur/.nfs0001", ".Sent/dovecot.index.log", ".hidden/note")
    for name in mails + others:
        with open(os.path.join(box, name), "w", newline="") as out:
            out.write(message())
    count = lambda path: json.loads(subprocess.run([BINARY, "replay", path, "--ip", "127.0.0.1", "--zone", "/dev/null", "--json"], check=True, capture_output=True, timeout=60).stdout)["mails"]
    need(count(box) == len(mails), "of a Maildir only cur/ and new/ of each folder are mails: %d of %d files" % (len(mails), len(mails + others)))
    plain = os.path.join(folder, "plain", "more")
    os.makedirs(plain)
    for name in ("../a.eml", "b.eml", ".hidden.eml"):
        with open(os.path.join(plain, name), "w", newline="") as out:
            out.write(message())
    need(count(os.path.join(folder, "plain")) == 2, "in a plain folder every file that is not hidden")
    empty = os.path.join(folder, "empty")
    os.makedirs(os.path.join(empty, "tmp"))
    done = subprocess.run([COMMANDS, "replay", empty], capture_output=True, timeout=60)
    need(done.returncode == 2 and b"holds no mails" in done.stderr, "a folder without mails is said: exit 2")


with Folder() as folder:
    sink = Sink()
    with Sekisho(folder, NEXT_HOP, ZONE, sink=sink.port) as gate:
        show(gate)
        second_server(gate, folder)
    wordings()
    maildir(folder)
