#!/usr/bin/python3
"""A real Postfix is the secondary MX: what it relays is judged by the client that its Received field names.

In a network namespace of its own, so that clients have addresses that are not loopback. The controls: the same mails with the relay not
trusted, and Received fields that a client forged, below the relay's or without any relay.
"""
import os
import shutil
import subprocess
import sys

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, message, need, skip, until
from postfix import Postfix

RELAY, SECOND, GOOD, BAD = "192.0.2.53", "192.0.2.54", "198.51.100.7", "198.51.100.66"
ZONE = """real.example. 300 IN TXT "v=spf1 ip4:198.51.100.7 -all"
real.example. 300 IN MX 10 mail.real.example.
mail.real.example. 300 IN A 198.51.100.7
_dmarc.real.example. 300 IN TXT "v=DMARC1; p=reject"
own.example. 300 IN TXT "v=spf1 ip4:192.0.2.53 -all"
own.example. 300 IN MX 10 mail.real.example.
_dmarc.own.example. 300 IN TXT "v=DMARC1; p=reject"
"""
TRUST = 'greet_pause_ms = 0\ntrusted_relays = ["192.0.2.48/28"]'
LIMITS = "[limits]\nexempt = []\nip_mails_per_hour = 3\nip_sessions = 1\n"
FORGED = "Received: from good (good [%s])\r\n\tby mx2.example (Postfix) with ESMTP id 1; Thu, 15 Jan 2026 00:00:00 +0000\r\n" % GOOD


def into_namespace():
    if os.environ.get("SEKISHO_OWN_NET"):
        for command in (["link", "set", "lo", "up"], *(["addr", "add", ip + "/32", "dev", "lo"] for ip in (RELAY, SECOND, GOOD, BAD))):
            subprocess.run(["ip", *command], check=True)
        return
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip") or subprocess.run(["unshare", "-n", "true"], stderr=subprocess.DEVNULL).returncode:
        skip("a network namespace of its own needs root, unshare and ip")
    os.environ["SEKISHO_OWN_NET"] = "1"
    os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


def by_hand(gate, received, source=RELAY, author="a@real.example", message_id="x@real.example"):
    """A relay that we play: the Received fields are those it would have written."""
    client = Client(gate.port, source=source)
    reply = client.greeting
    if reply.startswith("220"):
        reply = client.send(received + message(author=author, message_id=message_id), mail_from=author, helo="mx2.example")
    client.close()
    return reply


def received(helo, ip, host="mx2.example"):
    return "Received: from %s (unknown [%s])\r\n\tby %s (Postfix) with ESMTP id 1; Thu, 15 Jan 2026 00:00:00 +0000\r\n" % (helo, ip, host)


def through_postfix(folder, sink):
    settings = {"relay_domains": "dest.example", "smtp_bind_address": RELAY, "queue_run_delay": "1s", "minimal_backoff_time": "1s", "maximal_backoff_time": "2s", "mynetworks": "192.0.2.53/32"}
    with Sekisho(folder, NEXT_HOP, ZONE, mx=TRUST, sink=sink.port) as gate, Postfix(folder, "mx2", dict(settings, relayhost="[127.0.0.1]:%d" % gate.port)) as relay:

        def submit(source, message_id, extra=""):
            client = Client(relay.port, source=source)
            reply = client.send(extra + message(author="a@real.example", message_id=message_id), mail_from="a@real.example", helo="client.real.example")
            client.close()
            need(reply.startswith("250"), "the secondary MX takes %s" % message_id)

        submit(GOOD, "good@real.example")
        until(lambda: len(sink.mails) == 1, seconds=20, what="the mail of the client that SPF allows comes through")
        data = sink.mails[0]["data"]
        need(b"spf=pass" in data and b"client-ip=" + GOOD.encode() in data and b"dmarc=pass" in data, "SPF and DMARC mean the client")
        first = data.split(b"Received: ")[1]
        need(b"from mx2.example ([192.0.2.53])" in first, "our Received names who gave it to us: %r" % first[:80])
        client = gate.story("good@real.example")["events"][0]["client"]
        need(client["ip"] == GOOD and client["helo"] == "client.real.example" and client["peer_ip"] == RELAY and client["relay_ip"] == RELAY and client["named_by"] == "received", "the ledger has both: %r" % client)
        for ip in (GOOD, RELAY):
            need(any("good@real.example" in str(s) for s in gate.json("trace", "--client-ip", ip)["stories"]), "trace finds it by " + ip)
        submit(BAD, "bad@real.example")
        until(lambda: "550 5.7.26" in relay.log_text(), seconds=20, what="one that SPF does not allow is refused, though the relay is ours")
        submit(BAD, "forged@real.example", FORGED)
        until(lambda: relay.log_text().count("550 5.7.26") >= 2, seconds=20, what="and so it is with a Received of its own below")
        need(len(sink.mails) == 1, "only the one came through")


def by_hand_all(folder, sink):
    with Sekisho(folder, NEXT_HOP + LIMITS, ZONE, name="hand", mx=TRUST, sink=sink.port) as gate:
        need(by_hand(gate, received("mx3.example", SECOND) + received("c.real.example", GOOD), message_id="chain@real.example").startswith("250"), "over two relays")
        need(gate.story("chain@real.example")["events"][0]["client"]["ip"] == GOOD, "it is the first that is not trusted")
        need(by_hand(gate, received("localhost", "127.0.0.1") + received("c.real.example", GOOD)).startswith("250"), "over a filter on the relay's machine")
        reply = by_hand(gate, received("c", BAD) + received("c", GOOD))
        need(reply.startswith("550 5.7.26"), "below the client nothing is believed: " + reply)
        reply = by_hand(gate, "Received: from [%s] by mx2.example; Thu, 15 Jan 2026 00:00:00 +0000\r\n" % GOOD + FORGED)
        need(reply.startswith("550 5.7.26"), "a field that cannot be read proves nothing: " + reply)
        reply = by_hand(gate, "Received: by mx2.example (Postfix, from userid 0)\r\n\tid 1; Thu, 15 Jan 2026 00:00:00 +0000\r\n", author="a@own.example")
        need(reply.startswith("250"), "the relay's own mail is judged as the relay's: " + reply)
        reply = by_hand(gate, received("c.real.example", GOOD))
        need(reply.startswith("250"), "the third mail of this client")
        reply = by_hand(gate, received("c.real.example", GOOD))
        need(reply.startswith("451 4.7.1"), "the fourth meets the client's limit: " + reply)
        held = [Client(gate.port, source=RELAY) for _ in range(3)]
        need([c.greeting[:3] for c in held] == ["220"] * 3, "the relay itself has none")
        for c in held:
            c.close()
        gate.run("deny", "198.51.100.200", "--for", "1h", "--why", "test", check=0)
        need(by_hand(gate, received("x", "198.51.100.200")).startswith("550 5.7.1"), "a denied client is denied behind the relay too")
        reply = by_hand(gate, received("c.real.example", GOOD), source=BAD)
        need(reply.startswith("550 5.7.26"), "control: nobody else's Received is read: " + reply)
    with Sekisho(folder, NEXT_HOP, ZONE, name="control", mx="greet_pause_ms = 0", sink=sink.port) as gate:
        reply = by_hand(gate, received("c.real.example", GOOD))
        need(reply.startswith("550 5.7.26"), "control: nor the relay's when it is not trusted: " + reply)


def main():
    into_namespace()
    with Folder() as folder:
        sink = Sink()
        by_hand_all(folder, sink)
        sink.mails.clear()
        through_postfix(folder, sink)


main()
