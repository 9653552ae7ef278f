#!/usr/bin/python3
"""XCLIENT as Postfix documents it: a peer in mx.xclient_from names the client, the session begins again at its greeting.

SPF, DMARC, HELO, overrides, limits and the ledger then mean that client. The controls: others are not offered it and get 550 5.7.0,
which is counted; the same mail without XCLIENT is refused.
"""
from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, message, need, until

ZONE = """real.example. 300 IN TXT "v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 -all"
real.example. 300 IN MX 10 mail.real.example.
mail.real.example. 300 IN A 192.0.2.7
_dmarc.real.example. 300 IN TXT "v=DMARC1; p=reject"
"""
MX = 'greet_pause_ms = 5000\nxclient_from = ["127.0.0.5"]'
LIMITS = "[limits]\nexempt = []\nip_mails_per_hour = 2\nip_sessions = 1\n"


def named(gate, words, message_id="x@real.example", helo="client.real.example"):
    client = Client(gate.port, source="127.0.0.5")
    client.say("EHLO proxy.example")
    reply = client.say("XCLIENT " + words)
    if reply.startswith("220"):
        reply = client.send(message(author="a@real.example", message_id=message_id), mail_from="a@real.example", helo=helo)
    client.stream.close(), client.socket.close()
    return reply


def clients(gate, sink):
    proxy = Client(gate.port, source="127.0.0.5")
    offered = proxy.say("EHLO proxy.example")
    need("250-XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT" in offered, "a listed peer is offered it, without the pause")
    need(proxy.say("XCLIENT LOGIN=bob").startswith("501 5.5.4"), "there are no accounts to name")
    need(proxy.say("XCLIENT ADDR=192.0.2.7 HELO=a+0D+0Ab").startswith("501 5.5.4"), "a HELO with a line end is malformed")
    need(proxy.say("MAIL FROM:<>").startswith("250") and proxy.say("XCLIENT ADDR=192.0.2.7").startswith("503 5.5.1"), "not in a transaction")
    need(proxy.say("RSET").startswith("250") and proxy.say("XCLIENT ADDR=192.0.2.7 NAME=mail.real.example PORT=4711 HELO=mail.real.example PROTO=ESMTP DESTADDR=203.0.113.25 DESTPORT=25").startswith("220 mx.sekisho.example"), "then it is the greeting again")
    need(proxy.say("MAIL FROM:<a@real.example>").startswith("503"), "EHLO is due again")
    reply = proxy.send(message(author="a@real.example", message_id="one@real.example"), mail_from="a@real.example", helo="mail.real.example")
    need(reply.startswith("250"), "SPF and DMARC mean the client: " + reply)
    need(proxy.say("XCLIENT ADDR=192.0.2.8").startswith("550 5.7.0"), "the client that was named may not name another")
    proxy.close()
    client = gate.story("one@real.example")["events"][0]["client"]
    need(client["ip"] == "192.0.2.7" and client["port"] == 4711 and client["local_ip"] == "203.0.113.25" and client["peer_ip"] == "127.0.0.5" and client["named_by"] == "xclient", "the ledger has both: %r" % client)
    for ip in ("192.0.2.7", "127.0.0.5"):
        need(any("one@real.example" in str(s) for s in gate.json("trace", "--client-ip", ip)["stories"]), "trace finds it by " + ip)
    need(b"[192.0.2.7])" in sink.mails[-1]["data"], "Received names the client")


def verdicts(gate):
    reply = named(gate, "ADDR=192.0.2.8")
    need(reply.startswith("550 5.7.26"), "a client that SPF does not allow: " + reply)
    need(named(gate, "ADDR=IPV6:2001:db8::7", "six@real.example").startswith("250"), "an IPv6 client")
    need(named(gate, "ADDR=192.0.2.7", "two@real.example").startswith("250"), "the second mail of the hour of the first client")
    need(named(gate, "ADDR=192.0.2.7").startswith("451 4.7.1"), "its third meets its limit: the peer's own address has none of it")
    reply = named(gate, "ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]")
    need(reply.startswith("550 5.7.26"), "a client that is not known proves nothing: " + reply)
    gate.run("deny", "192.0.2.66", "--for", "1h", "--why", "test", check=0)
    need(named(gate, "ADDR=192.0.2.66").startswith("554 5.7.1"), "the stage of the connection is asked again: a denied client is not greeted")
    held = Client(gate.port, source="127.0.0.5")
    need(held.say("XCLIENT ADDR=192.0.2.9").startswith("220") and named(gate, "ADDR=192.0.2.9").startswith("421"), "sessions at a time count by the client")
    held.close()
    until(lambda: named(gate, "ADDR=192.0.2.9").startswith("550"), what="and give their place back")


def others(gate):
    stranger = Client(gate.port, source="127.0.0.6")
    need("XCLIENT" not in stranger.say("EHLO c.example"), "control: others are not offered it")
    need(stranger.say("XCLIENT ADDR=192.0.2.7").startswith("550 5.7.0"), "and may not")
    reply = stranger.send(message(author="a@real.example"), mail_from="a@real.example")
    need(reply.startswith("550 5.7.26"), "what they are refused for does not change: " + reply)
    stranger.close()
    until(lambda: gate.metrics().get('sekisho_session_events_total{event="xclient_denied"}') == 2, what="both tries are counted")


def main():
    with Folder() as folder:
        sink = Sink()
        with Sekisho(folder, NEXT_HOP + LIMITS, ZONE, mx=MX, sink=sink.port) as gate:
            clients(gate, sink)
            verdicts(gate)
            others(gate)


main()
