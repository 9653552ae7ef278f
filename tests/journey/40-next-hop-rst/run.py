#!/usr/bin/python3
"""A next hop whose connection is reset at every octet of the dialogue, in both directions; and clients that do the same to us.

For each n the hop resets once it has said n octets, then once it has heard n octets. The client gets 4xx, or 250 if and only if the hop
took the mail; it comes again and is served; what may be there twice is named a duplicate. A control shows that the checker sees a
250 for a mail that the hop never took. HOP_STEP: only each so-many-th octet within the message (default 5; 1 in the night).
"""
import os
import re
import socket
import struct
import time

from hop import Hop
from lab import Client, Folder, NEXT_HOP, Sekisho, ZONE, message, need, until

STEP = int(os.environ.get("HOP_STEP", "5"))


class Sender:
    """One client session that stays; a mail a call."""

    def __init__(self, gate):
        self.gate, self.client = gate, None

    def send(self, word):
        if self.client is None:
            self.client = Client(self.gate.port)
        reply = self.client.send(message(message_id=word + "@sender.example", body=".dots\r\nmail %s\r\n" % word))
        if reply[:3] == "421" or reply[:3] != "250":
            self.client.close()
            self.client = None
        return reply


def check(answers, taken):
    """What the client may have been told, given what the hop has taken."""
    for word, reply in answers.items():
        if reply[:1] not in "24" or not reply[:3].isdigit():
            raise AssertionError("%s: neither taken nor told to come again: %r" % (word, reply))
        if reply.startswith("250") and word not in taken:
            raise AssertionError("%s: 250, but the next hop never took it" % word)


def positions(total, fine):
    """Every octet of the commands, each STEP-th within the message, every one of its end."""
    return [n for n in range(1, total + 1) if n <= fine or n > total - 40 or n % STEP == 0]


def cut(gate, hop, kind, places):
    sender, answers, doubtful = Sender(gate), {}, []
    for n in places:
        word = "%s%d" % (kind, n)
        hop.hang_up()
        hop.plan = (kind, n)
        before = len(hop.taken)
        answers[word] = sender.send(word)
        if answers[word][:1] == "4" and len(hop.taken) > before:
            doubtful.append(word)
    hop.plan = None
    check(answers, hop.taken)
    later = [w for w in answers if not answers[w].startswith("250")]
    need(len(later) > len(places) // 2, "%s: reset at %d places: %d times 4xx, %d times 250, and each 250 is at the next hop" % (kind, len(places), len(later), len(places) - len(later)))
    duplicates = gate.metrics().get("sekisho_duplicates_total", 0)
    again = {w: sender.send(w) for w in later}
    need(all(r.startswith("250") for r in again.values()), "each of them comes again and is taken")
    need(set(answers) <= set(hop.taken), "so that none is lost")
    twice = [w for w in answers if hop.taken.count(w) == 2]
    need(sorted(twice) == sorted(doubtful) and all(hop.taken.count(w) <= 2 for w in answers), "%d are there twice: those the hop took without saying so" % len(twice))
    need(gate.metrics().get("sekisho_duplicates_total", 0) - duplicates >= len(twice), "and the metrics count them as duplicates")
    for w in doubtful[:1] + doubtful[-1:]:
        stories = [s for s in gate.json("trace", "--message-id", w + "@sender.example")["stories"]]
        outcomes = sorted((s["state"], [e["duplicate_possible"] for e in s["events"] if e["event"] == "outcome"]) for s in stories)
        need(outcomes == [("delivered", [True]), ("unknown", [True])], "the trail of %s: unknown, then delivered as a possible duplicate" % w)
    return answers


def resets(folder):
    for pipelining in (True, False):
        hop = Hop(pipelining=pipelining)
        with Sekisho(folder, NEXT_HOP.replace("[[local", 'tls = "off"\n[[local'), ZONE, name="pipelined" if pipelining else "lockstep", sink=hop.port) as gate:
            time.sleep(0.3)  # the survey at the start has its own sessions
            need(Sender(gate).send("whole").startswith("250"), "control: a whole dialogue")
            until(lambda: hop.said and hop.heard)
            said, heard = hop.said, hop.heard
            answers = cut(gate, hop, "said", positions(said, 10 ** 6))
            if pipelining:
                cut(gate, hop, "heard", positions(heard, 190))
            try:
                check(dict(answers, ghost="250 2.0.0 Taken"), hop.taken)
            except AssertionError as cry:
                need("ghost" in str(cry), "negative control: %s" % cry)
            else:
                raise SystemExit("the checker does not see a loss")
            need(not [s for s in hop.streams if re.search(rb"(?<!\r)\n|\r(?!\n)", s) or not s.endswith(b"\r\n.\r\n") or b"\r\n..dots\r\n" not in s], "no bare CR or LF and no unstuffed dot in %d messages" % len(hop.streams))
            need(gate.json("ledger", "verify")["verified"], "the ledger verifies")


def clients(folder):
    """The other side: a client that resets after each octet. Only whole mails may reach the next hop."""
    hop = Hop()
    with Sekisho(folder, NEXT_HOP, ZONE, name="clients", sink=hop.port) as gate:
        text = message(message_id="%s@sender.example", body="x\r\n")
        head = "EHLO c\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<user@dest.example>\r\nDATA\r\n"
        whole = len(head) + len(text % "client0000") + 3
        places = [n for n in range(1, whole + 1) if n > whole - 30 or n % STEP == 1 or STEP == 1]
        for n in places:
            octets = (head + text % ("client%04d" % n) + ".\r\n").encode()[:n]
            client = socket.create_connection(("127.0.0.1", gate.port))
            if n > whole - 30:
                time.sleep(0.004)
            client.sendall(octets)
            if n > whole - 30:
                time.sleep(0.02)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        until(lambda: gate.metrics().get("sekisho_sessions") == 0, seconds=20, what="%d clients have reset at %d places; no session is left" % (len(places), len(places)))
        need(set(hop.taken) <= {"client%04d" % whole}, "only the whole mail may have reached the next hop: %r" % hop.taken)
        need(Sender(gate).send("good").startswith("250"), "and good clients are served")


def main():
    with Folder() as folder:
        resets(folder)
        clients(folder)


main()
