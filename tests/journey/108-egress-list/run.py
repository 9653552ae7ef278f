#!/usr/bin/python3
"""A real list manager (mlmmj: subject tag, footer) behind our gate and a real Postfix; its mail leaves by egress. From is the list's for authors whose
policy is reject or quarantine, and stays for the others; answers reach the author; the list signs, and its seal tells what was found when the post came.
Judged at the end by Mail::DKIM, Mail::SPF and opendkim. A subscriber past egress gets the same mail without list mode: nothing proves its author. A forger
who writes the list's return path and List-Id himself gets no signature of it.
"""
import os

from far_end import FarEnd, dmarc, field, key_pair, signed
from lab import Client, Folder, Sink, need, skip
from mail_site import Site, arrived
from mlmmj import RECEIVE, SERVICE, make_list, use_postfix

MORE = '[[egress_list]]\ndomain = "lists.example"\naddress = "friends@lists.example"\nname = "Friends"\n'
POLICIES = {"bank": "reject", "careful": "quarantine", "mild": "none"}

if not os.path.exists(RECEIVE):
    skip("mlmmj is not installed")
with Folder() as folder:
    world, key = Sink(), os.path.join(folder, "author.pem")
    record = key_pair(key)
    records = {"far.example": {"MX": ["mx.far.example"]}, "mx.far.example": {"A": ["127.0.0.1"]}, "nobody.example": {"MX": ["mx.far.example"]}}
    for name, policy in POLICIES.items():
        records.update({"a._domainkey.%s.example" % name: {"TXT": [record]}, name + ".example": {"TXT": ["v=spf1 ip4:127.0.0.5 -all"]},
                        "_dmarc.%s.example" % name: {"TXT": ["v=DMARC1; p=" + policy]}})
    far = FarEnd(folder, records)
    path = make_list(folder, "friends@lists.example", "Friends", ["reader@far.example", "past@plain.example"])
    settings = {"transport_maps": "inline:{{friends@lists.example=mlmmj:%s},{plain.example=smtp:[127.0.0.1]:%d}}" % (path, world.port), "mlmmj_destination_recipient_limit": "1"}
    with Site(folder, "lists.example", records, world.port, [("fwd@lists.example", "alias@far.example")], more=MORE, services=SERVICE, settings=settings) as site:
        use_postfix(path, site.postfix.port)
        site.start()
        for name in POLICIES:
            mail = signed(folder, "alice@%s.example" % name, key, name, "friends@lists.example")
            need(site.receive(mail, "alice@%s.example" % name, "friends@lists.example").startswith("250"), "a post of %s comes in" % name)
        forged = b"From: x@nobody.example\r\nTo: fwd@lists.example\r\nSubject: s\r\nMessage-ID: <f@x>\r\nList-Id: Friends <friends.lists.example>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nhello\r\n"
        need(site.receive(forged, "friends+bounces-9@lists.example", "fwd@lists.example").startswith("250"), "a forger's list mail for an alias comes in")
        # The same two ways past a content filter of this machine, as it would come back from there, and one written here.
        gate = b"Received: from f (client [127.0.0.5])\r\n by mx.lists.example with ESMTP id abc; Thu, 1 Jan 2026 00:00:00 +0000\r\n"
        filtered = b"Received: from mx ([127.0.0.1]) by filter with ESMTP id 1;\r\n Thu, 1 Jan 2026 00:00:00 +0000\r\n" + \
            b'Received-SPF: fail (mx.lists.example: x) receiver=mx.lists.example;\r\n client-ip=127.0.0.5; envelope-from="%s"; helo=f; identity=mailfrom\r\n' + gate + forged
        client = Client(site.postfix.port)
        for rcpt, data in (("here", forged), ("filtered", filtered % b"friends+bounces-9@lists.example"), ("posted", filtered % b"x@nobody.example")):
            client.send(data, mail_from="friends+bounces-9@lists.example", rcpts=(rcpt + "@far.example",))
        client.close()
        posts = arrived(world, "reader@far.example", count=3)
        past = arrived(world, "past@plain.example", count=3)
        alias, here, through, posted = [arrived(world, who + "@far.example")[0] for who in ("alias", "here", "filtered", "posted")]
        ends = far.judge(*posts, *past, alias, here, through, posted)
        for got, end in zip(posts, ends):
            head = got["data"]
            name = field(head, "Message-ID")[0][1:].split("@")[0]
            print(name, got["mail_from"], end)
            need(field(head, "Subject") == ["[friends] " + name] and b"leave: friends+unsubscribe@lists.example" in head, "%s: with the list's tag and footer" % name)
            need(end["dkim"] == {name + ".example": "fail", "lists.example": "pass"} and end["opendkim"].get("lists.example") == "succeeded", "%s: the author's signature is broken, the list's holds for Mail::DKIM and opendkim" % name)
            need(got["mail_from"].startswith("friends+bounces") and end["spf"] == "pass" and end["arc"] == "pass", "%s: Mail::SPF passes for the list, Mail::DKIM finds the seal good" % name)
            found = field(head, "ARC-Authentication-Results")[0]
            need("dkim=pass" in found and "header.d=%s.example" % name in found and "dmarc=pass" in found, "%s: the seal hands on what our gate found: %s" % (name, found))
            if POLICIES[name] == "none":
                need(field(head, "From") == ["Alice <alice@mild.example>"] and field(head, "Sender") == ["<friends@lists.example>"] and not field(head, "Reply-To"), "p=none: From stays")
            else:
                need(field(head, "From") == ['"Alice via Friends" <friends@lists.example>'] and field(head, "Reply-To") == ["Alice <alice@%s.example>" % name] and dmarc(end, got),
                     "p=%s: From is the list's and proven, the author is in Reply-To" % POLICIES[name])
        for got, end in zip(past, ends[3:6]):
            need("pass" not in end["dkim"].values() and end["arc"] == "none" and not dmarc(end, got), "control: past egress nothing proves %s" % field(got["data"], "From")[0])
        need(ends[6]["dkim"] == {} and field(alias["data"], "ARC-Seal"), "the forger's mail is sealed as forwarded and has no signature of the list")
        need(ends[8]["dkim"] == {} and field(through["data"], "ARC-Seal"), "nor has it when a filter stands between: its return path is the one that our gate saw")
        need(ends[9]["dkim"] == {"lists.example": "pass"}, "control: with another one it is a post that the list has handed out")
        need(ends[7]["dkim"] == {"lists.example": "pass"}, "control: handed in by a program of this machine it is the list's")
    world.close()
print("ok")
