#!/usr/bin/python3
"""Observe mode decides, records and touches nothing; the operator's allow, deny and bypass work at once, end by themselves and are
ledger events. What could never be accepted (a relay, nobody's mailbox) stays refused in every mode.
"""
import json
import signal
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need

SECOND = """
[[local_domain]]
name = "second.example"
next_hop = "main"
check = "any"
"""
FORGED_RESULT = "Authentication-Results: mx.sekisho.example; dmarc=pass header.from=forged.example\r\n"


def forged(number):
    return FORGED_RESULT + message(author="boss@forged.example", message_id="%s@forged.example" % number)


def send(gate, number, rcpt="user@dest.example", mail_from="boss@forged.example", source=None):
    client = Client(gate.port, source=source)
    if client.greeting[:3] != "220":
        client.stream.close(), client.socket.close()
        return client.greeting
    reply = client.send(forged(number), mail_from=mail_from, rcpts=(rcpt,))
    client.close()
    return reply


def decided(gate, number):
    return gate.story("--message-id", "%s@forged.example" % number, want="decided")["events"][0]


def observe(folder, sink):
    with Sekisho(folder, NEXT_HOP, ZONE, name="observe", server='mode = "observe"', sink=sink.port) as gate:
        before = len(sink.mails)
        need(send(gate, "o1").startswith("250"), "observe: the forged mail passes")
        need(send(gate, "o2", rcpt="user@elsewhere.example").startswith("550 5.7.1"), "observe: a relay stays refused")
        need(send(gate, "o3", rcpt="nobody@dest.example").startswith("550 5.1.1"), "observe: nobody's mailbox stays refused")
        need(send(gate, "o4", mail_from="x@nowhere.invalid").startswith("250"), "observe: a sender's domain that does not exist passes")
        data = sink.wait(before + 2)[before]["data"].decode("latin-1")
        need(data.startswith("Received: ") and data.endswith("\r\n" + forged("o1")), "observe: the trace field on top (RFC 5321 section 4.4), the rest octet for octet")
        fact = decided(gate, "o1")
        need(fact["action"] == "accept" and fact["would_be"] == "reject" and fact["mode"] == "observe" and fact["reasons"][0]["code"] == "dmarc_fail" and fact["reasons"][0]["observed"], "the trail says what would have been: reject, dmarc_fail")
        need(gate.metrics().get('sekisho_dmarc_total{result="fail"}', 0) >= 1, "metrics count it")


def shares(folder, sink):
    with Sekisho(folder, NEXT_HOP + SECOND, ZONE, name="domains", server='observe_domains = ["second.example"]', sink=sink.port) as gate:
        need(send(gate, "d1", rcpt="x@second.example").startswith("250"), "observe_domains: the observed domain's mail passes")
        need(decided(gate, "d1")["mode"] == "observe" and decided(gate, "d1")["would_be"] == "reject", "and is marked as observed")
        need(send(gate, "d2").startswith("550 5.7.26"), "the other domain's is refused")
        client = Client(gate.port)
        for line in ("EHLO c.example", "MAIL FROM:<boss@forged.example>", "RCPT TO:<x@second.example>"):
            client.say(line)
        need(client.say("RCPT TO:<user@dest.example>").startswith("451 4.5.3"), "both cannot share a transaction: observed mail would carry enforced mail through")
        client.close()
    with Sekisho(folder, NEXT_HOP, ZONE, name="stages", server='observe_stages = ["identity"]', sink=sink.port) as gate:
        need(send(gate, "s1").startswith("250") and decided(gate, "s1")["would_be"] == "reject", "observe_stages: identity only observed")
        need(send(gate, "s2", mail_from="x@nowhere.invalid").startswith("550 5.1.8"), "envelope still enforced")
    with Sekisho(folder, NEXT_HOP, ZONE, name="share", server="observe_share_percent = 50", sink=sink.port) as gate:
        replies = [send(gate, "h%d" % i)[:3] for i in range(40)]
        need(replies.count("250") >= 6 and replies.count("550") >= 6 and len(set(replies)) == 2, "a share of 50 percent: %d passed, %d refused" % (replies.count("250"), replies.count("550")))


