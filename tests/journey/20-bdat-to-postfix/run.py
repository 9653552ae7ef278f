#!/usr/bin/python3
"""Mail that comes by BDAT (RFC 3030), in any chunks, reaches a real Postfix octet for octet; what is refused leaves nothing behind and
ends no session. The control: the same message by DATA gives the same file.
"""
import random
import re

from lab import Client, Folder, NEXT_HOP, Sekisho, ZONE, message, need, until
from postfix import Postfix

BODY = "Line\r\n.\r\n..two\r\nRSET\r\nBDAT 5 LAST\r\nDATA\r\n.\r\nMAIL FROM:<admin@bank.example>\r\nend \t\r\n"


def envelope(client, rcpt="user@dest.example"):
    for line in ("MAIL FROM:<a@sender.example>", "RCPT TO:<%s>" % rcpt):
        need(client.say(line).startswith("250"), line)


def send(client, octets, sizes, pipelined):
    """By BDAT; gives all replies."""
    chunks, replies = [], []
    for i, size in enumerate(sizes):
        last = i + 1 == len(sizes)
        chunk, octets = (octets, b"") if last else (octets[:size], octets[size:])
        chunks.append(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last else b"") + chunk)
    for group in ([b"".join(chunks)] if pipelined else chunks):
        client.socket.sendall(group)
        replies += [client.reply() for _ in (chunks if pipelined else [group])]
    return replies


def arrived(postfix, count):
    until(lambda: len(postfix.files("user@dest.example")) >= count, what="%d mails are in the mailbox" % count)
    found = {}
    for name in postfix.files("user@dest.example"):
        octets = open(name, "rb").read()
        found[re.search(rb"\nMessage-ID: <(.*?)@", octets)[1].decode()] = octets[octets.index(b"\nFrom: "):]
    return found


def whole(gate, postfix):
    client = Client(gate.port)
    need("250-CHUNKING" in client.say("EHLO c.example"), "EHLO offers CHUNKING")
    draw, number = random.Random(3030), 0
    for pipelined in (False, True):
        for count in (1, 2, 7):
            octets = message(message_id="b%d@sender.example" % number, body=BODY).encode()
            envelope(client)
            replies = send(client, octets, [draw.randrange(0, 60) for _ in range(count)], pipelined)
            need(len(replies) == count and all(r.startswith("250") for r in replies), "%d chunks %s: %s" % (count, "in one go" if pipelined else "one by one", replies[-1]))
            number += 1
    need(client.send(message(message_id="d@sender.example", body=BODY)).startswith("250"), "the same by DATA")
    envelope(client)
    need(send(client, message(message_id="open@sender.example", body=BODY).encode()[:-2], [0], False)[0].startswith("250"), "and one whose last line has no end")
    client.close()
    found = arrived(postfix, number + 2)
    plain = found["d"].replace(b"<d@", b"<X@")
    for name, octets in found.items():
        need(octets.replace(b"<%s@" % name.encode(), b"<X@") == plain, "%s is what DATA brings" % name)
    story = gate.story("--message-id", "b0@sender.example")
    need([e for e in story["events"] if e["event"] == "outcome"][0]["delivered"], "the ledger tells it as any mail")
    return number + 2


def refused(gate, postfix, before):
    client = Client(gate.port)
    client.say("EHLO c.example")
    envelope(client)
    big = b"BDAT 2000000\r\n" + (b"x" * 98 + b"\r\n") * 20000 + b"BDAT 6 LAST\r\nNOOP\r\n"
    client.socket.sendall(big)
    replies = [client.reply(), client.reply()]
    need(replies[0].startswith("552 5.3.4") and replies[1].startswith("503"), "over the limit: %s, then %s" % tuple(replies))
    for octets, want in ((b"a\nb", "550 5.5.2"), (b"a\0b", "550 5.6.0"), (b"a\r", "550 5.5.2")):
        envelope(client)
        need(send(client, octets, [0], False)[0].startswith(want), "%r: %s, and the session goes on" % (octets, want))
    client.socket.sendall(b"BDAT 32 LAST\r\nMAIL FROM:<admin@bank.example>\r\n")
    need(client.reply().startswith("503 5.5.1"), "without MAIL: read and refused")
    envelope(client)
    client.socket.sendall(b"BDAT 5\r\nabcde")
    client.reply(), client.say("RSET")
    need(client.send(message(message_id="after@sender.example")).startswith("250"), "after RSET a mail by DATA")
    client.close()
    found = arrived(postfix, before + 1)
    need(len(found) == before + 1 and "after" in found, "nothing else has arrived")
    need("bank.example" not in postfix.log_text(), "Postfix never heard of what stood in chunks")


def main():
    with Folder() as folder:
        settings = {"virtual_mailbox_domains": "dest.example", "message_size_limit": "1000000"}
        with Postfix(folder, "hop", settings, ("user@dest.example",)) as postfix:
            with Sekisho(folder, NEXT_HOP, ZONE, sink=postfix.port) as gate:
                refused(gate, postfix, whole(gate, postfix))


main()
