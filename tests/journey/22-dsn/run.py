#!/usr/bin/python3
"""DSN parameters (RFC 3461) go through to a real Postfix, which then makes the success report that was asked for, with the envelope id and
the original recipient in it; they are offered only while Postfix offers them, and our ledger does not keep them.
"""
import glob
import os

from lab import Client, Folder, NEXT_HOP, Sekisho, ZONE, message, need, until
from postfix import Postfix


def main():
    with Folder() as folder:
        settings = {"virtual_mailbox_domains": "dest.example, sender.example", "message_size_limit": "1000000"}
        with Postfix(folder, "hop", settings, ("user@dest.example", "user2@dest.example", "a@sender.example")) as postfix:
            with Sekisho(folder, NEXT_HOP, ZONE, sink=postfix.port) as gate:
                client = Client(gate.port)
                need("250-DSN" in client.say("EHLO c.example"), "the first EHLO offers DSN, because Postfix does")
                need(client.say("MAIL FROM:<a@sender.example> ENVID=a+zz").startswith("501 5.5.4"), "a broken ENVID is refused here")
                need(client.say("MAIL FROM:<a@sender.example> RET=HDRS ENVID=QQ+2B314159").startswith("250"), "MAIL with RET and ENVID")
                need(client.say("RCPT TO:<user@dest.example> NOTIFY=NEVER,DELAY").startswith("501"), "a broken NOTIFY is refused here")
                need(client.say("RCPT TO:<user@dest.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Old+2Bname@elsewhere.example").startswith("250"), "RCPT with NOTIFY and ORCPT")
                need(client.say("RCPT TO:<user2@dest.example> NOTIFY=NEVER").startswith("250"), "another with NEVER")
                need(client.say("DATA").startswith("354"), "DATA")
                client.socket.sendall(message(message_id="dsn@sender.example").encode() + b".\r\n")
                need(client.reply().startswith("250"), "taken")
                client.close()
                report = open(until(lambda: postfix.files("a@sender.example"), seconds=20, what="Postfix reports the success to the sender")[0], "rb").read()
                need(b"Original-Envelope-Id: QQ+314159" in report, "with the envelope id")
                need(b"Old+name@elsewhere.example" in report and b"user2@dest.example" not in report, "and the original recipient, and not the one that said NEVER")
                need(b"Action: delivered" in report and b"Action: relayed" not in report, "delivered")
                octets = b"".join(open(f, "rb").read() for f in glob.glob(os.path.join(gate.state, "**"), recursive=True) if os.path.isfile(f))
                need(b"dsn@sender.example" in octets and b"QQ+2B314159" not in octets and b"elsewhere.example" not in octets, "the ledger knows the mail and none of these")

                client = Client(gate.port)
                client.say("EHLO c.example")
                postfix.change(smtpd_discard_ehlo_keywords="dsn")
                client.say("MAIL FROM:<a@sender.example> ENVID=later")
                client.say("RCPT TO:<user@dest.example>"), client.say("DATA")
                client.socket.sendall(message(message_id="dsn2@sender.example").encode() + b".\r\n")
                reply = client.reply()
                need(reply.startswith("451 4.3.5"), "Postfix has stopped taking them after our EHLO: " + reply)
                client.close()
                client = Client(gate.port)
                need("DSN" not in client.say("EHLO c.example"), "the next EHLO does not offer DSN")
                need(client.say("MAIL FROM:<a@sender.example> ENVID=later").startswith("555 5.5.4"), "and ENVID is refused")
                need(client.send(message(message_id="dsn2@sender.example")).startswith("250"), "without them the mail goes through")
                client.close()


main()
