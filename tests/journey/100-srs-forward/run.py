#!/usr/bin/python3
"""A real Postfix forwards by alias and by .forward with our socketmap: mail leaves under the forwarder's domain and its SPF passes, for us and for
pyspf; without it SPF fails. The bounce that Postfix makes, and one that comes later, find the first sender.
"""
import subprocess

import spf as pyspf

from forwarder import FORWARDED, SRS, Forwarder, maps, no_maps
from lab import Folder, need, until

# The forwarder is 127.0.0.1; the first sender's mail may come from elsewhere only.
RECORDS = {SRS: "v=spf1 ip4:127.0.0.1 -all", "first.example": "v=spf1 ip4:192.0.2.1 -all", "docomo.example": "v=spf1 ip4:192.0.2.1 -all"}


def spf_of(forwarder, mail_from):
    zone = forwarder.folder + "/spf.zone"
    with open(zone, "w") as out:
        out.write("$ORIGIN .\n" + "".join('%s. 300 IN TXT "%s"\n' % pair for pair in RECORDS.items()))
    ours = subprocess.run([forwarder.binary, "spf", "evaluate", "--ip", "127.0.0.1", "--helo", "mx.far.example", "--mail-from", mail_from, "--zone", zone, "--json"],
                          capture_output=True, text=True, timeout=30)
    pyspf.DNSLookup = lambda name, kind, strict=True, timeout=20: [((name, kind), (RECORDS[name.lower()].encode(),))] if kind == "TXT" and name.lower() in RECORDS else []
    return ours.stdout.split('"result":"')[1].split('"')[0], pyspf.check2("127.0.0.1", mail_from, "mx.far.example")[0]


def forwarded(f, how, rcpt, to):
    need(f.send("user@first.example", rcpt).startswith("250"), how + ": Postfix takes a mail of user@first.example")
    mail = f.arrived(to)
    need(mail and mail["mail_from"].startswith("SRS0=") and mail["mail_from"].endswith("=first.example=user@" + SRS), how + ": it leaves as " + (mail or {}).get("mail_from", "nothing"))
    need(spf_of(f, mail["mail_from"]) == ("pass", "pass"), "SPF passes for us and for pyspf")
    need(b"From: user@first.example" in mail["data"], "From is as it was")
    return mail["mail_from"]


def others(f):
    f.send("a..b.@docomo.example", "alias@fwd.example")
    mail = until(lambda: [m for m in f.sink.mails if "docomo" in m["mail_from"]])
    name = mail[0]["mail_from"]
    need(name.replace('"', "").endswith("=docomo.example=a..b.@" + SRS), "dots as Japanese carriers have them survive: " + name)
    need(f.send("", name).startswith("250"), "and their bounce is taken")
    back = until(lambda: [r for m in f.sink.mails for r in m["rcpts"] if "docomo" in r])
    need(back and back[0].replace('"', "") == "a..b.@docomo.example", "and comes back; Postfix puts quotes where dots meet, with or without us: " + back[0])
    need(f.srs("reverse", name) in ("a..b.@docomo.example", '"a..b."@docomo.example'), "sekisho srs reverse reads it too")
    for sender, why in (("", "the null return path"), ("me@fwd.example", "a domain of ours"), ("x@partner.example", "an excluded domain"), ("x@eu.group.example", "one below an excluded one")):
        before = len(f.sink.mails)
        f.send(sender, "alias@fwd.example")
        mails = f.sink.wait(before + 1)
        need(mails[-1]["mail_from"] == sender, "not rewritten: " + why)
    before = len(f.sink.mails)
    f.send("SRS0=abcd=IP=first.example=user@other.example", "alias@fwd.example")
    name = f.sink.wait(before + 1)[-1]["mail_from"]
    need(name.startswith("SRS1=") and name.endswith("=other.example==abcd=IP=first.example=user@" + SRS), "the SRS0 of another forwarder becomes an SRS1: " + name)
    need(f.send("", name).startswith("250") and f.arrived("SRS0=abcd=IP=first.example=user@other.example"), "whose bounce goes to that forwarder")


def bounces(f, return_path):
    need(f.send("", return_path, "later").startswith("250"), "a bounce of the far server comes later")
    back = f.arrived("user@first.example")
    need(back and back["mail_from"] == "", "and goes to user@first.example")
    f.refuse = True
    need(f.send("strict@first.example", "alias@fwd.example").startswith("250"), "the far server refuses the next mail after Postfix took it")
    back = f.arrived("strict@first.example")
    need(back and back["mail_from"] == "" and b"no such user" in back["data"], "Postfix' own bounce finds strict@first.example")
    f.refuse = False


def control(f):
    f.postfix.change(**no_maps())
    before = len(f.sink.mails)
    f.send("user@first.example", "alias@fwd.example")
    mail = f.sink.wait(before + 1)[-1]
    need(mail["mail_from"] == "user@first.example" and spf_of(f, mail["mail_from"]) == ("fail", "fail"), "control: without the mediator SPF fails for both")
    ask = {"sender_canonical_maps": "tcp:127.0.0.1:%d" % f.tcp_forward, "recipient_canonical_maps": "tcp:127.0.0.1:%d" % f.tcp_reverse}
    f.postfix.change(**{**maps(f.port), **ask})
    before = len(f.sink.mails)
    f.send("tcp-user@first.example", "alias@fwd.example")
    name = f.sink.wait(before + 1)[-1]["mail_from"]
    need(name.startswith("SRS0=") and name.endswith("=tcp-user@" + SRS), "the same by tcp_table: " + name)
    need(f.send("", name).startswith("250") and f.arrived("tcp-user@first.example"), "and back")


def main():
    with Folder() as folder:
        world = {}

        def answer(verb, argument, session):
            if verb == "RCPT" and getattr(world.get("f"), "refuse", False) and FORWARDED in argument:
                return "550 5.1.1 no such user"

        with Forwarder(folder, answer=answer) as f:
            world["f"] = f
            return_path = forwarded(f, "alias", "alias@fwd.example", FORWARDED)
            forwarded(f, ".forward", "daemon@fwd.example", "dotforward@far.example")
            bounces(f, return_path)
            others(f)
            control(f)
            asked = f.gate.metrics()
            need(asked['sekisho_mediator_requests_total{outcome="forwarded"}'] >= 4 and asked['sekisho_mediator_requests_total{outcome="restored"}'] >= 3, "the metrics tell of it")


main()
