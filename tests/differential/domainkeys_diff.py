"""Generated DomainKeys signatures, judged by Mail::DKIM and by us, both with keys from 512 bits.

A difference has a name when our reason, Mail::DKIM's and the knob together say which sentence of the RFC decided.
"""
import re

import dkim_cases
import domainkeys_cases
import maildkim_diff
from differ import Driver, Names, Tally
from dkim_cases import NOW
from maildkim_diff import PEER, line_of


class Difference(maildkim_diff.Difference):
    def values(self, table, name):
        return [value for key, value in table if key == name]


NAMES = Names({
    "sending address not signed": ("ours", "RFC 4870 sections 3.1 and 3.3",
                                   lambda d: d.stricter("(Sender|From) is not signed$", "author_above", "header_list", "sender", "mail_changed")),
    "several sending addresses": ("ours", "RFC 5322 section 3.6: one From, at most one Sender", lambda d: d.stricter("more than one (Sender|From) field", "author_twice", "author_above", "sender")
                                  or d.stricter("no sending address in Sender or From", "author_twice")),
    "Sender without an address": ("both", "RFC 4870 section 3.1: Sender comes before From",
                                  lambda d: d.stricter("no sending address in Sender or From", "sender")),
    "folded sending address": ("ours", "RFC 5322 section 2.2.3", lambda d: d.milder("bad identity", "author") and b"\r\nFrom:\r\n\t" in d.mail),
    "empty name in h=": ("both", "RFC 4870 section 3.3: it names no field", lambda d: d.milder("bad identity|has been altered", "header_list") and b"" in d.case.headers),
    "not a selector": ("ours", "RFC 4870 section 3.3: the value is part of a name in the DNS", lambda d: d.stricter("is not a selector", "selector")),
    "not a domain name": ("ours", "RFC 4870 section 3.3, as above", lambda d: d.stricter("is not a domain name", "domain")),
    "tag twice": ("ours", "RFC 6376 section 3.2: \"Tags with duplicate names MUST NOT occur within a single tag-list\"", lambda d: d.stricter("not a tag list", "twice")),
    "empty tag": ("both", "RFC 4870 section 3.3 gives no meaning to an empty a=, c=, k= or v=",
                  lambda d: d.stricter("[ac]= is not a known|key record cannot be read", "canon_word", "algorithm", "key_type")
                  and b"" in d.values(d.case.tags, b"a") + d.values(d.case.tags, b"c") + d.values(d.case.key, b"k") + d.values(d.case.key, b"v")),
    "letter case of a keyword": ("ours", "RFC 5234 section 2.3", lambda d: d.milder("unsupported key type", "key_type") and d.values(d.case.key, b"k") == [b"RSA"]),
    "key: v= not first": ("ours", "RFC 6376 section 3.6.1: \"This tag MUST be the first tag in the record\"",
                          lambda d: d.stricter("key record cannot be read", "key_of_dkim") and re.search(rb";\s*v\s*=", d.record)),
    "key: list with empty parts": ("ours", "RFC 6376 section 3.2: tag-list", lambda d: d.stricter("key record cannot be read", "key_text") and re.search(rb";\s*;", d.record)),
    "key: base64 and DER to the last octet": ("ours", "RFC 6376 section 3.6.1", lambda d: d.stricter("holds no usable key", "key_bad")),
})


def run(program, count, seed, progress):
    dkim_cases.rng.seed(seed)
    driver, peer = Driver(program, "domainkeys", "--legacy"), Driver("perl", PEER, renewed_after=10000)
    tally = Tally("domainkeys", "Mail::DKIM", seed, NAMES.classes)
    for number in range(count):
        progress(number)
        case, mail, record = domainkeys_cases.make_case()
        ours, reason = driver.ask(line_of(mail, record, case)).split("\t")
        theirs, fault = peer.ask("\t".join(["dkim", "0", str(NOW), mail.hex(), record.hex()])).split("\t")
        if (ours == "pass") == (theirs == "pass"):
            tally.same("pass" if theirs == "pass" else "no pass")
            continue
        tally.differs(NAMES.of(Difference(case, mail, record, ours, reason, theirs, fault)), number,
                      lambda: "%d %s: ours %s (%s), Mail::DKIM %s (%s)\n  %r\n  %r" % (number, case.knobs, ours, reason, theirs, fault, mail, record))
    progress(count)
    for one in (driver, peer):
        one.close()
    return tally
