#!/usr/bin/python3
"""Inbound limits per address, per prefix and per proven domain: sessions, mails, recipients and unknown recipients.

The clients sit at addresses of their own in 127.0.0.0/8, with limits.exempt = []. Each limit is reached exactly, tells the client to
come again (4xx; a harvester is also hung up on), leaves the neighbours alone and is counted. The control: exempt sources have none.
"""
from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, until

LIMITS = """
[limits]
exempt = [%(exempt)s]
%(limits)s
"""
PROVEN = "proven.example. 300 IN TXT \"v=spf1 ip4:127.0.0.0/8 -all\"\nproven.example. 300 IN MX 10 mail.sender.example.\nnear.sender-example.example. 300 IN A 127.0.0.1\n"


def gate_with(folder, sink, name, limits, exempt="", mx=""):
    return Sekisho(folder, NEXT_HOP + LIMITS, ZONE + PROVEN, name=name, sink=sink.port, limits=limits, exempt=exempt, mx=mx + "\ngreet_pause_ms = 0")


def mail(gate, source, mail_from="a@sender.example", rcpts=("user@dest.example",)):
    client = Client(gate.port, source=source)
    reply = client.greeting if client.greeting[:3] != "220" else client.send(message(author=mail_from), mail_from=mail_from, rcpts=rcpts)
    client.stream.close(), client.socket.close()
    return reply


def sessions(folder, sink):
    with gate_with(folder, sink, "sessions", "ip_sessions = 3\nprefix_sessions = 5") as gate:
        held = [Client(gate.port, source="127.0.1.1") for _ in range(3)]
        need([c.greeting[:3] for c in held] == ["220"] * 3, "three sessions of one address")
        fourth = Client(gate.port, source="127.0.1.1")
        need(fourth.greeting.startswith("421 4.7.") and fourth.stream.read() == b"", "the fourth: %s, and closed" % fourth.greeting)
        held += [Client(gate.port, source="127.0.1.2") for _ in range(2)]
        need([c.greeting[:3] for c in held] == ["220"] * 5, "two more of its neighbour")
        need(Client(gate.port, source="127.0.1.3").greeting.startswith("421 4.7."), "the prefix is full at five")
        other = Client(gate.port, source="127.0.2.1")
        need(other.greeting.startswith("220"), "another prefix is not")
        held.pop(0).close()
        until(lambda: Client(gate.port, source="127.0.1.1").greeting.startswith("220"), what="a session that ends gives its place back")
        for c in held + [other]:
            c.socket.close()


def mails(folder, sink):
    with gate_with(folder, sink, "mails", "ip_mails_per_hour = 4\nprefix_mails_per_hour = 7") as gate:
        need([mail(gate, "127.0.3.1")[:3] for _ in range(4)] == ["250"] * 4, "four mails of one address")
        reply = mail(gate, "127.0.3.1")
        need(reply.startswith("451 4.7.1"), "the fifth: " + reply)
        need(mail(gate, "127.0.3.1").startswith("451"), "and it stays so")
        need([mail(gate, "127.0.3.2")[:3] for _ in range(4)] == ["250"] * 3 + ["451"], "its neighbour gets the three that the prefix has left: refused ones were not counted")
        need(mail(gate, "127.0.4.1").startswith("250"), "another prefix is not touched")
        codes = gate.metrics()
        need(codes.get('sekisho_refusals_total{code="limit_ip_mails"}') == 2 and codes.get('sekisho_refusals_total{code="limit_prefix_mails"}') == 1, "metrics name the limits")


def recipients(folder, sink):
    with gate_with(folder, sink, "recipients", "ip_recipients_per_hour = 5\nprefix_recipients_per_hour = 7") as gate:
        need(mail(gate, "127.0.5.1", rcpts=("user@dest.example", "alice@dest.example", "bob@dest.example")).startswith("250"), "three recipients")
        client = Client(gate.port, source="127.0.5.1")
        client.say("EHLO c.example"), client.say("MAIL FROM:<a@sender.example>")
        replies = [client.say("RCPT TO:<%s@dest.example>" % r) for r in ("user", "alice", "bob")]
        need([r[:3] for r in replies] == ["250", "250", "451"] and "4.7.1" in replies[2], "the sixth: " + replies[2])
        need(client.say("DATA").startswith("354"), "the two accepted ones still get their mail")
        client.socket.sendall(message().encode() + b".\r\n")
        need(client.reply().startswith("250"), "and do")
        client.close()
        need(mail(gate, "127.0.5.2", rcpts=("user@dest.example",) * 1).startswith("250") and mail(gate, "127.0.5.2").startswith("250"), "two more of its neighbour")
        need(mail(gate, "127.0.5.3").startswith("451"), "then the prefix has had its seven")


