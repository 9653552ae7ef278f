#!/usr/bin/python3
"""kill -9 in the middle of work, and a next hop that breaks: what we answered with 250 is there, always.

Eight clients send numbered mails while the server is killed and started again, ten times (CRASH_ROUNDS: more). Every mail that got a 250 is
at the next hop, each has its decision in the ledger, the ledger verifies (a torn tail is cut and reported), and mails whose outcome was
never recorded read "unknown". Duplicates are counted; each comes from a kill. From the start of the program to its first 220 it takes
at most two seconds. The checkers themselves are checked: told of an acknowledged mail that is missing, they must fail. Then the next
hop: gone after the dot, gone altogether, a kept session closed by it between two mails.
"""
import os
import re
import signal
import socket
import threading
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, until

ROUNDS, CLIENTS, ENOUGH = int(os.environ.get("CRASH_ROUNDS", "10")), 8, 40
RESTART_S = 2.0
SLOW = []


def answer(verb, argument, session):
    if verb == "DOT" and SLOW:
        time.sleep(0.004)
    if verb == "DOT" and HOW:
        return HOW.pop(0)
    return None


HOW = []


class Sender(threading.Thread):
    """Sends mail after mail as an MTA does: one that was not answered 250 comes again. Notes each number that was."""

    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.port, self.label, self.acknowledged, self.attempted, self.ended = port, name, [], [], False

    def run(self):
        while not self.ended:
            try:
                client = Client(self.port)
                if client.greeting[:3] != "220":
                    continue
                while not self.ended:
                    if len(self.acknowledged) == len(self.attempted):
                        self.attempted.append("%s-%06d" % (self.label, len(self.attempted) + 1))
                    word = self.attempted[-1]
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


def restart(gate):
    """kill -9, start; seconds from the start to the first greeting."""
    gate.stop(signal.SIGKILL)
    begun = time.monotonic()
    gate.start()
    client = Client(gate.port)
    need(client.greeting.startswith("220"), "greeted")
    took = time.monotonic() - begun
    client.close()
    return took


def kills(gate, sink):
    SLOW.append(1)
    senders = [Sender(gate.port, "c%d" % i) for i in range(CLIENTS)]
    for s in senders:
        s.start()
    took = []
    for number in range(ROUNDS + 1):
        before = sum(len(s.acknowledged) for s in senders)
        until(lambda: sum(len(s.acknowledged) for s in senders) >= before + ENOUGH, seconds=60, what="round %d: %d more mails acknowledged" % (number + 1, ENOUGH))
        if number == ROUNDS:
            break
        time.sleep(0.013 * (number % 20))
        took.append(restart(gate))
        # Reading the whole ledger again each time would make a thousand rounds quadratic.
        if number < 10 or number % 25 == 0 or number == ROUNDS - 1:
            verified = gate.json("ledger", "verify")
            need(verified["verified"], "round %d: the ledger verifies: %s" % (number + 1, verified["problems"]))
    for s in senders:
        s.ended = True
    for s in senders:
        s.join(30)
    SLOW.clear()
    acknowledged, attempted, have = [w for s in senders for w in s.acknowledged], [w for s in senders for w in s.attempted], arrived(sink)
    check(acknowledged, have)
    need(len(acknowledged) >= ENOUGH * (ROUNDS + 1), "%d rounds, %d of %d mails were acknowledged with 250; 0 of them are lost" % (ROUNDS, len(acknowledged), len(attempted)))
    duplicates = len(have) - len(set(have))
    need(set(have) <= set(attempted) and duplicates <= ROUNDS * CLIENTS, "and nothing that was never sent; %d duplicates (RFC 1047: a kill swallowed their 250 and the client came again)" % duplicates)
    took.sort()
    need(took[-1] <= RESTART_S, "from kill -9 to the first 220: median %.2f s, longest %.2f s" % (took[len(took) // 2], took[-1]))
    for more, forgotten in (["c9-000001"], "none"), ([], acknowledged[len(acknowledged) // 2]):
        try:
            check(acknowledged + more, [w for w in have if w != forgotten])
        except AssertionError as said:
            need((more or [forgotten])[0] in str(said), "negative control: the checker cries when one is missing: %s" % said)
        else:
            raise SystemExit("the checker does not see a loss")
    return acknowledged, have


def told_by_ledger(gate):
    """Message number -> what the ledger says became of it, for each of its decisions."""
    decided, outcome, next_seq = {}, {}, 1
    while True:
        records = gate.json("ledger", "show", "--from-seq", str(next_seq), "--limit", "50000")["records"]
        for r in records:
            fields = {f["name"]: f["value"] for f in r["fields"]}
            if r["event"] == "decided":
                decided[fields["transaction"]] = fields["message_id"].split("@")[0]
            if r["event"] == "outcome":
                outcome[fields["transaction"]] = "delivered" if fields.get("delivered") else "unknown" if fields.get("duplicate") else "not_delivered"
        if len(records) < 50000:
            break
        next_seq = records[-1]["seq"] + 1
    told = {}
    for transaction, word in decided.items():
        told.setdefault(word, []).append(outcome.get(transaction, "none"))
    return told


def stories(gate, acknowledged, have):
    told = told_by_ledger(gate)

    def undecided(words):
        return [w for w in words if w not in told]
    need(not undecided(have), "each mail at the next hop has its decision in the ledger: it was durable before the dot")
    need(undecided(have + ["c9-000001"]) == ["c9-000001"], "negative control: one that the ledger does not know is seen")
    silent = [w for w in acknowledged if not set(told[w]) & {"delivered", "none"}]
    need(not silent, "an acknowledged mail has its outcome or, where the kill came first, none")
    recent = gate.json("trace", "--from", "-1h", "--limit", "10000")["stories"]
    counts = {k: sum(s["state"] == k for s in recent) for k in ("delivered", "unknown", "pending")}
    need(counts["pending"] == 0 and counts["delivered"] > 0, "no story is pending after a crash: %r" % counts)


def torn(gate):
    """A tail that is torn off in the middle of a record: cut, said, never silent; the rest verifies."""
    gate.stop(signal.SIGKILL)
    folder = os.path.join(gate.state, "ledger")
    segments = sorted((os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".log")), key=os.path.getmtime)
    with open(segments[-1], "ab") as out:
        out.write(b"\x40\x00\x00\x00half a record")
    reported = gate.log_text().count("torn")
    gate.start()
    until(lambda: gate.log_text().count("torn") > reported, 10, "a torn tail is reported at the start")
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
            acknowledged, have = kills(gate, sink)
            stories(gate, acknowledged, have)
            torn(gate)
            kept_sessions(gate, sink)
            gone(gate, sink)


main()
