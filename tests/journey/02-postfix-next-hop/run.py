#!/usr/bin/python3
"""A real Postfix is the next hop: recipients are probed at it, TLS is used because it offers it, its queue id is in our trail, and what
it says (unknown, too large, 452, 421, gone) reaches the client as it should. The Postfix is private to this test.
"""
import re
import socket

from lab import Client, Folder, Sekisho, ZONE, message, need, self_signed, until
from postfix import Postfix

PROBE = """
[[next_hop]]
name = "main"
kind = "smtp"
address = "127.0.0.1:%(sink)d"
tls = "opportunistic"
[[local_domain]]
name = "dest.example"
next_hop = "main"
check = "probe"
"""
BODY = "Line\r\n.\r\n..two\r\n" + "x" * 900 + "\r\nend \t\r\n\r\n"


def send(gate, number, rcpts=("user@dest.example",), body=BODY):
    client = Client(gate.port)
    reply = client.send(message(message_id="%s@sender.example" % number, body=body), rcpts=rcpts)
    client.close()
    return reply


def taken(gate, postfix):
    reply = send(gate, "p1")
    need(reply.startswith("250"), "Postfix takes it: " + reply)
    outcome = [e for e in gate.story("p1@sender.example")["events"] if e["event"] == "outcome"][0]
    queue_id = outcome["queue_id"]
    need(re.fullmatch(r"[0-9A-Za-z]{6,}", queue_id) and queue_id in reply, "its queue id %s is in our trail and in our 250" % queue_id)
    until(lambda: "%s: to=<user@dest.example>" % queue_id in postfix.log_text(), what="and in Postfix's own log")
    need(gate.json("trace", "--queue-id", queue_id)["stories"][0]["events"][0]["message_id"] == "p1@sender.example", "trace by the queue id finds the mail")
    until(lambda: postfix.files("user@dest.example"), what="it is in the mailbox")
    octets = open(postfix.files("user@dest.example")[0], "rb").read()
    head, body = octets.split(b"\n\n", 1)
    need(body == BODY.replace("\r\n", "\n").encode(), "body octet for octet (LF as Postfix stores it)")
    need(b"with ESMTPS id " + queue_id.encode() in head and b"from mx.sekisho.example" in head, "over TLS, because Postfix offers it")
    need(head.index(b"\nAuthentication-Results: mx.sekisho.example;") < head.index(b"\nReceived-SPF: pass") < head.index(b"\nFrom: "), "our fields stand below those of Postfix")


def unknown(gate, postfix):
    client = Client(gate.port)
    client.say("EHLO c.example"), client.say("MAIL FROM:<a@sender.example>")
    reply = client.say("RCPT TO:<nobody@dest.example>")
    need(reply.startswith("550 5.1.1"), "the probe finds nobody: " + reply)
    need(client.say("RCPT TO:<alice@dest.example>").startswith("250"), "and alice")
    need(client.say("RCPT TO:<x@elsewhere.example>").startswith("550 5.7.1"), "a foreign domain is not even probed")
    need("elsewhere.example" not in postfix.log_text(), "Postfix never heard of it")
    probes = postfix.log_text().count("nobody@dest.example")
    client.say("RSET"), client.say("MAIL FROM:<a@sender.example>")
    need(client.say("RCPT TO:<nobody@dest.example>").startswith("550 5.1.1") and postfix.log_text().count("nobody@dest.example") == probes, "the second time the answer comes from memory")
    client.close()


def sizes(gate, postfix):
    client = Client(gate.port)
    offer = client.say("EHLO c.example")
    need("SIZE 1000000" in offer, "EHLO offers what Postfix can take, SIZE 1000000")
    need(client.say("MAIL FROM:<a@sender.example> SIZE=1000001").startswith("552 5.3.4"), "larger is refused at MAIL")
    client.close()
    reply = send(gate, "big", body=("y" * 70 + "\r\n") * 14000)
    need(reply.startswith("552"), "and after DATA where the client did not say so: " + reply)


def many(gate, postfix):
    before = len(postfix.files("alice@dest.example"))
    client = Client(gate.port)
    for i in range(25):
        need(client.send(message(message_id="m%d@sender.example" % i), rcpts=("alice@dest.example",)).startswith("250"), "mail %d of 25 on one session" % (i + 1)) if i in (0, 24) else client.send(message(message_id="m%d@sender.example" % i), rcpts=("alice@dest.example",))
    client.close()
    until(lambda: len(postfix.files("alice@dest.example")) >= before + 25, what="25 mails are there")
    ids = [re.search(rb"<(m\d+)@", open(f, "rb").read())[1] for f in postfix.files("alice@dest.example")[before:]]
    need(len(set(ids)) == len(ids) == 25, "each once")


def hold(port):
    held = socket.create_connection(("127.0.0.1", port))
    return held if held.recv(100).startswith(b"220") else held.close()


def trouble(gate, postfix):
    postfix.change(queue_minfree="100000000000000")
    reply = send(gate, "t1")
    need(reply[:1] == "4", "Postfix has no room (452): " + reply)
    until(lambda: "452 4.3.1" in postfix.log_text(), what="control: it was Postfix that said 452")
    postfix.change(queue_minfree="0")
    need(send(gate, "t1").startswith("250"), "room again: the retry is taken")
    postfix.change(smtpd_client_connection_count_limit="1")
    held = until(lambda: hold(postfix.port), what="somebody holds the only place")
    reply = send(gate, "t2", rcpts=("alice@dest.example",))
    need(reply.startswith("451 4."), "Postfix turns us away with 421, which ends its session and not our client's: " + reply)
    until(lambda: "concurrency limit exceeded" in postfix.log_text(), what="control: it was Postfix that said 421")
    held.close()
    postfix.change(smtpd_client_connection_count_limit="50")
    until(lambda: send(gate, "t2", rcpts=("alice@dest.example",)).startswith("250"), what="and later it is taken")
    postfix.stop()
    reply = send(gate, "t3")
    need(reply[:1] == "4", "Postfix is stopped: " + reply)
    reply = send(gate, "t4", rcpts=("never-asked@dest.example",))
    need(reply.startswith("451 4.4.1"), "a recipient that cannot be probed now is not unknown: " + reply)
    postfix.start()
    until(lambda: send(gate, "t3").startswith("250"), what="started again: taken")
    until(lambda: any(b"<t3@" in open(f, "rb").read() for f in postfix.files("user@dest.example")), what="and delivered")
    got = [w for f in postfix.files("user@dest.example") for w in re.findall(rb"<(t\d)@", open(f, "rb").read())]
    need(sorted(got) == [b"t1", b"t3"], "each once: %r" % got)


def main():
    with Folder() as folder:
        certificate, key = self_signed(folder, "hop.example")
        settings = {"virtual_mailbox_domains": "dest.example", "smtpd_tls_security_level": "may", "smtpd_tls_cert_file": certificate, "smtpd_tls_key_file": key, "message_size_limit": "1000000",
                    "smtpd_tls_received_header": "yes"}
        with Postfix(folder, "hop", settings, ("user@dest.example", "alice@dest.example")) as postfix:
            with Sekisho(folder, PROBE, ZONE, sink=postfix.port) as gate:
                for part in (taken, unknown, sizes, many, trouble):
                    part(gate, postfix)


main()
