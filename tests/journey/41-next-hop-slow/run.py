#!/usr/bin/python3
"""A next hop that refuses, is slow, closes half or talks nonsense, at each stage of the dialogue.

What is in time is taken, what is not is 451 within the time-out; after the final dot nobody knows, and the trail says so; a 5xx is the
client's 5xx, every fault is 4xx. One broken mail harms no other: a good one passes after each, at once.
"""
import socket
import threading
import time

from hop import Hop
from lab import Client, Folder, NEXT_HOP, Sekisho, ZONE, free_port, message, need, until

HOP = NEXT_HOP.replace("[[local", 'tls = "off"\ntimeout_ms = 1000\n[[local')
STAGES = ("greeting", "ehlo", "mail", "rcpt", "data", "dot")


def send(gate, word):
    client = Client(gate.port)
    begun = time.monotonic()
    reply = client.send(message(message_id=word + "@sender.example"))
    took = time.monotonic() - begun
    client.close()
    return reply, took


def one(gate, hop, stage, how, number=[0]):
    number[0] += 1
    word = "f%d" % number[0]
    hop.hang_up()
    time.sleep(0.02)
    hop.plan = ("at", stage, how)
    reply, took = send(gate, word)
    hop.plan = None
    good, _ = send(gate, word + "good")
    if not good.startswith("250"):
        raise AssertionError("%s at %s: a good mail afterwards: %s" % (how, stage, good))
    return word, reply, took


def expect(gate, hop, stage, how, code, within=3.0, state=None):
    word, reply, took = one(gate, hop, stage, how)
    if not reply.startswith(code) or took > within:
        raise AssertionError("%s at %s: %r after %.2f s, wanted %s within %.1f s" % (how, stage, reply, took, code, within))
    if reply.startswith("250") != (word in hop.taken) and stage != "dot":
        raise AssertionError("%s at %s: %r, taken %r" % (how, stage, reply, word in hop.taken))
    if state:
        told = gate.story(word + "@sender.example")
        if told["state"] != state:
            raise AssertionError("%s at %s: the trail says %s, wanted %s" % (how, stage, told["state"], state))


def stages(gate, hop):
    for stage in STAGES:
        unknown = "unknown" if stage == "dot" else "not_delivered"
        expect(gate, hop, stage, "drip", "250", within=5.0, state="delivered")
        for how in ("reset", "close", "half"):
            expect(gate, hop, stage, how, "451 4.4", state=unknown)
        expect(gate, hop, stage, "silent", "451 4.4", within=4.0, state=unknown)
        expect(gate, hop, stage, "endless", "451 4.", within=4.0, state=unknown)
        expect(gate, hop, stage, "421 4.3.2 closing", "451", state="not_delivered")
        expect(gate, hop, stage, "450 4.2.0 later", "45", state="not_delivered")
        for nonsense in ("nonsense", "2", "999 x", "100 continue", "\0\0\0", "250" + "x" * 5000):
            expect(gate, hop, stage, nonsense, "45", state=unknown)
        need(True, "%s: slow but in time is taken; reset, close, half-close, silence, endless talk, 421, 450 and nonsense are 4xx" % stage)
    for stage, code in (("mail", "550 5.7.1 no"), ("rcpt", "550 5.1.1 no"), ("data", "554 5.0.0 no"), ("dot", "554 5.6.0 no")):
        expect(gate, hop, stage, code, code[:9], state="not_delivered")
    need(True, "control: a refusal of the next hop at MAIL, RCPT, DATA and dot is the client's refusal")
    expect(gate, hop, "greeting", "554 5.0.0 no", "451", state="not_delivered")
    expect(gate, hop, "ehlo", "554 5.0.0 no", "250", state="delivered")
    need(True, "554 as greeting is about us, not about the mail: 451; EHLO refused is followed by HELO")


def refusing(folder):
    """Nobody listens, or nobody accepts; then somebody does, and the log has told both once."""
    port = free_port()
    with Sekisho(folder, HOP, ZONE, name="refusing", sink=port) as gate:
        replies = [send(gate, "r%d" % i) for i in range(3)]
        need(all(r.startswith("451 4.4.1") and t < 2 for r, t in replies), "nobody listens: " + replies[0][0])
        until(lambda: "next_hop_down" in gate.log_text(), what="the log says next_hop_down")
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind(("127.0.0.1", port))
        deaf.listen(0)
        held = []
        for _ in range(3):  # the backlog is full: SYNs are not answered any more
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
            held.append(s)
        reply, took = send(gate, "deaf")
        need(reply.startswith("451 4.4") and took < 5, "nobody accepts: %s after %.1f s" % (reply, took))
        for s in held + [deaf]:
            s.close()
        hop = Hop(port=port)
        reply = until(lambda: (lambda r: r if r.startswith("250") else None)(send(gate, "back")[0]), seconds=10)
        need(reply, "somebody listens: %s" % reply)
        until(lambda: "next_hop_up" in gate.log_text(), what="the log says next_hop_up")
        need(gate.log_text().count("next_hop_down next_hop=main") == 1 and len(hop.taken) == 1, "each once")


def crowd(gate, hop):
    """While one session to the next hop hangs, others pass: silence costs one place in the pool, not the gate."""
    hop.hang_up()
    time.sleep(0.02)
    hop.plan = ("at", "dot", "silent")
    slow = threading.Thread(target=send, args=(gate, "hangs"))
    slow.start()
    until(lambda: hop.plan is None, what="one mail waits for its reply")
    begun = time.monotonic()
    replies = [send(gate, "passes%d" % i)[0] for i in range(20)]
    took = time.monotonic() - begun
    need(all(r.startswith("250") for r in replies) and took < 3, "twenty others pass in %.2f s" % took)
    slow.join()


def main():
    with Folder() as folder:
        hop = Hop()
        with Sekisho(folder, HOP, ZONE, sink=hop.port) as gate:
            time.sleep(0.3)
            stages(gate, hop)
            crowd(gate, hop)
            need(gate.json("ledger", "verify")["verified"], "the ledger verifies")
        refusing(folder)


main()
