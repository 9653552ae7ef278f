#!/usr/bin/python3
"""A mail that was refused is found: by sender, recipient, address, and Message-ID where there is one, whichever command refused it.

Refused at MAIL (no such domain), at RCPT (unknown recipient, relaying), at DATA by the verdict, by the SMTP core (bare CR, NUL, size; these have receipts too); several senders in one session. The
control: what was not refused is not found as refused, and another address finds nothing.
"""
import json
import re

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need


def stories(gate, *words):
    done = gate.run("trace", *words, "--json")
    return json.loads(done.stdout)["stories"]


def refused(gate, *words):
    found = stories(gate, *words)
    return found and found[0]["state"] in ("refused", "not_delivered") and found[0]


def receipt_of(reply):
    found = re.search(r"\[([a-z2-7]{40})\]", reply)
    return found[1] if found else None


def at_mail(gate):
    client = Client(gate.port, source="127.0.1.1")
    client.say("EHLO client.example")
    reply = client.say("MAIL FROM:<x@nowhere.invalid>")
    need(reply.startswith("550 5.1.8"), "MAIL from a domain that does not exist: " + reply)
    client.close()
    for words in (("--mail-from", "x@nowhere.invalid"), ("--client-ip", "127.0.1.1"), ("--domain", "nowhere.invalid")):
        need(refused(gate, *words), "refused at MAIL, found by " + " ".join(words))
    story = refused(gate, "--mail-from", "x@nowhere.invalid")
    event = next(e for e in story["events"] if e["event"] == "refused")
    need(event["receipt"] == receipt_of(reply), "and tells the receipt")


def at_rcpt(gate):
    client = Client(gate.port, source="127.0.1.2")
    client.say("EHLO client.example")
    client.say("MAIL FROM:<first@sender.example>")
    need(client.say("RCPT TO:<nobody@dest.example>").startswith("550 5.1.1"), "an unknown recipient")
    need(client.say("RCPT TO:<away@elsewhere.example>").startswith("550 5.7.1"), "no relay")
    client.say("RSET")
    client.say("MAIL FROM:<second@sender.example>")
    need(client.say("RCPT TO:<other@dest.example>").startswith("550 5.1.1"), "another unknown one, of another sender")
    client.close()
    for words in (("--mail-from", "first@sender.example"), ("--mail-from", "second@sender.example"), ("--rcpt-to", "nobody@dest.example"),
                  ("--rcpt-to", "away@elsewhere.example"), ("--rcpt-to", "other@dest.example"), ("--client-ip", "127.0.1.2"),
                  ("--mail-from", "second@sender.example", "--rcpt-to", "nobody@dest.example")):
        need(refused(gate, *words), "refused at RCPT, found by " + " ".join(words))
    text = gate.run("trace", "--mail-from", "second@sender.example").stdout.decode()
    need("second@sender.example" in text and "rcpt to" in text, "the story names all senders and shows the recipients")


def at_data(gate):
    client = Client(gate.port, source="127.0.1.3")
    reply = client.send(message(author="boss@forged.example", message_id="forged-1@forged.example"), mail_from="third@sender.example")
    client.close()
    need(reply.startswith("550 5.7.26"), "a forged author: " + reply)
    for words in (("--mail-from", "third@sender.example"), ("--rcpt-to", "user@dest.example"), ("--client-ip", "127.0.1.3"),
                  ("--message-id", "forged-1@forged.example"), ("--domain", "forged.example")):
        found = stories(gate, *words)
        need(any(s["state"] == "not_delivered" and s["events"][0]["action"] == "reject" for s in found), "refused at DATA, found by " + " ".join(words))
    opened = gate.run("receipt", receipt_of(reply), check=0).stdout.decode()
    need("dmarc_fail" in opened, "its receipt opens: " + opened.splitlines()[0])


def by_the_gate(gate):
    """What the SMTP core refuses before any verdict: found, and with a receipt, all the same."""
    def refused_mail(source, mail_from, octets, size=""):
        client = Client(gate.port, source=source)
        client.say("EHLO client.example")
        reply = client.say("MAIL FROM:<%s>%s" % (mail_from, size))
        if reply[:1] == "2":
            client.say("RCPT TO:<alice@dest.example>")
            client.say("DATA")
            client.socket.sendall(octets)
            reply = client.reply()
        client.stream.close(), client.socket.close()
        return reply

    cases = (("127.0.1.4", "bare@sender.example", b"Subject: x\r\n\r\na\rb\r\n.\r\n", "", "550 5.5.2", "bare_line_end"),
             ("127.0.1.5", "nul@sender.example", b"Subject: x\r\n\r\na\0b\r\n.\r\n", "", "550 5.6.0", "nul_octet"),
             ("127.0.1.6", "fat@sender.example", b"Subject: x\r\n\r\n" + b"x" * 900 + b"\r\n" * 40000 + b".\r\n", "", "552 5.3.4", "size_exceeded"),
             ("127.0.1.7", "huge@sender.example", b"", " SIZE=99999999", "552 5.3.4", "size_exceeded"))
    for source, mail_from, octets, size, code, finding in cases:
        reply = refused_mail(source, mail_from, octets, size)
        need(reply.startswith(code) and receipt_of(reply), "%s: %s" % (finding, reply))
        need(finding in gate.run("receipt", receipt_of(reply), check=0).stdout.decode(), "its receipt says why")
        story = refused(gate, "--mail-from", mail_from)
        event = story and next((e for e in story["events"] if e["event"] == "refused"), None)
        need(event and event["reasons"][0]["code"] == finding and event["client"]["ip"] == source, "and it is found by --mail-from " + mail_from)
    need(refused(gate, "--rcpt-to", "alice@dest.example", "--mail-from", "nul@sender.example"), "the recipient that had been accepted finds it too")


def control(gate):
    client = Client(gate.port, source="127.0.1.9")
    need(client.send(message(message_id="good-1@sender.example"), mail_from="good@sender.example").startswith("250"), "a good mail")
    client.close()
    need(gate.story("--mail-from", "good@sender.example")["state"] == "delivered", "is found as delivered")
    need(not stories(gate, "--mail-from", "never@sender.example"), "who never came is not found")
    need(gate.run("trace", "--rcpt-to", "bob@dest.example").returncode == 1, "nor a recipient nobody wrote to: exit 1")


with Folder() as folder:
    sink = Sink()
    with Sekisho(folder, NEXT_HOP + '[limits]\nexempt = ["127.0.0.0/8"]\n', ZONE, sink=sink.port, mx="message_bytes = 65536") as gate:
        at_mail(gate)
        at_rcpt(gate)
        at_data(gate)
        by_the_gate(gate)
        control(gate)