def overrides(folder, sink):
    with Sekisho(folder, NEXT_HOP, ZONE, name="override", sink=sink.port) as gate:
        need(send(gate, "c0").startswith("550 5.7.26"), "control: refused without any override")
        gate.run("allow", "forged.example", "--for", "1h", "--why", "ticket 7", check=0)
        need(send(gate, "a1").startswith("250"), "allow DOMAIN: passes")
        need(decided(gate, "a1")["would_be"] == "reject", "and the trail says what it would have been")
        gate.run("deny", "boss@forged.example", "--for", "1h", "--why", "ticket 8", check=0)
        need(send(gate, "a2").startswith("550 5.7.1"), "deny ADDRESS goes before allow DOMAIN")
        need(send(gate, "a3", mail_from="clerk@forged.example").startswith("250"), "another address of it still passes")
        gate.run("deny", "127.0.0.9", "--for", "1h", "--why", "ticket 9", check=0)
        gate.run("deny", "127.0.7.0/24", "--for", "1h", "--why", "ticket 10", check=0)
        need(send(gate, "a4", source="127.0.0.9").startswith("554 5.7.1"), "deny IP: 554 instead of a greeting")
        need(send(gate, "a5", source="127.0.7.77").startswith("554 5.7.1"), "deny NETWORK")
        need(send(gate, "a6", source="127.0.8.77", mail_from="clerk@forged.example").startswith("250"), "its neighbour is not denied")
        listed = gate.json("allow", "list")
        need({(e["kind"], e["subject"]) for e in listed["overrides"]} == {("allow", "forged.example"), ("deny", "boss@forged.example"), ("deny", "127.0.0.9"), ("deny", "127.0.7.0/24")} and not listed["bypass"], "list shows all four")
        need(gate.run("deny", "list", check=0).stdout.count(b"ticket") == 4, "deny list in words, with the reasons")
        gate.stop(signal.SIGKILL)
        gate.start()
        need(len(gate.json("allow", "list")["overrides"]) == 4 and send(gate, "a7", source="127.0.0.9").startswith("554"), "they outlive a kill -9")
        expiry(gate)
        events = [json.dumps(r) for r in gate.json("ledger", "show", "--limit", "500")["records"] if r["event"] == "override"]
        for word in ("ticket 7", "ticket 8", "ticket 9", "ticket 10", "ticket 11", "outage"):
            need(any(word in e for e in events), "ledger event of %s" % word)
        need(sum("bypass" in e for e in events) == 3 and all("by_whom" in e for e in events), "who did it, and each switch of the bypass")


def expiry(gate):
    gate.run("deny", "sender.example", "--for", "2s", "--why", "ticket 11", check=0)
    ask = lambda: send_good(gate)
    need(ask().startswith("550 5.7.1"), "deny for 2 s: refused")
    time.sleep(2.5)
    need(ask().startswith("250") and "sender.example" not in json.dumps(gate.json("allow", "list")), "after 2 s it has ended by itself")
    need(send(gate, "b0", mail_from="x@nowhere.invalid").startswith("550 5.1.8"), "control: refused without bypass")
    gate.run("bypass", "on", "--for", "1h", "--why", "resolver outage", check=0)
    need(gate.json("allow", "list")["bypass"], "bypass is on")
    need(send(gate, "b1", mail_from="x@nowhere.invalid").startswith("250"), "bypass: no verdict refuses")
    need(send(gate, "b2", rcpt="user@elsewhere.example").startswith("550 5.7.1"), "bypass: a relay stays refused")
    gate.run("bypass", "off", check=0)
    need(send(gate, "b3", mail_from="x@nowhere.invalid").startswith("550 5.1.8"), "bypass off: refused again")
    gate.run("bypass", "on", "--for", "1s", "--why", "outage 2", check=0)
    time.sleep(1.5)
    need(send(gate, "b4", mail_from="x@nowhere.invalid").startswith("550 5.1.8"), "bypass for 1 s ends by itself")
    for words in (("allow", "not a subject!", "--why", "x"), ("deny", "192.0.2.0/33", "--why", "x"), ("allow", "a.example"), ("bypass", "perhaps", "--why", "x"), ("allow", "a.example", "--why", "x", "--for", "soon")):
        need(gate.run(*words).returncode == 2, "%s: exit 2" % " ".join(words))


def send_good(gate):
    client = Client(gate.port)
    reply = client.send(message(), mail_from="a@sender.example")
    client.close()
    return reply


def main():
    with Folder() as folder:
        sink = Sink()
        observe(folder, sink)
        shares(folder, sink)
        overrides(folder, sink)


main()
