#!/usr/bin/python3
"""kill -9 in the middle of work, and a next hop that breaks: what we answered with 250 is there, always.

Four clients send numbered mails while the server is killed and started again, five times (CRASH_ROUNDS: more). Every mail that got a 250 is at the next hop,
the ledger verifies (a torn tail is cut and reported), and mails whose outcome was never recorded read "unknown". The checker itself is
checked: told of an acknowledged mail that is missing, it must fail. Then the next hop: gone after the dot, gone altogether, a kept
session closed by it between two mails.
"""
import os
import re
import signal
import socket
import threading
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, until

ROUNDS, CLIENTS = int(os.environ.get("CRASH_ROUNDS", "5")), 4
SLOW = []


def answer(verb, argument, session):
    if verb == "DOT" and SLOW:
        time.sleep(0.004)
    if verb == "DOT" and HOW:
        return HOW.pop(0)
    return None


HOW = []


class Sender(threading.Thread):
    """Sends mail after mail; notes the number of each one that was answered 250, and never gives up."""

    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.port, self.label, self.number, self.acknowledged, self.attempted, self.ended = port, name, 0, [], [], False

    def run(self):
        while not self.ended:
            try:
                client = Client(self.port)
                if client.greeting[:3] != "220":
                    continue
                while not self.ended:
                    self.number += 1
                    word = "%s-%06d" % (self.label, self.number)
                    self.attempted.append(word)
                    if client.send(message(message_id=word + "@sender.example", body="mail %s\r\n" % word)).startswith("250 2.0.0"):
                        self.acknowledged.append(word)
            except (OSError, ValueError, IndexError):
                time.sleep(0.01)


def arrived(sink):
    return [re.search(rb"mail (c\d-\d+)", m["data"])[1].decode() for m in list(sink.mails)]


def check(acknowledged, have):
    missing = sorted(set(acknowledged) - set(have))
    if missing:
        raise AssertionError("acknowledged but missing: %s" % missing[:5])


