#!/usr/bin/python3
"""The ways a mail can go, with a real Postfix: an alias forwards a signed mail (the author's signature survives octet for octet, the seal is good
for dkimpy), a list hands mail out (From munged for a strict author only, the list signs), a company's From leaves through an ISP (Sender added).
`mediate explain` prints the same for each, before and after. Without the changes the list's mail would fail at its end.
"""
import json
import os
import re
import smtplib
import subprocess

from lab import COMMANDS, Folder, NEXT_HOP, Sekisho, Sink, free_port, need, skip, until
from postfix import Postfix

try:
    import dkim
except ImportError:
    skip("dkimpy (python3-dkim) is not installed")

EGRESS = """
[egress]
listen = ["127.0.0.1:%(egress)d"]
port = %(world)d
tls = "off"
mx_networks = ["127.0.0.0/8"]
timeout_ms = 3000
[arc]
seal_domain = "own.example"
seal_selector = "s1"
seal_key_file = "%(key)s"
[[signing_key]]
domain = "own.example"
selector = "s1"
key_file = "%(key)s"
[[signing_key]]
domain = "lists.example"
selector = "s1"
key_file = "%(key)s"
[[egress_list]]
domain = "lists.example"
address = "friends@lists.example"
name = "Friends"
"""


def record(path):
    return "v=DKIM1; k=rsa; p=" + subprocess.run("openssl pkey -in %s -pubout -outform DER | base64 -w0" % path, shell=True, capture_output=True, text=True).stdout


def sekisho(*words, want=0, stdin=None):
    done = subprocess.run([COMMANDS, *words], input=stdin, capture_output=True, timeout=60)
    if done.returncode != want:
        raise AssertionError("%s: exit %d: %s %s" % (words, done.returncode, done.stdout[-600:], done.stderr[-600:]))
    return done.stdout


def signed_by(mail, zone):
    return [(s["signing_domain"], s["result"]) for s in json.loads(subprocess.run([COMMANDS, "dkim", "verify", "--json", "--zone", zone, "-"], input=mail, capture_output=True).stdout)]


def field(mail, name):
    return [re.sub(r"\r\n(?=[ \t])", "", f).strip() for f in re.findall(r"(?ims)^%s:(.*?)\r\n(?![ \t])" % name, mail.split(b"\r\n\r\n")[0].decode() + "\r\n")]


