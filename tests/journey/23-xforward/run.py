#!/usr/bin/python3
"""XFORWARD to a real Postfix: its log names the client that came to us, once it allows it and we are told to; its Received field goes on
naming us (ours below names the client). The controls: without the setting, and where Postfix does not trust us, Postfix sees us as before and the mail goes through all the same.
"""
import re

from lab import Client, Folder, NEXT_HOP, Sekisho, ZONE, message, need, until
from postfix import Postfix

REVERSE = """9.0.0.127.in-addr.arpa. 300 IN PTR client.sender.example.
client.sender.example. 300 IN A 127.0.0.9
"""


def sent(gate, postfix, number):
    """The mail as Postfix keeps it and what it logged."""
    before = len(postfix.files("user@dest.example"))
    client = Client(gate.port, source="127.0.0.9")
    port = client.socket.getsockname()[1]
    reply = client.send(message(message_id="%s@sender.example" % number), helo="helo+name.sender.example")
    need(reply.startswith("250"), "%s is taken: %s" % (number, reply))
    client.close()
    until(lambda: len(postfix.files("user@dest.example")) > before, what="and delivered")
    for name in postfix.files("user@dest.example"):
        octets = open(name, "rb").read()
        if b"<%s@" % number.encode() in octets:
            queue_id = re.search(rb"with ESMTPS? id (\w+)", octets)[1].decode()
            return port, re.split(rb"\n(?![\t ])", octets.split(b"\nReceived: from")[1])[0], next(l for l in postfix.log_text().split("\n") if queue_id + ": client=" in l)
    raise AssertionError("mail %s is not there" % number)


def main():
    with Folder() as folder:
        settings = {"virtual_mailbox_domains": "dest.example", "smtpd_authorized_xforward_hosts": "127.0.0.0/8", "smtpd_client_port_logging": "yes"}
        with Postfix(folder, "hop", settings, ("user@dest.example",)) as postfix:
            with Sekisho(folder, NEXT_HOP, ZONE + REVERSE, sink=postfix.port) as gate:
                _, received, line = sent(gate, postfix, "x1")
                need(b"127.0.0.9" not in received and "orig_client" not in line, "control: not told, Postfix knows only us")
                gate.stop()
                text = open(gate.config).read().replace('kind = "smtp"', 'kind = "smtp"\nxforward = true')
                open(gate.config, "w").write(text)
                gate.start()
                for number in ("x2", "x3"):
                    port, received, line = sent(gate, postfix, number)
                    need("orig_client=client.sender.example[127.0.0.9]:%d" % port in line, "Postfix logs " + line.split(": ", 2)[-1])
                    need(b"mx.sekisho.example (unknown [127.0.0.1])" in received and b"127.0.0.9" not in received, "while its Received field names who gave it the mail: us")
                story = gate.story("--message-id", "x3@sender.example")
                need(story["events"][0]["transaction"] in line, "our transaction id is Postfix's orig_queue_id")
                postfix.change(smtpd_authorized_xforward_hosts="")
                _, received, line = sent(gate, postfix, "x4")
                need("orig_client" not in line, "control: where Postfix does not trust us it is not told")


main()