def kills(gate, sink):
    SLOW.append(1)
    senders = [Sender(gate.port, "c%d" % i) for i in range(CLIENTS)]
    for s in senders:
        s.start()
    for number in range(ROUNDS):
        before = sum(len(s.acknowledged) for s in senders)
        until(lambda: sum(len(s.acknowledged) for s in senders) >= before + 40, seconds=30, what="round %d: 40 more mails acknowledged" % (number + 1))
        time.sleep(0.013 * (number % 20))
        gate.stop(signal.SIGKILL)
        gate.start()
        verified = gate.json("ledger", "verify")
        need(verified["verified"], "round %d: the ledger verifies: %s" % (number + 1, verified["problems"]))
    before = sum(len(s.acknowledged) for s in senders)
    until(lambda: sum(len(s.acknowledged) for s in senders) >= before + 40, seconds=30, what="and it goes on")
    for s in senders:
        s.ended = True
    for s in senders:
        s.join(30)
    SLOW.clear()
    acknowledged, attempted, have = [w for s in senders for w in s.acknowledged], [w for s in senders for w in s.attempted], arrived(sink)
    check(acknowledged, have)
    need(len(acknowledged) >= 40 * (ROUNDS + 1), "%d of %d mails were acknowledged with 250; all of them are at the next hop" % (len(acknowledged), len(attempted)))
    need(set(have) <= set(attempted), "and nothing that was never sent (%d duplicates possible, %d seen)" % (ROUNDS * CLIENTS, len(have) - len(set(have))))
    for more, forgotten in (["c9-000001"], "none"), ([], acknowledged[len(acknowledged) // 2]):
        try:
            check(acknowledged + more, [w for w in have if w != forgotten])
        except AssertionError as said:
            need((more or [forgotten])[0] in str(said), "negative control: the checker cries when one is missing: %s" % said)
        else:
            raise SystemExit("the checker does not see a loss")
    return acknowledged, attempted


def stories(gate, acknowledged, attempted):
    told = gate.json("trace", "--from", "-1h", "--limit", "10000")["stories"]
    state = {}
    for s in told:
        for e in s["events"]:
            if e["event"] == "decided":
                state.setdefault(e["message_id"].split("@")[0], []).append(s["state"])
    need(all(w in state for w in acknowledged), "each acknowledged mail has its decision in the ledger: it was durable before the dot")
    counts = {k: sum(k in v for v in state.values()) for k in ("delivered", "unknown", "pending")}
    need(counts["pending"] == 0 and counts["delivered"] > 0, "no story is pending after a crash: %r" % counts)
    silent = [w for w in acknowledged if not set(state[w]) & {"delivered", "unknown"}]
    need(not silent, "an acknowledged mail reads delivered or, where the kill came before its outcome was on disk, unknown")
    return counts


def torn(gate):
    """A tail that is torn off in the middle of a record: cut, said, never silent; the rest verifies."""
    gate.stop(signal.SIGKILL)
    folder = os.path.join(gate.state, "ledger")
    segments = sorted((os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".log")), key=os.path.getmtime)
    with open(segments[-1], "ab") as out:
        out.write(b"\x40\x00\x00\x00half a record")
    reported = gate.log_text().count("torn")
    gate.start()
    need(gate.log_text().count("torn") > reported, "a torn tail is reported at the start: " + [l for l in gate.log_text().split("\n") if "torn" in l][-1])
    need(gate.json("ledger", "verify")["verified"], "and cut: the ledger verifies")


def kept_sessions(gate, sink):
    client = Client(gate.port)
    need(client.send(message(message_id="k1@sender.example", body="mail c8-1\r\n")).startswith("250"), "a kept session to the next hop")
    HOW.append("close")
    reply = client.send(message(message_id="k2@sender.example", body="mail c8-2\r\n"))
    need(reply.startswith("451 4.4.2"), "next hop closes after the dot: " + reply)
    last = gate.story("k2@sender.example")
    need(last["state"] == "unknown" and [e for e in last["events"] if e["event"] == "outcome"][0]["duplicate_possible"], "the trail says that nobody knows: %s" % last["state"])
    need(client.send(message(message_id="k2@sender.example", body="mail c8-2\r\n")).startswith("250"), "the client's retry is taken")
    before = sink.sessions
    for kept in list(sink.open):
        try:
            kept.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    for i in range(3, 9):
        need(client.send(message(message_id="k%d@sender.example" % i, body="mail c8-%d\r\n" % i)).startswith("250"), "mail %d after the next hop closed the kept sessions" % i)
        if i == 5:
            for kept in list(sink.open):
                kept.shutdown(socket.SHUT_RDWR)
    need(sink.sessions > before, "on fresh sessions")
    client.close()
    check(["c8-%d" % i for i in (1, 2, 3, 4, 5, 6, 7, 8)], arrived(sink))
    need(arrived(sink).count("c8-3") == 1 and arrived(sink).count("c8-6") == 1, "none is lost, none comes twice")


def gone(gate, sink):
    sink.close()
    for kept in list(sink.open):
        try:
            kept.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    client = Client(gate.port)
    reply = client.send(message(message_id="g1@sender.example"))
    need(re.match(r"4\d\d 4\.4\.", reply), "next hop gone: " + reply)
    client.close()
    told = gate.story("g1@sender.example")
    need(told["state"] == "not_delivered", "the trail: " + told["state"])
    back = Sink(port=sink.port)
    client = Client(gate.port)
    until(lambda: client.send(message(message_id="g1@sender.example")).startswith("250"), what="the next hop is back: taken")
    client.close()
    need(len(back.mails) == 1, "and there once")


def main():
    with Folder() as folder:
        sink = Sink(answer=answer)
        with Sekisho(folder, NEXT_HOP, ZONE, sink=sink.port) as gate:
            acknowledged, attempted = kills(gate, sink)
            stories(gate, acknowledged, attempted)
            torn(gate)
            kept_sessions(gate, sink)
            gone(gate, sink)


main()
