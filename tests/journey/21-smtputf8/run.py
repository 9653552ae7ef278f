#!/usr/bin/python3
"""SMTPUTF8 (RFC 6531) through to a real Postfix: offered only while the next hop offers it, addresses and headers octet for octet, domains
compared by their A-labels, and never sent on in silence once the next hop has stopped taking it.
"""
import re

from lab import Client, Folder, Sekisho, ZONE, need, until
from postfix import Postfix

CONFIG = """
[[next_hop]]
name = "main"
kind = "smtp"
address = "127.0.0.1:%(sink)d"
[[local_domain]]
name = "xn--r8jz45g.example"
next_hop = "main"
check = "probe"
"""
UTF8_ZONE = ZONE + """xn--fsqu44l.example. 300 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"
xn--fsqu44l.example. 300 IN A 127.0.0.1
"""
SENDER, RCPT = "送信者@例証.example", "受信者@例え.example"


def utf8(text):
    """The client speaks latin-1: one character, one octet."""
    return text.encode().decode("latin-1")


def mail(number):
    return ("From: 送信者 <%s>\r\nTo: <%s>\r\nSubject: 試験\r\nDate: Thu, 15 Jan 2026 00:00:00 +0000\r\nMessage-ID: <%s@sender.example>\r\n\r\n本文\r\n" % (SENDER, RCPT, number)).encode()


def envelope(client, parameter=" SMTPUTF8 BODY=8BITMIME"):
    for line in ("MAIL FROM:<%s>%s" % (SENDER, parameter), "RCPT TO:<%s>" % RCPT):
        reply = client.say(utf8(line))
        if not reply.startswith("250"):
            return reply
    return client.say("DATA")


def taken(gate, postfix):
    client = Client(gate.port)
    need("250-SMTPUTF8" in client.say("EHLO c.example"), "the first EHLO offers SMTPUTF8, because Postfix does")
    need(envelope(client, "").startswith("553 5.6.7"), "without the parameter: 553 5.6.7")
    need(envelope(client).startswith("354"), "with it: a probe finds the recipient")
    client.socket.sendall(mail("u1") + b".\r\n")
    need(client.reply().startswith("250"), "and Postfix takes the mail")
    client.close()
    octets = open(until(lambda: postfix.files(RCPT), what="it is in the mailbox")[0], "rb").read()
    need(("Return-Path: <%s>" % SENDER).encode() in octets, "the sender as it was written")
    need(mail("u1").replace(b"\r\n", b"\n") in octets, "header and body octet for octet")
    need(re.search(rb"by mx.sekisho.example with UTF8SMTP id", octets), "our Received says UTF8SMTP (RFC 6531 section 4.3)")
    need(b"spf=pass smtp.mailfrom=xn--fsqu44l.example" in octets, "SPF asked for the A-label")
    story = gate.story("--mail-from", SENDER)
    need(story["events"][0]["mail_from"] == SENDER, "trace finds the mail by its sender")
    need(gate.json("trace", "--domain", "xn--fsqu44l.example")["stories"], "and by the sender's domain")
    need("smtputf8" in postfix.log_text().lower() or "from=<%s>" % SENDER in postfix.log_text(), "Postfix knows the sender by that name")


def gone(gate, postfix):
    client = Client(gate.port)
    client.say("EHLO c.example")
    postfix.change(smtputf8_enable="no")
    reply = envelope(client)
    if reply.startswith("354"):
        client.socket.sendall(mail("u2") + b".\r\n")
        reply = client.reply()
    need(reply[:1] == "4", "Postfix has stopped taking it after our EHLO: " + reply)
    client.close()
    client = Client(gate.port)
    need("SMTPUTF8" not in client.say("EHLO c.example"), "the next EHLO does not offer it")
    need(client.say("MAIL FROM:<a@sender.example> SMTPUTF8").startswith("555 5.5.4"), "and the parameter is refused")
    need(envelope(client, "").startswith("553 5.6.7"), "so are such addresses")
    client.close()
    need(not any(b"<u2@" in open(f, "rb").read() for f in postfix.files(RCPT)), "nothing broken has arrived")
    postfix.change(smtputf8_enable="yes")


def main():
    with Folder() as folder:
        settings = {"virtual_mailbox_domains": "例え.example, xn--r8jz45g.example", "smtputf8_enable": "yes"}
        with Postfix(folder, "hop", settings, (RCPT,)) as postfix:
            with Sekisho(folder, CONFIG, UTF8_ZONE, sink=postfix.port) as gate:
                for part in (taken, gone):
                    part(gate, postfix)


main()
