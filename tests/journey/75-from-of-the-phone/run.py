#!/usr/bin/python3
"""The phone shows From and no more: mail that claims a protected domain must prove it. A real Postfix is the client.

Forged: refused with a receipt. Proven, or through a declared forwarder: passes. Look-alikes: marked. The controls: the same mails at a gate
without protected domains, and a forwarder that is not declared. Neither protected domain publishes a DMARC policy.
"""
import re

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, message, need, until
from postfix import Postfix

ZONE = """docomo.ne.jp. 300 IN TXT "v=spf1 ip4:127.0.0.20 ?all"
docomo.ne.jp. 300 IN MX 10 mail.docomo.ne.jp.
mail.docomo.ne.jp. 300 IN A 127.0.0.20
partner.example. 300 IN TXT "v=spf1 ip4:127.0.0.20 ?all"
partner.example. 300 IN A 127.0.0.20
alumni.example. 300 IN TXT "v=spf1 ip4:127.0.0.40 -all"
alumni.example. 300 IN A 127.0.0.40
evil.example. 300 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"
evil.example. 300 IN A 127.0.0.66
xn--dcomo-jye.ne.jp. 300 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"
xn--dcomo-jye.ne.jp. 300 IN A 127.0.0.66
strict.example. 300 IN TXT "v=spf1 ip4:127.0.0.20 -all"
strict.example. 300 IN A 127.0.0.20
_dmarc.strict.example. 300 IN TXT "v=DMARC1; p=reject"
"""
TABLES = """
[[protected_domain]]
name = "docomo.ne.jp"
why = "our own"
display_names = ["NTTドコモ"]
[[protected_domain]]
name = "partner.example"
action = "mark"
why = "a partner that still signs nothing"
[[declared_forwarder]]
network = "127.0.0.30/32"
why = "the old university host"
[[declared_forwarder]]
domain = "alumni.example"
why = "the alumni office, for its members"
"""


def send(gate, source, author, message_id, mail_from):
    client = Client(gate.port, source=source)
    reply = client.send(message(author=author, message_id=message_id), mail_from=mail_from, helo="client.example")
    client.close()
    return reply


def verdict_of(sink, message_id):
    mail = next(m["data"] for m in sink.mails if b"<%s>" % message_id.encode() in m["data"])
    found = re.search(rb"X-Sekisho-Verdict: (.*)", mail)
    return found[1].decode() if found else "none"


