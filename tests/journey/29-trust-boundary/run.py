#!/usr/bin/python3
"""Can anybody make us believe that he is somebody else? A stranger, a client behind a proxy, and a client behind an XCLIENT peer try.

Every try ends with a mail that only 192.0.2.7 may send (DMARC p=reject), and each must be refused; the ledger must name the true client.
The controls: the proxy, the XCLIENT peer and the relay themselves, saying the same, are believed.
"""
from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, message, need
from peers import behind, header_v1, header_v2

PROXY, PEER, RELAY, STRANGER, REAL = "127.0.0.200", "127.0.0.201", "127.0.0.202", "127.0.9.9", "192.0.2.7"
ZONE = """real.example. 300 IN TXT "v=spf1 ip4:192.0.2.7 -all"
real.example. 300 IN MX 10 mail.real.example.
mail.real.example. 300 IN A 192.0.2.7
_dmarc.real.example. 300 IN TXT "v=DMARC1; p=reject"
"""
# The proxy's own address is in every list: a proxy's privileges must not become its clients'.
MX = ('greet_pause_ms = 0\nproxy_from = ["127.0.0.200"]\nproxy_timeout_ms = 1000\nxclient_from = ["127.0.0.200", "127.0.0.201"]\ntrusted_relays = ["127.0.0.200", "127.0.0.202"]\nerrors_count = 100')
TOP = "Received: from mail.real.example (mail.real.example [192.0.2.7])\r\n\tby mx.sekisho.example (Postfix) with ESMTPS id 1; Thu, 15 Jan 2026 00:00:00 +0000\r\n"
XCLIENT = "XCLIENT ADDR=192.0.2.7 NAME=mail.real.example HELO=mail.real.example PROTO=ESMTP"


TRIES = []


def end(client, header=""):
    """Says the forged mail; the last reply."""
    TRIES.append("try%d@real.example" % len(TRIES))
    return client.send(header + message(author="a@real.example", message_id=TRIES[-1]), mail_from="a@real.example", helo="mail.real.example")


def refused(what, reply, gate, ip):
    need(not reply.startswith("250") and reply[:1] in "45", "%s: %s" % (what, reply.split("\n")[-1][:60]))
    if reply.startswith("550 5.7.26"):
        story = gate.story(TRIES[-1], want="decided")
        need(story["events"][0]["client"]["ip"] == ip, "  and the ledger knows that it was " + ip)


def stranger(gate):
    for name, first in (("PROXY 1", header_v1(REAL)), ("PROXY 2", header_v2(REAL)), ("PROXY LOCAL", header_v2())):
        client = Client(gate.port, source=STRANGER, greeting=False)
        client.socket.sendall(first)
        replies = [client.reply(), client.reply()]
        if b"TCP" in first:
            refused("a stranger begins with " + name, end(client), gate, STRANGER)
        else:
            need(replies[0].startswith("220") and replies[1].startswith("5"), "a stranger begins with %s: %s" % (name, replies[1]))
        client.socket.close()
    for words in (XCLIENT, XCLIENT.lower(), "XCLIENT  " + XCLIENT[8:], "XFORWARD ADDR=192.0.2.7 NAME=mail.real.example"):
        client = Client(gate.port, source=STRANGER)
        client.say("EHLO x")
        need(client.say(words)[:1] == "5", "a stranger says " + words[:30])
        refused("  and goes on", end(client), gate, STRANGER)
        client.socket.close()
    client = Client(gate.port, source=STRANGER)
    refused("a stranger writes a Received like ours", end(client, TOP), gate, STRANGER)
    client = Client(gate.port, source=STRANGER)
    client.say("EHLO x"), client.say("MAIL FROM:<a@real.example>")
    need(client.say(XCLIENT)[:3] == "550", "in a transaction he learns no more")
    client.socket.close()


def behind_the_proxy(gate):
    for name, header in (("version 1", header_v1(STRANGER)), ("version 2", header_v2(STRANGER))):
        refused(name + ": a client behind the proxy", end(behind(gate.port, PROXY, header)), gate, STRANGER)
        client = behind(gate.port, PROXY, header)
        need("XCLIENT" not in client.say("EHLO x") and client.say(XCLIENT)[:3] == "550", "  is not the proxy: no XCLIENT")
        refused("  and goes on", end(client), gate, STRANGER)
        refused("  its Received is not a relay's", end(behind(gate.port, PROXY, header), TOP), gate, STRANGER)
        client = behind(gate.port, PROXY, header + header_v1(REAL))
        need(client.greeting.startswith("220") and client.reply().startswith("500"), "  a second header is rubbish")
        refused("  and goes on", end(client), gate, STRANGER)
    for name, header in (("LOCAL", header_v2()), ("UNKNOWN", b"PROXY UNKNOWN\r\n"), ("UNKNOWN with an address", b"PROXY UNKNOWN 192.0.2.7 10.0.0.1 1 25\r\n")):
        client = behind(gate.port, PROXY, header)
        need("XCLIENT" not in client.say("EHLO x") and client.say(XCLIENT)[:3] == "550", name + ": a proxy that names nobody has no privileges")
        refused("  and goes on", end(client), gate, PROXY)
        refused("  nor is it a relay", end(behind(gate.port, PROXY, header), TOP), gate, PROXY)


def behind_the_peer(gate):
    def enter(words="ADDR=%s" % STRANGER):
        client = Client(gate.port, source=PEER)
        client.say("EHLO front.example")
        need(client.say("XCLIENT " + words).startswith("220"), "the peer names " + words)
        return client

    client = enter()
    refused("  its client", end(client), gate, STRANGER)
    client = enter()
    need(client.say(XCLIENT)[:3] == "550" and "XCLIENT" not in client.say("EHLO x"), "  whose octets the peer only passes on, may not name another")
    refused("  and goes on", end(client), gate, STRANGER)
    client = enter("ADDR=[UNAVAILABLE]")
    need(client.say(XCLIENT)[:3] == "550", "  nor one whose address is not known")
    refused("  and goes on", end(client, TOP), gate, "::")
    refused("  a Received of its own", end(enter(), TOP), gate, STRANGER)
    client = enter()
    client.say("EHLO x")
    need(client.say("XCLIENT ADDR=127.0.0.201")[:3] == "550", "  and cannot become the peer itself")
    client.socket.close()


def controls(gate):
    reply = end(behind(gate.port, PROXY, header_v2(REAL)))
    need(reply.startswith("250"), "control: the proxy is believed: " + reply)
    client = Client(gate.port, source=PEER)
    need(client.say(XCLIENT).startswith("220") and end(client).startswith("250"), "control: the XCLIENT peer is believed")
    client = Client(gate.port, source=RELAY)
    need(end(client, TOP).startswith("250"), "control: the relay is believed")
    client = behind(gate.port, PROXY, header_v2(RELAY))
    need(end(client, TOP).startswith("250"), "control: and so it is behind the proxy")


def main():
    with Folder() as folder:
        sink = Sink()
        with Sekisho(folder, NEXT_HOP, ZONE, mx=MX, sink=sink.port) as gate:
            stranger(gate)
            behind_the_proxy(gate)
            behind_the_peer(gate)
            need(not sink.mails, "not one of them got a mail in")
            controls(gate)
            need(len(sink.mails) == 4, "the four controls did")


main()
