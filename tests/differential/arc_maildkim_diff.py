"""The generated chains of ARC sets, judged by Mail::DKIM and by us.

A difference has a name when our reason, Mail::DKIM's and the knob together say which sentence of the RFC decided.
"""
import re

import arc_cases
import dkim_cases
from arc_diff import Difference, line_of
from differ import Driver, Names, Tally
from dkim_cases import NOW
from maildkim_diff import PEER


NAMES = Names({
    "chain: field that cannot be used": ("ours", "RFC 8617 section 5.2 step 3: each set holds one of each field", lambda d: d.stricter("a set is not complete|is there twice") and "=invalid (" in d.fault),
    "base64 to the last octet": ("ours", "RFC 6376 section 3.5: b= is base64string", lambda d: d.stricter("b= is no signature", "field_changed") and re.search(rb"=(?:[ \r\n\t]*x)+", d.mail)),
})
# What Mail::DKIM calls a chain that cannot be read.
WORDS = {"invalid": "fail"}


def run(program, count, seed, progress):
    dkim_cases.rng.seed(seed)
    driver, peer = Driver(program, "arc"), Driver("perl", PEER, renewed_after=10000)
    tally = Tally("arc-maildkim", "Mail::DKIM", seed, NAMES.classes)
    for number in range(count):
        progress(number)
        case, mail, record = arc_cases.make_case()
        ours, reason = driver.ask(line_of(mail, record)).split("\t")
        said, fault = peer.ask("\t".join(["arc", "1", str(NOW), mail.hex(), record.hex()])).split("\t")
        theirs = WORDS.get(said, said)
        if ours == theirs:
            tally.same(ours)
            continue
        tally.differs(NAMES.of(Difference(case, mail, record, ours, reason, theirs, fault)), number,
                      lambda: "%d %s: ours %s (%s), Mail::DKIM %s (%s)\n  %r\n  %r" % (number, case.knobs, ours, reason, said, fault, mail, record))
    progress(count)
    for one in (driver, peer):
        one.close()
    return tally
