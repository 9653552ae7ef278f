#!/usr/bin/python3
"""Two sites, each our gate, a real Postfix and egress. A list (mlmmj) of the first is subscribed by a list of the second, and an alias of the first
leads to one of the second. At the end Mail::DKIM finds both seals good, the second says that the first held when it came, though the second list
changed the mail; a strict author and a strict first list are both replaced in From, and answers reach them. Without egress at the second site the
first seal is broken and nothing is left.
"""
import os

from far_end import FarEnd, dmarc, field, key_pair, signed
from lab import Folder, Sink, free_port, need, skip
from mail_site import Site, arrived
from mlmmj import RECEIVE, SERVICE, make_list, use_postfix

LIST = '[[egress_list]]\ndomain = "%s"\naddress = "%s@%s"\nname = "%s"\n'

if not os.path.exists(RECEIVE):
    skip("mlmmj is not installed")
with Folder() as folder:
    port, key = free_port(), os.path.join(folder, "author.pem")  # one port for all hosts of the world, as it is 25 in life
    world = Sink(port=port, host="127.0.0.2")
    records = {"a._domainkey.bank.example": {"TXT": [key_pair(key)]}, "bank.example": {"TXT": ["v=spf1 ip4:127.0.0.5 -all"]}, "_dmarc.bank.example": {"TXT": ["v=DMARC1; p=reject"]},
               "_dmarc.lists.example": {"TXT": ["v=DMARC1; p=quarantine"]}, "far.example": {"MX": ["mx.far.example"]}, "mx.far.example": {"A": ["127.0.0.2"]}, "mx.club.example": {"A": ["127.0.0.1"]}}
    far = FarEnd(folder, records)
    every = make_list(folder, "all@lists.example", "All", ["friends@club.example"])
    friends = make_list(folder, "friends@club.example", "Friends", ["reader@far.example", "past@plain.example"])

    def settings(address, path):
        return {"transport_maps": "inline:{{%s=mlmmj:%s},{plain.example=smtp:[127.0.0.2]:%d}}" % (address, path, port), "mlmmj_destination_recipient_limit": "1"}
    with Site(folder, "lists.example", records, port, [("hop@lists.example", "hop@club.example")], more=LIST % ("lists.example", "all", "lists.example", "All"), services=SERVICE,
              settings=settings("all@lists.example", every)) as first, \
            Site(folder, "club.example", records, port, [("hop@club.example", "end@far.example")], more=LIST % ("club.example", "friends", "club.example", "Friends"), services=SERVICE,
                 settings=settings("friends@club.example", friends), gate_port=port) as second:
        records["club.example"]["MX"] = ["mx.club.example"]
        use_postfix(every, first.postfix.port), use_postfix(friends, second.postfix.port)
        second.start(), first.start()
        for name, rcpt in (("post", "all@lists.example"), ("forwarded", "hop@lists.example")):
            need(first.receive(signed(folder, "alice@bank.example", key, name, rcpt), "alice@bank.example", rcpt).startswith("250"), "%s comes in at the first site" % name)
        end = arrived(world, "end@far.example")[0]
        post, past = arrived(world, "reader@far.example")[0], arrived(world, "past@plain.example")[0]
        at_end, listed, bare = far.judge(end, post, past)
        print(end["mail_from"], at_end)
        need(at_end["dkim"] == {"bank.example": "pass"} and at_end["opendkim"] == {"bank.example": "succeeded"} and dmarc(at_end, end), "two aliases: the author's signature holds to the end")
        need(end["mail_from"].startswith("SRS1=") and end["mail_from"].endswith("@srs.club.example") and at_end["spf"] == "pass", "under the second site's SRS1 Mail::SPF passes: " + end["mail_from"])
        need(at_end["arc"] == "pass" and "as.2.club.example=pass" in at_end["arc_detail"] and "as.1.lists.example=pass" in at_end["arc_detail"], "Mail::DKIM finds both seals good: " + at_end["arc_detail"])

        print(post["mail_from"], listed)
        results = {f.split(";")[0]: f for f in field(post["data"], "ARC-Authentication-Results")}
        need("dkim=pass" in results["i=1"] and "header.d=bank.example" in results["i=1"] and "dmarc=pass" in results["i=1"], "the first seal hands on that the author was proven: " + results["i=1"])
        need("arc=pass" in results["i=2"] and "dmarc=pass" in results["i=2"] and "header.d=lists.example" in results["i=2"], "the second that the first held, and the first list was proven: " + results["i=2"])
        need(listed["arc"] == "pass" and "as.1.lists.example=pass" in listed["arc_detail"] and "cv=pass" in [f for f in field(post["data"], "ARC-Seal") if f.startswith("i=2")][0], "list of lists: Mail::DKIM finds the chain good: " + listed["arc_detail"])
        need(listed["dkim"]["club.example"] == "pass" and listed["opendkim"].get("club.example") == "succeeded" and listed["spf"] == "pass" and dmarc(listed, post), "the second list's signature and SPF prove its From")
        answers = field(post["data"], "Reply-To")[0]
        need(field(post["data"], "From") == ['"Alice via All via Friends" <friends@club.example>'] and "<alice@bank.example>" in answers and "<all@lists.example>" in answers, "From is the second list's, answers reach author and first list: " + answers)
        need(field(post["data"], "Subject") == ["[friends] [all] post"] and post["data"].count(b"leave: ") == 2, "both tags, both footers")
        need("pass" not in bare["dkim"].values() and bare["arc"] == "fail" and not dmarc(bare, past), "control: past the second egress the first seal is broken and nothing proves anybody: " + bare["arc_detail"])
    world.close()
print("ok")
