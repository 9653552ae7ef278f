"""Generated chains of ARC sets, judged by dkimpy and by us.

A difference has a name when our reason, dkimpy's and the knob together say which sentence of the RFC decided.
"""
import logging
import re

import arc_cases
import dkim
import dkim_cases
import differ
from differ import Driver, Names, Tally
from dkim_cases import NOW

logging.disable(logging.CRITICAL)


def dkimpy(mail, record):
    try:
        cv, _, reason = dkim.ARC(mail, minkey=1024).verify(dnsfunc=lambda name, timeout=5: record or None)
    except Exception as fault:
        return "fail", "crash %s: %s" % (type(fault).__name__, fault)
    # None: a chain that says itself that it has ended.
    return cv.decode() if cv else "fail", reason


class Difference(differ.Difference):
    def stricter(self, pattern, *knobs):
        return self.theirs != "fail" and self.ours == "fail" and re.search(pattern, self.reason) and (not knobs or set(knobs) & set(self.case.knobs))

    def milder(self, pattern, *knobs):
        return self.theirs != self.ours and self.ours in ("pass", "none") and re.search(pattern, self.fault) and (not knobs or set(knobs) & set(self.case.knobs))


NAMES = Names({
    "chain: order in the header": ("ours", "RFC 8617 section 5.1.1: by instance, then AAR, AMS, AS, wherever they stand",
                                   lambda d: d.milder("ARC-Seal.* did not validate", "set_fields_moved", "instance_changed")),
    "chain: key h=": ("ours", "RFC 6376 section 3.6.1: h= names the hashes a key may be used with",
                      lambda d: d.stricter("key record cannot be used", "key_changed") and re.search(rb";\s*h=sha1;", d.record)),
    "chain: From added": ("both", "RFC 6376 section 5.4.2: the lowest field is the one that was signed; the author's findings tell of the other",
                          lambda d: d.milder("Most recent ARC-Message-Signature did not validate", "field_added")
                          and len(re.findall(rb"(?im)^from:", d.mail.partition(b"\r\n\r\n")[0])) > 1),
})


def line_of(mail, record):
    return "\t".join([str(NOW), mail.hex()] + (["s1._domainkey.a.example", record.hex()] if record else []))


def run(program, count, seed, progress):
    dkim_cases.rng.seed(seed)
    driver = Driver(program, "arc")
    tally = Tally("arc", "dkimpy", seed, NAMES.classes)
    for number in range(count):
        progress(number)
        case, mail, record = arc_cases.make_case()
        ours, reason = driver.ask(line_of(mail, record)).split("\t")
        theirs, fault = dkimpy(mail, record)
        if ours == theirs:
            tally.same(ours)
            continue
        tally.differs(NAMES.of(Difference(case, mail, record, ours, reason, theirs, fault)), number,
                      lambda: "%d %s: ours %s (%s), dkimpy %s (%s)\n  %r\n  %r" % (number, case.knobs, ours, reason, theirs, fault, mail, record))
    progress(count)
    driver.close()
    return tally
