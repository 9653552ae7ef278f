#!/usr/bin/python3
"""SUBMITTER (RFC 4405): offered only where it is enforced that it is the responsible address (PRA, RFC 4407) of the header.

A client that names another one gets 550 5.7.1 after the final dot, the ledger and `trace` keep what it named, Received-SPF with identity=pra tells
the next hop what Sender ID says of it. The controls: without the setting nothing is offered and the parameter is 555; without the parameter, and
with it where it is the PRA, the same mails go through.
"""
import re

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, message, need

ZONE = """sender.example. 300 IN TXT "spf2.0/mfrom,pra ip4:127.0.0.0/8 -all"
sender.example. 300 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"
list.example. 300 IN TXT "spf2.0/pra ip4:127.0.0.0/8 -all"
other.example. 300 IN TXT "spf2.0/pra -all"
sender.example. 300 IN MX 10 mail.sender.example.
mail.sender.example. 300 IN A 127.0.0.1
list.example. 300 IN A 127.0.0.1
other.example. 300 IN A 127.0.0.1
"""
serial = iter(range(1, 1000))


def send(gate, submitter, headers, bdat=False, mail_from="a@sender.example"):
    """The mail's id and the last reply; submitter: the parameter's value as it is sent, or None."""
    message_id = "%d@sender.example" % next(serial)
    client = Client(gate.port)
    try:
        client.say("EHLO client.example")
        reply = client.say("MAIL FROM:<%s>%s" % (mail_from, "" if submitter is None else " SUBMITTER=" + submitter))
        if not reply.startswith("250"):
            return message_id, reply
        need(client.say("RCPT TO:<user@dest.example>").startswith("250"), "the recipient is taken")
        text = message(author="a@sender.example", message_id=message_id)
        for name, value in headers:
            text = "%s: %s\r\n" % (name, value) + text if name != "From" else text.replace("From: a@sender.example", "From: " + value)
        if bdat:
            client.socket.sendall(b"BDAT %d LAST\r\n" % len(text) + text.encode())
            return message_id, client.reply()
        need(client.say("DATA").startswith("354"), "the message may come")
        client.socket.sendall(text.encode() + b".\r\n")
        return message_id, client.reply()
    finally:
        client.close()


def offered(gate):
    client = Client(gate.port)
    capabilities = client.say("EHLO client.example")
    client.close()
    return re.search(r"(?m)^250[- ]SUBMITTER$", capabilities) is not None


# What MAIL names, the letterhead, and whether they agree; one for each step of RFC 4407 section 2.
AGREE = [
    ("the author", "a@sender.example", []),
    ("letter case of the domain, xtext", "+61@sender.EXAMPLE", []),
    ("step 3, Sender", "owner@list.example", [("Sender", "owner@list.example")]),
    ("step 2, Resent-From", "b@list.example", [("Resent-From", "B <b@list.example>"), ("Sender", "x@other.example")]),
    ("step 1, Resent-Sender", "c@list.example", [("Resent-From", "b@other.example"), ("Resent-Sender", "c@list.example")]),
    ("a plus in xtext", "o+2Bx@list.example", [("Sender", "o+x@list.example")]),
    ("a quoted local part", "+22owner+22@list.example", [("Sender", "owner@list.example")]),
]
DIFFER = [
    ("another domain", "a@other.example", []),
    ("a name below", "a@x.sender.example", []),
    ("another local part", "b@sender.example", []),
    ("From where Sender counts", "a@sender.example", [("Sender", "owner@list.example")]),
    ("Sender where Resent-From counts", "owner@list.example", [("Resent-From", "b@list.example"), ("Sender", "owner@list.example")]),
    ("two Sender fields", "owner@list.example", [("Sender", "owner@list.example"), ("Sender", "owner@list.example")]),
    ("a Sender that is malformed", "owner@list.example", [("Sender", "owner@list.example, x@list.example")]),
    ("the return path itself", "a@sender.example", [("From", "x@other.example")]),
]
MALFORMED = ["", "nobody", "<a@sender.example>", "a@", "a+0D+0Ab@sender.example", "a+0@sender.example", "a@[127.0.0.1]", "a@sender.example SUBMITTER=a@sender.example", "x" * 300 + "@sender.example"]


