"""A Postfix that forwards, with the mediator of a sekisho behind its canonical maps; what leaves goes to a sink."""
import os
import re
import shutil
import subprocess
import sys

from lab import BINARY, ROOT, Client, Sekisho, Sink, ZONE, free_port, message, until
from postfix import Postfix

SRS = "srs.example"
CONFIG = """
[[next_hop]]
name = "main"
kind = "smtp"
address = "127.0.0.1:%(sink)d"
[[local_domain]]
name = "fwd.example"
next_hop = "main"
check = "any"
[mediator]
listen = ["127.0.0.1:%(port)d"]
tcp_forward_listen = ["127.0.0.1:%(tcp_forward)d"]
tcp_reverse_listen = ["127.0.0.1:%(tcp_reverse)d"]
srs_domain = "srs.example"
secret_file = "%(secret)s"
exclude_domains = ["partner.example", ".group.example"]
%(more)s
"""
FORWARDED = "someone@far.example"


def maps(port):
    ask = "socketmap:inet:127.0.0.1:%d:" % port
    return {"sender_canonical_maps": ask + "forward", "sender_canonical_classes": "envelope_sender", "recipient_canonical_maps": ask + "reverse",
            "recipient_canonical_classes": "envelope_recipient,header_recipient"}


def no_maps():
    return {"sender_canonical_maps": "", "recipient_canonical_maps": ""}


class Forwarder:
    """gate: the sekisho; postfix: forwards alias@fwd.example, and by .forward what comes for a user of this machine; sink: the world."""

    def __init__(self, folder, secret="a secret of the old days, long enough\n", binary=None, answer=None, more=""):
        self.folder, self.secret = folder, os.path.join(folder, "srs.secret")
        if secret:
            with open(os.open(self.secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
                out.write(secret)
        self.sink, self.binary = Sink(answer=answer), binary or BINARY
        self.port, self.tcp_forward, self.tcp_reverse = free_port(), free_port(), free_port()
        self.gate = Sekisho(folder, CONFIG, ZONE, binary=binary, sink=self.sink.port, port=self.port, tcp_forward=self.tcp_forward,
                            tcp_reverse=self.tcp_reverse, secret=self.secret, more=more)
        try:
            self.postfix = self.start_postfix()
        except BaseException:
            self.gate.stop()
            raise

    def start_postfix(self):
        aliases, forwards = self.folder + "/aliases", self.folder + "/forwards"
        with open(aliases, "w") as out:
            out.write("alias@fwd.example %s\n" % FORWARDED)
        os.makedirs(forwards)
        with open(forwards + "/daemon.forward", "w") as out:
            out.write("dotforward@far.example\n")
        shutil.chown(forwards + "/daemon.forward", "daemon")
        settings = {"mydestination": "fwd.example", "local_recipient_maps": "static:all", "virtual_alias_maps": "texthash:" + aliases, "virtual_alias_domains": SRS,
                    "forward_path": forwards + "/$user.forward", "relayhost": "[127.0.0.1]:%d" % self.sink.port, "smtpd_relay_restrictions": "permit_mynetworks,reject_unauth_destination",
                    "mynetworks": "192.0.2.0/24", "recipient_delimiter": "", "minimal_backoff_time": "2s", "maximal_backoff_time": "3s", "queue_run_delay": "2s", **maps(self.port)}
        return Postfix(self.folder, "fwd", settings)

    def send(self, mail_from, rcpt, number="1"):
        client = Client(self.postfix.port)
        reply = client.send(message(author=mail_from or "mailer@far.example", message_id=number + "@sender.example"), mail_from=mail_from, rcpts=(rcpt,))
        client.close()
        return reply

    def arrived(self, rcpt, seconds=15):
        """The return path of the newest mail for this recipient, None when none comes."""
        def found():
            here = [m for m in list(self.sink.mails) if rcpt in m["rcpts"]]
            return here[-1] if here else None
        return until(found, seconds)

    def srs(self, verb, address, *options, secret=None):
        done = subprocess.run([self.binary, "srs", verb, "--secret", secret or self.secret, "--domain", SRS, *options, address], capture_output=True, text=True, timeout=30)
        return done.stdout.strip() if done.returncode == 0 else "exit %d" % done.returncode

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.postfix.__exit__(kind)
        self.gate.__exit__(kind, *rest)
        self.sink.close()


def netstring(text):
    octets = text if isinstance(text, bytes) else text.encode("latin-1")
    return b"%d:%s," % (len(octets), octets)


def read_netstring(stream):
    size = b""
    while not size.endswith(b":"):
        octet = stream.read(1)
        if not octet:
            return None
        size += octet
    body = stream.read(int(size[:-1]) + 1)
    return body[:-1].decode("latin-1")
