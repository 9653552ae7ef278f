"""Generated Sender ID records, senders and clients, judged by Mail::SPF and by us.

A difference has a name only when Mail::SPF gives our answer as soon as the habits behind that name are changed in it, and no fewer.
"""
import json
import pathlib

import senderid_cases
from differ import Class, Driver, Tally, fewest

PEER = str(pathlib.Path(__file__).with_name("mail_spf_peer.pl"))
# What is changed in Mail::SPF (mail_spf_peer.pl) so that it reads the RFC as we do; docs/differences.md has the sentences.
CLASSES = {
    "PRA in a missing domain": Class("ours", "RFC 4406 section 4.3"),
    "v=spf1 beside spf2.0": Class("ours", "RFC 4406 section 4.4"),
    "fault in a record of another scope": Class("ours", "RFC 4406 section 4.4"),
    "scope in another letter case": Class("ours", "RFC 4406 section 3.1, RFC 5234 section 2.3"),
    "unknown scope": Class("ours", "RFC 4406 section 3.1"),
    "void look-ups": Class("ours", "RFC 7208 section 4.6.4"),
    "redirect that is not followed": Class("ours", "RFC 7208 sections 4.6.4 and 6.1"),
    "more than ten MX": Class("ours", "RFC 7208 section 4.6.4"),
    "fault in the reverse zone": Class("ours", "RFC 7208 section 5.5"),
    "ip6 and IPv4 clients": Class("ours", "RFC 7208 section 5.6"),
    "upper case of a macro": Class("ours", "RFC 7208 section 7.3"),
    "R in a macro": Class("ours", "RFC 7208 section 7.1, RFC 5234 section 2.3"),
    "zero as a macro's digit": Class("ours", "RFC 7208 section 7.3"),
    "letters that are no macro here": Class("ours", "RFC 7208 section 7.2"),
    "colon without a name": Class("ours", "RFC 7208 section 5.3: \"a\" [ \":\" domain-spec ] [ dual-cidr-length ]"),
    "name that nobody can ask": Class("both", "RFC 7208 section 4.8"),
    "%{p} in the limits": Class("ours", "RFC 7208 section 4.6.4"),
}
FEW = 2


def hexed(text):
    return text.encode("latin-1").hex()


def request(case, habits=()):
    # The null path stands for postmaster at the HELO name (RFC 7208 section 2.4), which Mail::SPF leaves to its caller.
    address = case["address"] or "postmaster@" + case["helo"]
    row = [case["scope"], hexed(address), case["ip"], hexed(case["helo"]), ",".join(habits)]
    for name, node in case["zone"].items():
        for kind, value in node["records"]:
            row += [hexed(name), kind, hexed(value[1] if kind == "MX" else value)]
        for kind in node["timeouts"]:
            row += [hexed(name), "!" + kind, ""]
    return "\t".join(row)


def run(program, count, seed, progress):
    senderid_cases.rng.seed(seed)
    driver, peer = Driver(program, "--answers", "/dev/stdin"), Driver("perl", PEER, renewed_after=4000)
    tally = Tally("senderid", "Mail::SPF", seed, CLASSES)
    for number in range(count):
        progress(number)
        case = senderid_cases.make_case(number)
        _, ours, _, reason, note = driver.ask(json.dumps(case)).split("\t")
        theirs, text = peer.ask(request(case)).split("\t")
        if note:
            tally.differs(None, number, lambda: "%d: another answer when the DNS is not at hand\n  %s" % (number, json.dumps(case)))
        elif ours == theirs:
            tally.same(ours)
        else:
            name = fewest(CLASSES, lambda habits: peer.ask(request(case, habits)).split("\t")[0] == ours, FEW)
            tally.differs(name, number, lambda: "%d: ours %s (%s), Mail::SPF %s (%s)\n  %s" % (number, ours, reason, theirs, text, json.dumps(case)))
    progress(count)
    for one in (driver, peer):
        one.close()
    return tally
