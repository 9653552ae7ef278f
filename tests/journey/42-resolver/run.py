#!/usr/bin/python3
"""A resolver that is down, slow, lies, talks rubbish or truncates.

While the DNS does not answer, a mail is told 451 for policy.temperror_max_s (4 hours by default; seconds here), whichever of its
records is asked for: never pass, never none, never a refusal for good. Then the sender counts as not proven and the mail is tagged.
What was forged is never believed. The control: the same server without a fault, and one that is only slow.
"""
import base64
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from fake_dns import A, AAAA, MX, TXT, FakeDns, mx, txt
from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, message, need, until

POLICY = "[policy]\ntemperror_max_s = %(keep)s\n"
RECORDS = {}
FAULTS = ("mute", "servfail", "refused", "notimp", "truncated", "truncated_lie", "wrong_id", "wrong_question", "wrong_port", "no_response_bit", "malformed", "loop", "cut", "garbage")


def domain(name, spf="v=spf1 ip4:127.0.0.0/8 -all"):
    """Records of a new sender domain; every test has its own, for answers are kept."""
    RECORDS[(name, TXT)] = [txt(spf)]
    RECORDS[(name, MX)] = [mx(10, "mail." + name)]
    RECORDS[("mail." + name, A)] = [bytes([127, 0, 0, 1])]
    RECORDS[("_dmarc." + name, TXT)] = [txt("v=DMARC1; p=reject")]
    return name


def send(gate, name, octets=None):
    client = Client(gate.port)
    reply = client.send(octets or message(author="a@" + name, message_id="m@" + name), mail_from="a@" + name)
    client.close()
    return reply


def results(sink, name):
    mail = [m["data"].decode("latin-1") for m in sink.mails if "m@" + name in m["data"].decode("latin-1")]
    return re.sub(r"\r\n[ \t]+", " ", re.search(r"(?m)^Authentication-Results: [^\r\n]*(?:\r\n[ \t][^\r\n]*)*", mail[-1])[0]) if mail else None


def control(gate, sink, dns):
    for fault in (None, "slow", "lies_first"):
        name = domain("control-%s.example" % str(fault).replace("_", "-").lower())
        dns.fault = lambda asked, rtype: fault if asked.endswith(name) else None
        reply = send(gate, name)
        told = results(sink, name) or ""
        need(reply.startswith("250") and "spf=pass" in told and "dmarc=pass" in told, "control: resolver %s: taken, %s" % (fault or "well", told[24:120]))
    dns.fault = lambda asked, rtype: "formerr" if asked.endswith("formerr.example") else None
    need(send(gate, domain("formerr.example"))[:3] == "451", "FORMERR to everything is a fault too")


def faults(gate, sink, dns):
    """Each fault at each record the mail needs, many at a time."""
    cases = {domain("%s-%s.example" % (fault.replace("_", "-"), part)): (fault, part) for fault in FAULTS for part in ("all", "spf", "mx", "dmarc")}

    def wrong(asked, rtype):
        name = ".".join(asked.split(".")[-2:])
        fault, part = cases.get(name, (None, None))
        hit = {"all": True, "spf": rtype == TXT and asked == name, "mx": rtype in (MX, A, AAAA), "dmarc": asked.startswith("_dmarc")}
        return fault if part and hit[part] else None

    def one(name):
        begun = time.monotonic()
        return name, send(gate, name), time.monotonic() - begun
    dns.fault = wrong
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(one, cases))
    bad = [(cases[name], reply) for name, reply, _ in answers if not reply.startswith("451")]
    need(not bad and len(answers) == 4 * len(FAULTS), "%d faults at all records, at SPF, MX or DMARC alone: each 451 %r" % (len(FAULTS), bad))
    need(not [name for name in cases if results(sink, name)], "nothing of it goes to the next hop")
    slowest = max(answers, key=lambda a: a[2])
    need(slowest[2] < 8, "the slowest answer took %.1f s (%s)" % (slowest[2], slowest[0]))
    dns.fault = lambda asked, rtype: None