def domains(folder, sink):
    with gate_with(folder, sink, "domains", "domain_mails_per_hour = 3") as gate:
        replies = [mail(gate, "127.0.%d.1" % i)[:3] for i in range(6, 10)]
        need(replies == ["250", "250", "250", "451"], "a proven domain's fourth mail, whatever the address: %r" % replies)
        need(mail(gate, "127.0.6.1", "a@proven.example").startswith("250"), "another proven domain is not touched")
        need(mail(gate, "127.0.6.1", "x@near.sender-example.example").startswith("250"), "nor is what nothing proves")
    with gate_with(folder, sink, "domain-recipients", "domain_recipients_per_hour = 3") as gate:
        need(mail(gate, "127.0.6.1", rcpts=("user@dest.example", "alice@dest.example")).startswith("250"), "two recipients of a proven domain")
        need(mail(gate, "127.0.7.1", rcpts=("user@dest.example", "alice@dest.example")).startswith("451"), "two more would be four")
        need(mail(gate, "127.0.7.1").startswith("250"), "one more is three")


def harvest(gate, source, count):
    client = Client(gate.port, source=source)
    replies = [client.greeting]
    if client.greeting.startswith("220"):
        client.say("EHLO c.example"), client.say("MAIL FROM:<a@sender.example>")
        for i in range(count):
            replies.append(client.say("RCPT TO:<guess%d@dest.example>" % i))
            if replies[-1][:3] in ("421", ""):
                break
    client.stream.close(), client.socket.close()
    return [r[:3] for r in replies]


def unknown(folder, sink):
    with gate_with(folder, sink, "unknown", "ip_unknown_recipients_per_hour = 5\nprefix_unknown_recipients_per_hour = 8") as gate:
        need(harvest(gate, "127.0.10.1", 3) == ["220"] + ["550"] * 3, "three guesses in one session")
        replies = harvest(gate, "127.0.10.1", 9)
        need(replies[1:3] == ["550", "550"] and replies[-1] == "421" and len(replies) <= 5, "they count across sessions, then 421: %r" % replies)
        need(harvest(gate, "127.0.10.1", 1) == ["421"], "the next session is not greeted")
        need(mail(gate, "127.0.10.2").startswith("250"), "its neighbour still gets mail in")
        replies = harvest(gate, "127.0.10.2", 9)
        need(replies[-1] == "421" and len(replies) < 6, "the prefix has a limit too: %r" % replies)
        need(mail(gate, "127.0.11.1").startswith("250"), "another prefix is not touched")
        need(any("dha" in k and v > 0 for k, v in gate.metrics().items()), "metrics count the harvest")
    with gate_with(folder, sink, "session-unknown", "", exempt='"127.0.0.0/8"', mx="unknown_recipients_count = 5") as gate:
        replies = harvest(gate, "127.0.10.1", 20)
        need(replies[-1] == "421" and replies.count("550") in (4, 5), "one session alone: mx.unknown_recipients_count holds for exempt sources too: %r" % replies)


def control(folder, sink):
    tight = "ip_sessions = 1\nprefix_sessions = 1\nip_mails_per_hour = 1\nprefix_mails_per_hour = 1\nip_recipients_per_hour = 1\nip_unknown_recipients_per_hour = 1"
    with gate_with(folder, sink, "exempt", tight, exempt='"127.0.0.0/24", "192.0.2.0/24"') as gate:
        held = Client(gate.port, source="127.0.0.5")
        need([mail(gate, "127.0.0.5", rcpts=("user@dest.example", "bob@dest.example"))[:3] for _ in range(5)] == ["250"] * 5, "control: an exempt network has no limits")
        need(harvest(gate, "127.0.0.5", 4) == ["220"] + ["550"] * 4, "nor for guesses")
        held.close()
        need(mail(gate, "127.0.12.1").startswith("250") and mail(gate, "127.0.12.1").startswith("4"), "all others do")


def main():
    with Folder() as folder:
        sink = Sink()
        for part in (sessions, mails, recipients, domains, unknown, control):
            part(folder, sink)


main()
