#!/usr/bin/python3
"""A memory control group of 256 MiB and more mail than fits: 452 4.3.1, never the OOM killer; small mail passes meanwhile.

Many clients at a time send mails of 10 MiB (MEMORY_MAILS of them in all: 60; 2,000 in the night) to a server with its default settings, so it must see
the group's limit by itself. What got 250 is at the next hop, the others are told to come again. Control: a group of 2 GiB takes all of them. Where no control group
can be made this is skipped, and says so.
"""
import os
import re
import threading
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, release_binary, skip, until

MIB = 1 << 20
MAILS = int(os.environ.get("MEMORY_MAILS", "60"))
CLIENTS = 40
BODY = (("x" * 76 + "\r\n") * (10 * MIB // 78)).encode()


class Group:
    """A control group with a limit of memory: v2 where it can be had, else v1."""

    def __init__(self, name, limit):
        self.path = None
        for mount, limit_file, control in (("/sys/fs/cgroup", "memory.max", "cgroup.controllers"), ("/sys/fs/cgroup/unified", "memory.max", "cgroup.controllers"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.limit_in_bytes")):
            if not os.path.exists(os.path.join(mount, control)):
                continue
            path = os.path.join(mount, name)
            try:
                if limit_file == "memory.max":
                    with open(os.path.join(mount, "cgroup.subtree_control"), "w") as out:
                        out.write("+memory")
                os.makedirs(path, exist_ok=True)
                with open(os.path.join(path, limit_file), "w") as out:
                    out.write(str(limit))
                self.path, self.v2 = path, limit_file == "memory.max"
                return
            except OSError:
                try:
                    os.rmdir(path)
                except OSError:
                    pass

    def peak(self):
        for name in ("memory.peak", "memory.max_usage_in_bytes"):
            path = os.path.join(self.path, name)
            if os.path.exists(path):
                return int(open(path).read())
        return 0

    def killed(self):
        for name in ("memory.events", "memory.oom_control"):
            path = os.path.join(self.path, name)
            if os.path.exists(path):
                found = re.search(r"^oom_kill (\d+)", open(path).read(), re.M)
                return int(found[1]) if found else 0
        return 0

    def enter(self):
        """Words that start a program inside of it."""
        return ("sh", "-c", 'echo $$ > "%s/cgroup.procs"; exec "$@"' % self.path, "sh")

    def remove(self):
        for _ in range(50):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.1)


class Counting(Sink):
    """Keeps numbers, not mails."""

    def _finish(self, session, say):
        session["data"] = re.search(rb"Message-ID: <([^@]+)@", session["data"])[1]
        super()._finish(session, say)

    def words(self):
        return [m["data"].decode() for m in list(self.mails)]


def flood(gate, mails, prefix):
    replies, lock = {}, threading.Lock()

    def client(numbers):
        for n in numbers:
            word = "%s%d" % (prefix, n)
            try:
                c = Client(gate.port)
                reply = c.send(message(message_id=word + "@sender.example", body="").encode() + BODY)
                c.close()
            except OSError as how:
                reply = "lost %s" % how
            with lock:
                replies[word] = reply
    threads = [threading.Thread(target=client, args=(range(i, mails, CLIENTS),)) for i in range(CLIENTS)]
    small = []
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        try:
            c = Client(gate.port)
            small.append(c.send(message(message_id="small@sender.example"))[:3])
            c.close()
        except OSError as how:
            small.append(str(how))
        time.sleep(0.3)
    for t in threads:
        t.join()
    return replies, small


def judge(replies, sink, what):
    counts = {}
    for reply in replies.values():
        counts[reply[:9]] = counts.get(reply[:9], 0) + 1
    need(all(re.match(r"250|45\d|421", r) for r in replies.values()), "%s: %d mails of 10 MiB: %r" % (what, len(replies), counts))
    taken = {w for w in replies if replies[w].startswith("250")}
    here = set(sink.words())
    need(taken <= here and not {w for w in here if w in replies} - taken, "%s: what got 250 is at the next hop, nothing else is" % what)
    return taken


def tight(folder):
    group, sink = Group("sekisho-journey-%d" % os.getpid(), 256 * MIB), Counting()
    if group.path is None:
        skip("no memory control group can be made here")
    try:
        with Sekisho(folder, NEXT_HOP, ZONE, name="tight", binary=release_binary(), wrap=group.enter(), sink=sink.port) as gate:
            need(str(gate.process.pid) in open(os.path.join(group.path, "cgroup.procs")).read().split(), "the server runs in a group of 256 MiB (cgroup v%d)" % (2 if group.v2 else 1))
            need("memory_capped" in gate.log_text(), "it sees the limit: " + (re.findall("memory_capped.*", gate.log_text()) or [""])[0])
            begun = time.monotonic()
            replies, small = flood(gate, MAILS, "tight")
            took = time.monotonic() - begun
            taken = judge(replies, sink, "256 MiB, %d clients" % CLIENTS)
            need(gate.process.poll() is None and group.killed() == 0, "no OOM: peak %d MiB, %d octets of mail held at most at a time, %.0f s" % (group.peak() // MIB, 128 * MIB, took))
            need(len(taken) < len(replies) and any(r.startswith("452 4.3.1") for r in replies.values()), "what does not fit is told 452 4.3.1: %d taken, %d to come again" % (len(taken), len(replies) - len(taken)))
            need(small and small.count("250") + small.count("452") == len(small) and "250" in small, "small mails meanwhile: %d taken, %d told 452" % (small.count("250"), small.count("452")))
            until(lambda: "memory_short" in gate.log_text(), 10, "the log says memory_short")
            reply = None
            for word in sorted(set(replies) - taken)[:3]:
                c = Client(gate.port)
                reply = c.send(message(message_id=word + "@sender.example", body="").encode() + BODY)
                c.close()
                need(reply.startswith("250"), "%s comes again and is taken" % word)
    finally:
        group.remove()


def roomy(folder):
    group, sink = Group("sekisho-journey-%d-roomy" % os.getpid(), 2048 * MIB), Counting()
    mails = min(MAILS, 20)
    try:
        with Sekisho(folder, NEXT_HOP, ZONE, name="roomy", mx="memory_bytes = 1073741824", binary=release_binary(), wrap=group.enter(), sink=sink.port) as gate:
            replies, _ = flood(gate, mails, "roomy")
            need(len(judge(replies, sink, "control: 2 GiB")) == mails and "memory_short" not in gate.log_text(), "control: with room all %d are taken" % mails)
    finally:
        group.remove()


def main():
    with Folder() as folder:
        tight(folder)
        roomy(folder)


main()