def signed(folder, gate, sink, dns):
    """Only the key of the signature cannot be had, and it alone would prove the author."""
    key = os.path.join(folder, "dkim.pem")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    for fault, code in ((None, "250"), ("servfail", "451"), ("mute", "451")):
        name = domain("signed-%s.example" % (fault or "well"), spf="v=spf1 -all")
        RECORDS[("s._domainkey." + name, TXT)] = [txt("v=DKIM1; k=ed25519; p=" + base64.b64encode(der[-32:]).decode())]
        plain = message(author="a@" + name, message_id="m@" + name)
        done = subprocess.run([gate.binary, "dkim", "sign", "--domain", name, "--selector", "s", "--key", key, "--algorithm", "ed25519-sha256", "-"], input=plain.encode(), capture_output=True)
        need(done.returncode == 0, "signed for " + name)
        dns.fault = lambda asked, rtype: fault if "_domainkey" in asked else None
        reply = send(gate, name, done.stdout)
        need(reply.startswith(code), "SPF fails, the DKIM key: %s: %s" % (fault or "there", reply))
    dns.fault = lambda asked, rtype: None


def poison(gate, sink, dns):
    """Records out of bailiwick ride along: a later mail from that domain gets what its own records say."""
    victim = domain("victim.example", spf="v=spf1 ip4:192.0.2.1 -all")
    dns.poison = [(victim, TXT, txt("v=spf1 +all")), ("_dmarc." + victim, TXT, txt("v=DMARC1; p=none")), ("mail." + victim, A, bytes([192, 0, 2, 66]))]
    carrier = domain("carrier.example")
    dns.fault = lambda asked, rtype: "bailiwick" if asked.endswith(carrier) else None
    need(send(gate, carrier).startswith("250") and "spf=pass" in results(sink, carrier), "records of others beside the answer: the mail has its own result")
    dns.fault = lambda asked, rtype: None
    reply = send(gate, victim)
    need(reply.startswith("550 5.7."), "and they are not kept: " + reply)


def tcp(gate, sink, dns):
    name = domain("truncated-tcp.example")
    dns.listen()
    dns.fault = lambda asked, rtype: "truncated" if asked.endswith(name) else None
    need(send(gate, name).startswith("250") and dns.tcp_queries >= 3 and "spf=pass" in results(sink, name), "truncated, but TCP answers: taken, %d queries over TCP" % dns.tcp_queries)


def down(gate, sink, dns):
    name = domain("down.example")
    dns.udp.close()
    reply = send(gate, name)
    need(reply.startswith("451"), "nobody listens at the resolver's port: " + reply)
    need(not [m for m in sink.mails if b"m@down" in m["data"]], "nothing went on")


def at_most(folder, sink, dns):
    """temperror_max_s is over: the mail is taken as not proven, and the results say temperror."""
    with Sekisho(folder, NEXT_HOP + POLICY, None, name="patience", sink=sink.port, keep="3", dns='servers = ["127.0.0.1:%d"]' % dns.port) as gate:
        name = domain("patience.example")
        dns.fault = lambda asked, rtype: "servfail" if asked.endswith(name) else None
        begun = time.monotonic()
        need(send(gate, name).startswith("451"), "a DNS fault: 451")
        reply = until(lambda: (lambda r: r if not r.startswith("451") else None)(send(gate, name)), seconds=15)
        took = time.monotonic() - begun
        # the memory counts whole seconds, so the third one may begin a second early
        need(reply and reply.startswith("250") and took >= 1.9, "after %.1f s of policy.temperror_max_s = 3: %s" % (took, reply))
        told = results(sink, name)
        need("spf=temperror" in told and "spf=pass" not in told and "dmarc=temperror" in told, "as not proven: " + told[24:160])
        until(lambda: "sekisho_refusals_total" in str(gate.metrics()), what="and the deferrals were counted")


def main():
    with Folder() as folder:
        sink, dns = Sink(), FakeDns(RECORDS)
        with Sekisho(folder, NEXT_HOP + POLICY, None, sink=sink.port, keep="14400", dns='servers = ["127.0.0.1:%d"]' % dns.port) as gate:
            control(gate, sink, dns)
            faults(gate, sink, dns)
            signed(folder, gate, sink, dns)
            poison(gate, sink, dns)
            at_most(folder, sink, dns)
            tcp(gate, sink, dns)
            down(gate, sink, dns)


main()
