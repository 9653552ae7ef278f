#!/usr/bin/python3
"""An LMTP next hop answers for each recipient, SMTP gives the client one reply for all.

All taken: 250. None: its reply. Some: those served are remembered on disk, the client gets 451, and its retry - after a kill -9 of the
server in between - serves only those that are missing. Nobody gets a mail twice, nobody none. Another message is never skipped.
"""
import signal

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need

LMTP = NEXT_HOP.replace('kind = "smtp"', 'kind = "lmtp"')
RULES = {}  # (verb, recipient) -> reply


def answer(verb, argument, session):
    if verb == "RCPT":
        return RULES.get(("RCPT", argument.split("<")[1].split(">")[0]))
    return RULES.get((verb, argument))


def send(gate, number, rcpts, body="Hello\r\n", mail_from="a@sender.example"):
    client = Client(gate.port)
    reply = client.send(message(message_id="%s@sender.example" % number, body=body), mail_from=mail_from, rcpts=["%s@dest.example" % r for r in rcpts])
    client.close()
    return reply


def copies(sink, number):
    return sorted(r.split("@")[0] for m in sink.mails for r in m["rcpts"] if b"<%s@" % number.encode() in m["data"])


def plain(gate, sink):
    need(send(gate, "all", ("user", "alice")).startswith("250"), "all taken: 250")
    RULES.update({("DOT", "user@dest.example"): "550 5.2.0 no", ("DOT", "alice@dest.example"): "550 5.2.0 no"})
    reply = send(gate, "none", ("user", "alice"))
    need(reply.startswith("550 5.2.0"), "none taken, one answer: it is ours too: " + reply)
    RULES[("DOT", "alice@dest.example")] = "451 4.2.0 later"
    reply = send(gate, "none2", ("user", "alice"))
    need(reply[:1] == "4", "none taken, two answers: the client may come again: " + reply)
    RULES.clear()
    RULES.update({("RCPT", "user@dest.example"): "550 5.1.1 no", ("RCPT", "alice@dest.example"): "550 5.1.1 no"})
    reply = send(gate, "none3", ("user", "alice"))
    need(reply.startswith("550 5.1.1"), "all refused at RCPT of the next hop: " + reply)
    RULES.clear()
    need(copies(sink, "all") == ["alice", "user"] and not copies(sink, "none") and not copies(sink, "none2"), "and the copies say the same")


def partial(gate, sink, number, rule, final):
    RULES.update(rule)
    reply = send(gate, number, ("alice", "bob", "user"))
    need(reply.startswith("451"), "%s: some served, some not: %s" % (number, reply))
    need(copies(sink, number) == ["alice", "user"], "alice and user have it")
    told = gate.story("%s@sender.example" % number)["events"]
    outcome = [e for e in told if e["event"] == "outcome"][0]
    need(len(outcome["recipients"]) == 3 and sorted(r["reply"][:3] for r in outcome["recipients"])[:2] == ["250", "250"], "the trail has the answer for each")
    gate.stop(signal.SIGKILL)
    gate.start()
    before = len(sink.commands)
    reply = send(gate, number, ("alice", "bob", "user"))
    need(reply.startswith("45" if final.startswith("250") else final), "a retry while bob still fails: " + reply)
    asked = [c for c in sink.commands[before:] if c.startswith("RCPT") and "sekisho-probe" not in c]
    need(any("bob" in c for c in asked) and not any("alice" in c or "user@" in c for c in asked), "only bob is asked for after kill -9 and restart: %r" % asked)
    if final.startswith("250"):
        RULES.clear()
        need(send(gate, number, ("alice", "bob", "user")).startswith("250"), "bob's mailbox works again: 250")
        need(copies(sink, number) == ["alice", "bob", "user"], "everybody has exactly one copy")
    else:
        need(copies(sink, number) == ["alice", "user"], "nobody got a second copy")
    RULES.clear()


def controls(gate, sink):
    RULES[("DOT", "bob@dest.example")] = "451 4.2.0 later"
    need(send(gate, "c1", ("alice", "bob")).startswith("451"), "control: alice served")
    RULES.clear()
    need(send(gate, "c1", ("alice", "bob"), body="Another text\r\n").startswith("250") and copies(sink, "c1") == ["alice", "alice", "bob"], "another message with the same Message-ID is not skipped")
    need(send(gate, "c1", ("alice", "bob"), mail_from="b@sender.example").startswith("250") and copies(sink, "c1").count("alice") == 3, "nor is another sender's")
    need(send(gate, "c1", ("alice",)).startswith("250") and copies(sink, "c1").count("alice") == 3, "the served one alone: 250, nothing is sent")
    last = [e for e in gate.story("c1@sender.example")["events"] if e["event"] == "outcome"][0]
    need(last["delivered"] and last["duplicate_possible"], "and the trail calls it a duplicate")


def main():
    with Folder() as folder:
        sink = Sink(lmtp=True, answer=answer)
        with Sekisho(folder, LMTP, ZONE, sink=sink.port) as gate:
            plain(gate, sink)
            partial(gate, sink, "dot", {("DOT", "bob@dest.example"): "451 4.2.0 mailbox busy"}, "250")
            partial(gate, sink, "rcpt", {("RCPT", "bob@dest.example"): "450 4.2.1 mailbox busy"}, "250")
            partial(gate, sink, "hard", {("DOT", "bob@dest.example"): "552 5.2.2 over quota"}, "552")
            controls(gate, sink)
            need(gate.json("ledger", "verify")["verified"], "the ledger verifies after three kills")


main()