def by_hand(folder, sink):
    lie = "=?utf-8?Q?NTT=E3=83=89=E3=82=B3=E3=83=A2?= <x@evil.example>"
    wide = "=?utf-8?B?77yh77yg772E772P772D772P772N772P77yO772O772F77yO772K772Q?= <x@evil.example>"
    with Sekisho(folder, NEXT_HOP + TABLES, ZONE, mx="greet_pause_ms = 0", sink=sink.port) as gate:
        reply = send(gate, "127.0.0.66", "a@docomo.ne.jp", "forged@x", "x@evil.example")
        need(reply.startswith("550 5.7.26"), "own domain forged: " + reply)
        receipt = re.search(r"\[([a-z2-7]+)\]", reply)
        need(receipt and "docomo.ne.jp" in reply, "the refusal says what is asked for and carries a receipt: " + reply)
        need(b"protected_unproven" in gate.run("receipt", receipt[1], "--json").stdout, "which tells the reason")
        need(send(gate, "127.0.0.66", "a@sub.docomo.ne.jp", "sub@x", "x@evil.example").startswith("550 5.7.26"), "so is one below it")
        need(send(gate, "127.0.0.20", "a..b.@docomo.ne.jp", "proven@x", "a..b.@docomo.ne.jp").startswith("250"), "proven by its address it passes")
        need(send(gate, "127.0.0.30", "a@docomo.ne.jp", "network@x", "x@evil.example").startswith("250"), "so through a forwarder known by address")
        need(send(gate, "127.0.0.40", "a@docomo.ne.jp", "named@x", "srs@alumni.example").startswith("250"), "and through one known by name")
        need(send(gate, "127.0.0.41", "a@docomo.ne.jp", "liar@x", "srs@alumni.example").startswith("550"), "but not by its name alone")
        need(send(gate, "127.0.0.66", "a@strict.example", "dmarc@x", "x@evil.example").startswith("550 5.7.26"), "DMARC stands as ever")
        need(send(gate, "127.0.0.30", "a@strict.example", "dmarc-forwarded@x", "x@evil.example").startswith("250"), "and the forwarder explains its failure")
        need(send(gate, "127.0.0.66", "a@partner.example", "marked@x", "x@evil.example").startswith("250"), "a partner's with action = mark is taken")
        need(send(gate, "127.0.0.66", "a@xn--dcomo-jye.ne.jp", "alike@x", "x@xn--dcomo-jye.ne.jp").startswith("250"), "a look-alike that proves itself is taken")
        need(send(gate, "127.0.0.66", lie, "name@x", "x@evil.example").startswith("250"), "a name that lies is taken")
        need(send(gate, "127.0.0.66", wide, "wide@x", "x@evil.example").startswith("250"), "a full-width address in a name too")
        need(len(sink.wait(8)) == 8, "eight mails came through")
        need(verdict_of(sink, "proven@x") == verdict_of(sink, "network@x") == "none", "those that are proven without a mark")
        need("dmarc_explained" in verdict_of(sink, "dmarc-forwarded@x"), "the forwarded one says what explained it")
        need("protected_doubtful" in verdict_of(sink, "marked@x") and "protected_lookalike" in verdict_of(sink, "alike@x"), "the partner's and the look-alike with one")
        need("display_name_protected" in verdict_of(sink, "name@x") and "display_name_protected" in verdict_of(sink, "wide@x"), "and the names that lie")
        story = gate.story("named@x")["events"][0]
        need(any(a["method"] == "protected" and "forwarder" in str(a) for a in story["authentication"]), "the trail knows what the proof rests on: %r" % story["authentication"])
        text = gate.run("trace", "alike@x").stdout.decode()
        need("protected_lookalike" in text, "and tells the story of the look-alike")
        metrics = gate.metrics()
        need(metrics['sekisho_protected_total{result="address"}'] == 1 and metrics['sekisho_protected_total{result="fail"}'] == 4 and metrics['sekisho_protected_total{result="forwarder"}'] == 2, "metrics count it")
        need(metrics['sekisho_lookalikes_total{code="display_name_protected"}'] == 2 and metrics['sekisho_lookalikes_total{code="protected_lookalike"}'] == 1, "and the look-alikes")
    sink.mails.clear()
    with Sekisho(folder, NEXT_HOP, ZONE, name="control", mx="greet_pause_ms = 0", sink=sink.port) as gate:
        for author, message_id in (("a@docomo.ne.jp", "forged@x"), ("a@partner.example", "marked@x"), (lie, "name@x")):
            need(send(gate, "127.0.0.66", author, message_id, "x@evil.example").startswith("250"), "control: with empty tables %s passes" % message_id)
            need("protected" not in verdict_of(sink, message_id), "and is not marked")
        need(send(gate, "127.0.0.30", "a@strict.example", "dmarc@x", "x@evil.example").startswith("550 5.7.26"), "control: who is not declared explains nothing")


def through_postfix(folder, sink):
    with Sekisho(folder, NEXT_HOP + TABLES, ZONE, name="real", mx="greet_pause_ms = 0", sink=sink.port) as gate:
        for address, passes in (("127.0.0.66", False), ("127.0.0.30", True)):
            settings = {"relayhost": "[127.0.0.1]:%d" % gate.port, "relay_domains": "", "smtpd_relay_restrictions": "permit_mynetworks,reject", "smtp_bind_address": address}
            with Postfix(folder, "client" + address[-2:], settings) as postfix:
                client = Client(postfix.port)
                need(client.send(message(author="a@docomo.ne.jp", message_id=address + "@x"), mail_from="x@evil.example").startswith("250"), "a Postfix at %s takes it" % address)
                client.close()
                if passes:
                    until(lambda: any(b"<127.0.0.30@x>" in m["data"] for m in sink.mails), seconds=20, what="the declared forwarder's comes through")
                else:
                    until(lambda: re.search(r"status=bounced .*550 5\.7\.26", postfix.log_text()), seconds=20, what="the forger's is refused to it for good")


def main():
    with Folder() as folder:
        sink = Sink()
        by_hand(folder, sink)
        sink.mails.clear()
        through_postfix(folder, sink)


main()
