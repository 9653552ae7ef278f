#!/usr/bin/python3
"""A real Postfix is the client: it relays everything to the gate, once without and once with STARTTLS.

Twenty mails arrive once each, octet for octet below the header; what the next hop wants later stays in that Postfix's queue and comes
with its retry; a refusal makes Postfix stop trying. The Postfix is private to this test.
"""
import re

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, self_signed, until
from postfix import Postfix

LATER = {}


def answer(verb, argument, session):
    """451 for the first try of each mail to bob."""
    if verb == "DOT" and "bob@" in argument and LATER.get("tries", 0) < 1:
        LATER["tries"] = LATER.get("tries", 0) + 1
        return "451 4.3.0 not now"
    return None


def submit(postfix, number, rcpt="user@dest.example", mail_from="a@sender.example"):
    client = Client(postfix.port)
    reply = client.send(message(author=mail_from, message_id="%s@sender.example" % number, body="mail %s\r\n.\r\n..\r\n\r\n" % number), mail_from=mail_from, rcpts=(rcpt,))
    client.close()
    if not reply.startswith("250"):
        raise AssertionError("the client Postfix: " + reply)


def journey(folder, name, sink, mx, tls):
    LATER.clear()
    before = len(sink.mails)
    with Sekisho(folder, NEXT_HOP, ZONE, name=name, mx=mx, sink=sink.port) as gate:
        settings = {"relayhost": "[127.0.0.1]:%d" % gate.port, "relay_domains": "", "smtpd_relay_restrictions": "permit_mynetworks,reject", "smtp_tls_security_level": "may", "queue_run_delay": "1s",
                    "minimal_backoff_time": "1s", "maximal_backoff_time": "2s", "smtp_tls_loglevel": "1"}
        with Postfix(folder, name + "-client", settings) as postfix:
            for i in range(20):
                submit(postfix, "n%02d" % i)
            until(lambda: len(sink.mails) - before >= 20, seconds=20, what="%s: twenty mails came through" % name)
            got = [re.search(rb"Message-ID: <(n\d\d)@", m["data"])[1].decode() for m in sink.mails[before:]]
            need(sorted(got) == ["n%02d" % i for i in range(20)], "each once")
            for m in sink.mails[before:]:
                number = re.search(rb"Message-ID: <(n\d\d)@", m["data"])[1].decode()
                if m["data"].split(b"\r\n\r\n", 1)[1] != b"mail %s\r\n.\r\n..\r\n\r\n" % number.encode() or (b"with ESMTPS id" in m["data"].split(b"\r\nReceived: ")[1]) != tls:
                    raise AssertionError("mail %s differs: %r" % (number, m["data"]))
            need(True, "bodies octet for octet, Received says %s" % ("ESMTPS" if tls else "ESMTP"))
            tls_fact = gate.story("n07@sender.example")["events"][0]["client"]["tls"]
            need(bool(tls_fact) == tls, "and the trail: %r" % tls_fact)
            submit(postfix, "later", rcpt="bob@dest.example")
            until(lambda: "451 4.3.0" in postfix.log_text(), what="the next hop's 451 reaches the client Postfix")
            until(lambda: "status=deferred" in postfix.log_text(), what="which keeps the mail")
            until(lambda: any(b"<later@" in m["data"] for m in sink.mails[before:]), seconds=20, what="and delivers it on its retry")
            submit(postfix, "forged", mail_from="b@forged.example")
            until(lambda: re.search(r"status=bounced .*550 5\.7\.26", postfix.log_text()), seconds=20, what="a forged mail is refused to it for good")
            until(lambda: not postfix.queued(), seconds=20, what="its queue is empty")
            need(sum(b"<later@" in m["data"] for m in sink.mails[before:]) == 1 and not any(b"<forged@" in m["data"] for m in sink.mails[before:]), "the late one came once, the forged one never")
        need(gate.json("ledger", "verify")["verified"], "the ledger verifies")


def main():
    with Folder() as folder:
        certificate, key = self_signed(folder, "mx.sekisho.example")
        sink = Sink(answer=answer)
        journey(folder, "clear", sink, "", False)
        journey(folder, "tls", sink, 'tls_certificate = "%s"\ntls_key = "%s"' % (certificate, key), True)


main()