with Folder() as folder:
    world, key, author_key = Sink(), os.path.join(folder, "s1.pem"), os.path.join(folder, "author.pem")
    for path in (key, author_key):
        subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True, capture_output=True)
        os.chmod(path, 0o600)
    records = {"s1._domainkey.own.example": record(key), "s1._domainkey.lists.example": record(key), "a._domainkey.bank.example": record(author_key), "a._domainkey.mild.example": record(author_key)}
    zone = "".join('%s. 300 IN TXT "%s" "%s"\n' % (n, r[:200], r[200:]) for n, r in records.items())
    zone += 'dest.example. 300 IN MX 10 mx.dest.example.\nmx.dest.example. 300 IN A 127.0.0.1\n_dmarc.bank.example. 300 IN TXT "v=DMARC1; p=reject"\n_dmarc.mild.example. 300 IN TXT "v=DMARC1; p=none"\n'
    zone += "".join('%s. 300 IN TXT "v=spf1 ip4:127.0.0.1 -all"\n' % d for d in ("own.example", "lists.example")) + "".join('%s. 300 IN TXT "v=spf1 ip4:192.0.2.1 -all"\n' % d for d in ("bank.example", "mild.example", "company.example"))
    # Through a list the author's signature breaks when somebody adds a footer; here the list manager's footer is in the body already.
    port, zone_file = free_port(), os.path.join(folder, "gate.zone")

    def author_mail(author, number, extra="", body="a word\r\n"):
        path = os.path.join(folder, "author.eml")
        open(path, "wb").write(("From: Alice <%s>\r\nTo: fwd@own.example\r\nSubject: %s\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <%s@x.example>\r\n\r\n%s" % (author, number, number, body)).encode())
        return extra.encode() + sekisho("dkim", "sign", "--domain", author.split("@")[1], "--selector", "a", "--key", author_key, path)

    with Sekisho(folder, NEXT_HOP + EGRESS, zone, sink=world.port, egress=port, world=world.port, key=key) as gate, \
            Postfix(folder, "queue", {"default_transport": "lmtp:inet:127.0.0.1:%d" % port, "smtpd_relay_restrictions": "permit_mynetworks, reject", "append_dot_mydomain": "no",
                                      "virtual_alias_domains": "own.example", "virtual_alias_maps": "inline:{fwd@own.example=user@dest.example}"}) as postfix:
        def through(mail, mail_from, rcpt, number):
            before = len(world.mails)
            with smtplib.SMTP("127.0.0.1", postfix.port) as client:
                client.sendmail(mail_from, [rcpt], mail)
            until(lambda: len(world.mails) > before, 10, "%s: it reached the world" % number)
            return world.mails[-1]["data"]

        mail = author_mail("alice@bank.example", "forwarded")
        out = through(mail, "alice@bank.example", "fwd@own.example", "an alias")
        need(("bank.example", "pass") in signed_by(out, zone_file), "the author's signature survives the alias")
        need(out.split(b"\r\n\r\n", 1)[1] == mail.split(b"\r\n\r\n", 1)[1] and field(out, "From") == ["Alice <alice@bank.example>"], "body and From octet for octet")
        table = {(n + ".").encode(): r.encode() for n, r in records.items()}
        verdict, results, why = dkim.arc_verify(out, dnsfunc=lambda name, timeout=5: table.get(name if isinstance(name, bytes) else name.encode()))
        need(verdict == dkim.CV_Pass, "dkimpy: the seal is good: %s" % why)
        broken = dkim.arc_verify(out.replace(b"a word", b"a lord"), dnsfunc=lambda name, timeout=5: table.get(name if isinstance(name, bytes) else name.encode()))
        need(broken[0] != dkim.CV_Pass, "and would not be, had a word been changed")

        listed = "List-Id: Friends <friends.lists.example>\r\n"
        out = through(author_mail("alice@bank.example", "strict", listed), "bounces+1@lists.example", "user@dest.example", "a list, strict author")
        need(field(out, "From") == ['"Alice via Friends" <friends@lists.example>'] and field(out, "Reply-To") == ["Alice <alice@bank.example>"], "p=reject: From is the list's, the author is in Reply-To")
        need(("lists.example", "pass") in signed_by(out, zone_file), "the list's signature is good")
        done = json.loads(subprocess.run([COMMANDS, "check", "--ip", "127.0.0.1", "--mail-from", "bounces+1@lists.example", "--zone", zone_file, "--json", "-"], input=out, capture_output=True).stdout)
        need(done["dmarc"]["result"] == "pass" or done["dmarc"]["author_domain"] == "lists.example", "at its end nobody's strict policy fails")
        out = through(author_mail("bob@mild.example", "mild", listed), "bounces+1@lists.example", "user@dest.example", "a list, mild author")
        need(field(out, "From") == ["Alice <bob@mild.example>"] and field(out, "Sender") == ["<friends@lists.example>"], "p=none: From stays, Sender is the list's")
        out = through(author_mail("alice@bank.example", "fake", listed), "evil@bank.example", "user@dest.example", "a List-Id that only claims")
        need("lists.example" not in [d for d, _ in signed_by(out, zone_file)], "control: without the list's return path nobody gets its signature")

        plain = b"From: ceo@company.example\r\nTo: x@dest.example\r\nSubject: s\r\nMessage-ID: <c@x>\r\n\r\nhello\r\n"
        out = through(plain, "user@own.example", "user@dest.example", "a company through its ISP")
        need(field(out, "Sender") == ["<user@own.example>"] and signed_by(out, zone_file) == [("own.example", "pass")], "Sender added, signed by who sends it")

        # From outside, through our gate: the forger writes our domain into both places, the alias sends it on.
        forged = b"From: boss@own.example\r\nTo: fwd@own.example\r\nSubject: pay\r\nMessage-ID: <f@x>\r\n\r\npay\r\n"
        trace = b"Received: from forger.example (forger.example [192.0.2.66])\r\n\tby mx.sekisho.example with ESMTP id abc;\r\n\tThu, 1 Jan 2026 00:00:00 +0000\r\n"
        out = through(trace + forged, "boss@own.example", "fwd@own.example", "a forged mail that an alias sends on")
        need(signed_by(out, zone_file) == [], "what came from outside does not leave with our signature: %s" % signed_by(out, zone_file))
        out = through(forged, "boss@own.example", "fwd@own.example", "the same written here")
        need(signed_by(out, zone_file) == [("own.example", "pass")], "control: written here it is ours and signed")

        # Who writes our list's return path and List-Id himself is no list manager: our gate heard that return path from outside. A post has been sent anew.
        heard = b'Received-SPF: fail (mx.sekisho.example: x) receiver=mx.sekisho.example; client-ip=192.0.2.66;\r\n envelope-from="%s"; helo=x; identity=mailfrom\r\n'
        posted = author_mail("bob@mild.example", "forged list", listed)
        out = through(heard % b"bounces+1@lists.example" + trace + posted, "bounces+1@lists.example", "user@dest.example", "a forged list mail that an alias sends on")
        need("lists.example" not in [d for d, _ in signed_by(out, zone_file)], "it does not leave with the list's signature")
        out = through(heard % b"bob@mild.example" + trace + posted, "bounces+1@lists.example", "user@dest.example", "a post that the list manager sends anew")
        need(("lists.example", "pass") in signed_by(out, zone_file), "control: a post from outside that the list manager has sent anew is signed")

        def explain(mail, way, mail_from, want=0):
            path = os.path.join(folder, "explain.eml")
            open(path, "wb").write(mail)
            return json.loads(sekisho("mediate", "explain", "-c", gate.config, "--path", way, "--ip", "127.0.0.1", "--mail-from", mail_from, "--json", path, want=want))["paths"][0]

        told = explain(author_mail("alice@bank.example", "e1"), "forward", "alice@bank.example")
        got = {m: (told["methods"][m]["before"]["result"], told["methods"][m]["after"]["result"]) for m in told["methods"]}
        need(got["spf"] == ("fail", "pass") and got["dkim"] == ("pass", "pass") and got["dmarc"] == ("pass", "pass") and got["arc"] == ("none", "pass"), "explain, forwarding: %s" % got)
        broken = author_mail("alice@bank.example", "e2", listed).replace(b"a word", b"a word and a footer")
        told = explain(broken, "list", "bounces@lists.example")
        got = {m: (told["methods"][m]["before"]["result"], told["methods"][m]["after"]["result"]) for m in told["methods"]}
        need(got["dmarc"][0] == "fail" and got["dkim"] == ("fail", "pass") and got["arc"][1] == "pass", "explain, a list with a footer: %s" % got)
        need([c["change"] for c in told["changes"]] == ["from", "reply_to", "dkim", "arc"] and told["changes"][0]["text"]["ja"], "with each change and its reason in both languages")
        told = explain(plain, "third-party", "user@own.example")
        need(told["methods"]["sender_id_pra"]["before"]["result"] != "pass" and told["methods"]["spf"]["after"]["result"] == "pass" and told["methods"]["dkim"]["after"]["result"] == "pass"
             and not told["methods"]["dmarc"]["survives"] and told["methods"]["dmarc"]["text"]["ja"], "explain, third party: what does not survive says why")
        text = sekisho("mediate", "explain", "-c", gate.config, "--path", "all", "--ip", "127.0.0.1", "--mail-from", "alice@bank.example", os.path.join(folder, "explain.eml"), want=1).decode()
        need(all("path     " + w in text for w in ("forward", "list", "third-party")) and "転送" in text, "the whole table as text")
        shown = subprocess.run([COMMANDS, "mediate", "explain", "-c", gate.config, "--mail-from", "x\x1b[31m@bank.example", "-"], input=plain, capture_output=True).stdout
        need(b"\\x1b[31m" in shown and b"\x1b" not in shown, "no control reaches the terminal")
        need(subprocess.run([COMMANDS, "mediate", "explain", "-c", gate.config, "--path", "moon", "-"], input=b"", capture_output=True).returncode == 2, "a way nobody knows is a usage error")
print("ok")
