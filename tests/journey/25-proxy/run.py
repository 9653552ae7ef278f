#!/usr/bin/python3
"""A real HAProxy stands in front of the gate: PROXY version 1 and 2, IPv4 and IPv6, with its health checks.

SPF, limits, ledger and trace see the client behind it; trace finds the mail by either address. The controls: without mx.proxy_from
the same header is rubbish and no mail gets in, and who is listed but sends none is refused.
"""
import socket
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, message, need, until
from peers import Haproxy, behind, header_v1, header_v2

ZONE = """real.example. 300 IN TXT "v=spf1 ip4:127.0.7.7 ip6:::1 -all"
real.example. 300 IN MX 10 mail.real.example.
mail.real.example. 300 IN A 127.0.7.7
_dmarc.real.example. 300 IN TXT "v=DMARC1; p=reject"
"""
LIMITS = '[limits]\nexempt = []\nip_mails_per_hour = 2\n'
MX = 'greet_pause_ms = 0\nproxy_from = ["127.0.0.200/32"]\nproxy_timeout_ms = 1000'


def send(port, source, message_id):
    client = Client(port, source=source)
    reply = client.greeting
    if reply.startswith("220"):
        reply = client.send(message(author="a@real.example", message_id=message_id), mail_from="a@real.example")
    client.stream.close(), client.socket.close()
    return reply


def through_haproxy(folder, sink, how):
    with Sekisho(folder, NEXT_HOP + LIMITS, ZONE, name=how, mx=MX, sink=sink.port) as gate, Haproxy(folder, how, gate.port, how) as proxy:
        time.sleep(0.6)  # some health checks: they name no client and must not make HAProxy think that nobody is there
        for i in range(2):
            reply = send(proxy.port, "127.0.7.7", "%s-%d@real.example" % (how, i))
            need(reply.startswith("250"), "%s: the client that SPF allows: %s" % (how, reply))
        need(send(proxy.port, "127.0.7.7", "x").startswith("451 4.7.1"), "its third mail of the hour meets its own limit")
        reply = send(proxy.port, "127.0.7.8", "%s-forged@real.example" % how)
        need(reply.startswith("550 5.7.26"), "another client behind the same proxy: " + reply)
        client = gate.story("%s-0@real.example" % how)["events"][0]["client"]
        need(client["ip"] == "127.0.7.7" and client["peer_ip"] == "127.0.0.200" and client["named_by"] == "proxy" and client["peer_port"] > 0, "the ledger has both: %r" % client)
        for ip in ("127.0.7.7", "127.0.0.200"):
            found = gate.json("trace", "--client-ip", ip)["stories"]
            need(any("%s-0@real.example" % how in str(s) for s in found), "trace finds it by " + ip)
        need("early_talker" not in str(gate.json("trace", "--client-ip", "127.0.7.7")["stories"]).replace("'early_talker': False", ""), "the proxy's header is no early talk")
        data = sink.mails[-1]["data"]
        need(b"(mail.real.example [127.0.7.7])" in data or b"([127.0.7.7])" in data, "Received names the client")

        def noticed():  # without a pause it depends on HAProxy whether the octets are there before the greeting
            early = socket.create_connection(("127.0.0.1", proxy.port), source_address=("127.0.7.9", 0))
            early.sendall(b"EHLO early.example\r\nQUIT\r\n")
            while early.recv(4096):
                pass
            early.close()
            return gate.metrics().get('sekisho_session_events_total{event="early_talker"}', 0) >= 1

        until(noticed, what="but a client that speaks early behind it is one")


def ipv6(folder, sink):
    with Sekisho(folder, NEXT_HOP, ZONE, name="six", mx=MX, sink=sink.port) as gate:
        with behind(gate.port, "127.0.0.200", header_v2("::1", "::1", 40001, b"\x04\0\x03abc")).socket as s:
            client = Client.__new__(Client)
            client.socket, client.stream = s, s.makefile("rb")
            reply = client.send(message(author="a@real.example", message_id="six@real.example"), mail_from="a@real.example")
        need(reply.startswith("250"), "an IPv6 client, with TLVs behind the addresses: " + reply)
        client = gate.story("six@real.example")["events"][0]["client"]
        need(client["ip"] == "::1" and client["port"] == 40001, "is told as it is: %r" % client)


def refusals(folder, sink):
    with Sekisho(folder, NEXT_HOP, ZONE, name="listed", mx=MX, sink=sink.port) as gate:
        began = time.time()
        silent = Client(gate.port, source="127.0.0.200")
        need(silent.greeting.startswith("421 4.3.5") and 0.8 < time.time() - began < 5, "a listed peer that is silent: " + silent.greeting)
        for what, octets in (("speaks SMTP", b"EHLO x\r\n"), ("is cut short", header_v2("127.0.7.7")[:-1] + b""), ("names UDP", header_v2("127.0.7.7").replace(b"\x21\x11", b"\x21\x12")),
                             ("lies in version 1", header_v1("127.0.7.7").replace(b"TCP4", b"TCP6"))):
            greeting = behind(gate.port, "127.0.0.200", octets).greeting
            need(greeting.startswith("421 4.3.5"), "a listed peer that %s: %s" % (what, greeting))
        until(lambda: gate.metrics().get('sekisho_session_events_total{event="proxy_refused"}') == 5, what="all five are counted")
        until(lambda: gate.log_text().count("proxy_refused peer=127.0.0.200:") == 5, 10, "and logged with their reason")
    with Sekisho(folder, NEXT_HOP, ZONE, name="unlisted", mx="greet_pause_ms = 0", sink=sink.port) as gate:
        before = len(sink.mails)
        with Haproxy(folder, "unlisted", gate.port) as proxy:
            reply = send(proxy.port, "127.0.7.7", "control@real.example")
        need(not reply.startswith("250") and len(sink.mails) == before, "control: from a proxy that is not listed nothing gets in: %r" % reply)
        reply = behind(gate.port, "127.0.0.200", header_v1("127.0.7.7"))
        need(reply.greeting.startswith("220") and reply.reply().startswith("500"), "and its header is an unknown command")


def main():
    with Folder() as folder:
        sink = Sink()
        through_haproxy(folder, sink, "send-proxy-v2")
        through_haproxy(folder, sink, "send-proxy")
        ipv6(folder, sink)
        refusals(folder, sink)


main()