def enforced(gate, sink):
    need(offered(gate), "it is offered")
    for bdat in (False, True):
        for what, submitter, headers in AGREE:
            message_id, reply = send(gate, submitter, headers, bdat)
            need(reply.startswith("250"), "%s: %s" % (what, reply))
        for what, submitter, headers in DIFFER:
            message_id, reply = send(gate, submitter, headers, bdat)
            need(reply.startswith("550 5.7.1 Submitter does not match header"), "%s: %s" % (what, reply))
    for value in MALFORMED:
        need(send(gate, value, [])[1].startswith("501 5.5.4"), "malformed: %r" % value[:60])
    for what, _, headers in AGREE:
        need(send(gate, None, headers)[1].startswith("250"), "without the parameter the header alone counts: " + what)
    need(send(gate, "owner@list.example", [("Sender", "owner@list.example")], mail_from="")[1].startswith("250"), "the null return path may have one")


def told(gate, sink):
    message_id, reply = send(gate, "owner@list.example", [("Sender", "owner@list.example")])
    need(reply.startswith("250"), reply)
    event = gate.story("--message-id", message_id)["events"][0]
    need(event["submitter"] == "owner@list.example" and event["mail_from"] == "a@sender.example", "trace knows both: %r" % event["submitter"])
    data = sink.mails[-1]["data"].decode()
    need(re.search(r"(?s)Received-SPF: pass.*?identity=pra", data) and "sender-id=pass header.sender=owner@list.example" in data.replace("\r\n\t", " "), "the next hop is told of the PRA: " + data[:900])
    need("SUBMITTER" not in str(sink.mails[-1].get("mail_from", "")), "the parameter ends here (RFC 4405 section 4.3)")
    message_id, reply = send(gate, "x@other.example", [("Sender", "owner@list.example")])
    event = gate.story("--message-id", message_id, want="decided")["events"][0]
    need(event["submitter"] == "x@other.example" and "submitter_mismatch" in [r["code"] for r in event["reasons"]], "a refusal is told with its reason: %r" % event["reasons"])
    text = gate.run("trace", "--message-id", message_id).stdout.decode()
    need("submitter      x@other.example" in text, "in the text too")
    message_id, reply = send(gate, None, [("Sender", "x@other.example")])
    need(reply.startswith("250") and gate.story("--message-id", message_id)["events"][0]["submitter"] is None, "Sender ID alone refuses nothing; nothing was named")
    need(re.search(r"(?s)Received-SPF: fail.*?identity=pra", sink.mails[-1]["data"].decode()), "but it is reported")


with Folder() as folder:
    sink = Sink()
    body = NEXT_HOP + "[limits]\nexempt = [\"127.0.0.0/8\"]\n"
    with Sekisho(folder, body + "[sender_id]\nsubmitter = true\n", ZONE, "on", mx="greet_pause_ms = 0", sink=sink.port) as gate:
        enforced(gate, sink)
        told(gate, sink)
    with Sekisho(folder, body + "[sender_id]\nsubmitter = true\ncheck = false\n", ZONE, "alone", mx="greet_pause_ms = 0", sink=sink.port) as gate:
        need(send(gate, "a@other.example", [])[1].startswith("550 5.7.1"), "held to it without Sender ID too")
        need(send(gate, "a@sender.example", [])[1].startswith("250"), "and the control")
    with Sekisho(folder, body + "[sender_id]\nsubmitter = true\n", ZONE, "seen", mx="greet_pause_ms = 0", server='mode = "observe"', sink=sink.port) as gate:
        need(send(gate, "a@other.example", [])[1].startswith("550 5.7.1"), "what is offered is enforced, in observe mode too")
    with Sekisho(folder, body, ZONE, "off", mx="greet_pause_ms = 0", sink=sink.port) as gate:
        need(not offered(gate), "off by default: nothing is offered")
        need(send(gate, "a@sender.example", [])[1].startswith("555 5.5.4"), "and nothing is taken")
        need(send(gate, None, [("Sender", "x@other.example")])[1].startswith("250"), "a mail without it goes through")
    sink.close()
print("ok")
