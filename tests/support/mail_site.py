"""A whole site: our mx gate -> a Postfix with aliases and .forward -> our egress, with the mediator behind Postfix' canonical maps."""
import os
import shutil
import time

from far_end import key_pair, zone_of
from lab import Client, Sekisho, free_port, until
from postfix import Postfix

CONFIG = """
[limits]
exempt = ["127.0.0.0/8"]
[[next_hop]]
name = "main"
kind = "smtp"
address = "127.0.0.1:%(postfix)d"
[[local_domain]]
name = "%(domain)s"
next_hop = "main"
check = "any"
[mediator]
listen = ["127.0.0.1:%(mediator)d"]
srs_domain = "srs.%(domain)s"
secret_file = "%(secret)s"
exclude_domains = [".%(domain)s"]
[egress]
listen = ["127.0.0.1:%(egress)d"]
port = %(world)d
tls = "off"
mx_networks = ["127.0.0.0/8"]
timeout_ms = 5000
[arc]
seal_domain = "%(domain)s"
seal_selector = "s1"
seal_key_file = "%(key)s"
[[signing_key]]
domain = "%(domain)s"
selector = "s1"
key_file = "%(key)s"
"""


class Site:
    """plain.example goes past egress, straight to the world's sink: what there would be without us."""

    def __init__(self, folder, domain, records, world_port, aliases, more="", forwards=(), services="", settings=(), gate_port=None):
        self.folder, self.domain = os.path.join(folder, domain), domain
        os.makedirs(self.folder, mode=0o755)
        self.key, self.secret = self.folder + "/s1.pem", self.folder + "/srs.secret"
        self.records, self.world_port, self.more, self.gate_port = records, world_port, more, gate_port
        records["s1._domainkey." + domain] = {"TXT": [key_pair(self.key)]}
        records[domain] = {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]}
        records["srs." + domain] = {"TXT": ["v=spf1 ip4:127.0.0.1 -all"]}
        with open(os.open(self.secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write("a secret of the site, long enough\n")
        self.egress, self.mediator, folders = free_port(), free_port(), self.folder + "/forwards"
        os.makedirs(folders)
        for user, to in forwards:
            with open(folders + "/%s.forward" % user, "w") as out:
                out.write(to + "\n")
            shutil.chown(folders + "/%s.forward" % user, user)
        with open(self.folder + "/aliases", "w") as out:
            out.write("".join("%s %s\n" % pair for pair in aliases))
        ask = "socketmap:inet:127.0.0.1:%d:" % self.mediator
        self.postfix = Postfix(self.folder, "postfix", {
            "mydestination": domain, "local_recipient_maps": "static:all", "virtual_alias_maps": "texthash:" + self.folder + "/aliases", "virtual_alias_domains": "srs." + domain,
            "forward_path": folders + "/$user.forward", "smtpd_relay_restrictions": "permit_mynetworks,reject_unauth_destination", "append_dot_mydomain": "no",
            "recipient_delimiter": "+", "default_transport": "lmtp:inet:127.0.0.1:%d" % self.egress, "transport_maps": "inline:{plain.example=smtp:[127.0.0.1]:%d}" % world_port,
            "sender_canonical_maps": ask + "forward", "sender_canonical_classes": "envelope_sender", "recipient_canonical_maps": ask + "reverse",
            "recipient_canonical_classes": "envelope_recipient,header_recipient", **dict(settings)}, services=services)

    def start(self):
        """When all records are known."""
        self.started = time.time()
        self.gate = Sekisho(self.folder, CONFIG + self.more, zone_of(self.records), gate_port=self.gate_port, host="mx." + self.domain, postfix=self.postfix.port, domain=self.domain, egress=self.egress,
                            mediator=self.mediator, secret=self.secret, key=self.key, world=self.world_port)
        return self

    def receive(self, mail, mail_from, rcpt, source="127.0.0.5"):
        """From outside, by our mx gate."""
        client = Client(self.gate.port, source=source)
        reply = client.send(mail, mail_from=mail_from, rcpts=(rcpt,), helo="mail.client.example")
        client.close()
        return reply

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.postfix.__exit__(kind)
        if hasattr(self, "gate"):
            self.gate.__exit__(kind, *rest)


def arrived(sink, rcpt, seconds=15, count=1):
    """The mails that came to the sink for this recipient, when there are that many."""
    def found():
        here = [m for m in list(sink.mails) if rcpt in m["rcpts"]]
        return here if len(here) >= count else None
    return until(found, seconds, "%s gets %d" % (rcpt, count))
