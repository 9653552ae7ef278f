#!/usr/bin/python3
"""Mail from outside through our mx gate and a real Postfix, by an alias, by .forward, by two aliases one after the other, and a company's From
through its ISP, leaves by egress and is judged at its end by Mail::DKIM (signatures, ARC), Mail::SPF and opendkim. What does not hold there
`mediate explain` has said before. Without the SRS return path SPF fails, and a changed word breaks all signatures.
"""
import json
import os
import subprocess
import time

from far_end import CLIENT, FarEnd, dmarc, field, key_pair, signed
from lab import BINARY, Client, Folder, Sink, need
from mail_site import Site, arrived


def explain(site, mail, way, mail_from):
    path = os.path.join(site.folder, "explain.eml")
    with open(path, "wb") as out:
        out.write(mail)
    done = subprocess.run([BINARY, "mediate", "explain", "-c", site.gate.config, "--path", way, "--ip", CLIENT, "--mail-from", mail_from, "--json", path], capture_output=True, timeout=60)
    return json.loads(done.stdout)["paths"][0]


with Folder() as folder:
    world, key = Sink(), os.path.join(folder, "author.pem")
    records = {"a._domainkey.bank.example": {"TXT": [key_pair(key)]}, "bank.example": {"TXT": ["v=spf1 ip4:127.0.0.5 -all"]}, "_dmarc.bank.example": {"TXT": ["v=DMARC1; p=reject"]},
               "company.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}, "far.example": {"MX": ["mx.far.example"]}, "mx.far.example": {"A": ["127.0.0.1"]}}
    far = FarEnd(folder, records)
    aliases = [("fwd@isp.example", "alias@far.example"), ("second@isp.example", "second@far.example")]
    with Site(folder, "isp.example", records, world.port, aliases, forwards=[("daemon", "dotforward@far.example")]) as site:
        site.start()
        mail = signed(folder, "alice@bank.example", key, "m1", "fwd@isp.example")
        need(site.receive(mail, "alice@bank.example", "fwd@isp.example").startswith("250"), "our gate takes it for the alias")
        need(site.receive(signed(folder, "alice@bank.example", key, "m2", "daemon@isp.example"), "alice@bank.example", "daemon@isp.example").startswith("250"), "and for one with a .forward")
        company = b"From: ceo@company.example\r\nTo: x@far.example\r\nSubject: s\r\nMessage-ID: <c@x>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nhello\r\n"
        client = Client(site.postfix.port)
        need(client.send(company, mail_from="customer@isp.example", rcpts=("third@far.example",)).startswith("250"), "a customer sends under his company's name")
        client.close()
        ways = {"an alias": arrived(world, "alias@far.example")[0], ".forward": arrived(world, "dotforward@far.example")[0], "a company through its ISP": arrived(world, "third@far.example")[0]}
        # The far mailbox has an alias at our place again: the same mail comes back, and goes out once more.
        first = ways["an alias"]
        need(site.receive(first["data"], first["mail_from"], "second@isp.example", source="127.0.0.1").startswith("250"), "what has left comes in again")
        ways["two aliases"] = arrived(world, "second@far.example")[0]
        spoiled = dict(first, data=first["data"].replace(b"a word", b"a lord"))
        as_it_came = dict(first, mail_from="alice@bank.example")
        *ends, broken, unwritten = far.judge(*ways.values(), spoiled, as_it_came)

        for (way, got), end in zip(ways.items(), ends):
            print(way, got["mail_from"], end)
            need(end["spf"] == "pass", "%s: Mail::SPF passes for <%s>" % (way, got["mail_from"]))
            signer = "isp.example" if way == "a company through its ISP" else "bank.example"
            need(end["dkim"].get(signer) == "pass" and end["opendkim"].get(signer) == "succeeded", "%s: the signature of %s holds for Mail::DKIM and opendkim" % (way, signer))
            if signer == "bank.example":
                need(end["arc"] == "pass" and dmarc(end, got), "%s: Mail::DKIM finds the seals good, and the strict author is proven" % way)
                need(field(got["data"], "From") == ["Alice <alice@bank.example>"] and got["data"].split(b"\r\n\r\n", 1)[1] == b"a word\r\n", "%s: From and body as they came" % way)
        need(first["mail_from"].startswith("SRS0=") and first["mail_from"].endswith("=bank.example=alice@srs.isp.example"), "the alias leaves under an SRS return path")
        need(len(field(ways["two aliases"]["data"], "ARC-Seal")) == 2 and "cv=pass" in field(ways["two aliases"]["data"], "ARC-Seal")[0], "two aliases, two seals, the second on the first")

        # What egress promised before.
        today, sent_today = time.gmtime().tm_yday, time.gmtime(site.started).tm_yday
        told = explain(site, mail, "forward", "alice@bank.example")
        got = {m: row["after"]["result"] for m, row in told["methods"].items()}
        need(got["spf"] == got["dkim"] == got["dmarc"] == got["arc"] == "pass", "explain said so of the alias")
        need((told["return_path"]["after"] == first["mail_from"] or today != sent_today) and told["remarks"][0]["code"] == "mediation_srs_made", "with the very return path that it left with: " + told["return_path"]["after"])
        kept = explain(site, mail, "forward", "joe@isp.example")
        need(kept["return_path"]["after"] == "joe@isp.example" and kept["remarks"][0]["code"] == "mediation_srs_kept", "and a return path of the site's own stays")
        third = ends[list(ways).index("a company through its ISP")]
        told = explain(site, company, "third-party", "customer@isp.example")["methods"]
        need(not dmarc(third, ways["a company through its ISP"]) and not told["dmarc"]["survives"] and told["dmarc"]["text"]["en"] and told["spf"]["survives"] and told["dkim"]["survives"],
             "the company's own name is not proven at the end, and explain said that and why")

        # Controls: the same checks see what is wrong.
        need(broken["dkim"]["bank.example"] == "fail" and broken["arc"] == "fail" and "bank.example" not in [d for d, w in broken["opendkim"].items() if w == "succeeded"], "control: a changed word breaks signature and seal for all")
        need(unwritten["spf"] == "fail", "control: with the return path as it came SPF fails")
    world.close()
print("ok")
