"""Generated mails, signatures and key records, judged by Mail::DKIM and by us; every second case by the rules before RFC 8301.

A difference has a name when our reason, Mail::DKIM's and the knob together say which sentence of the RFC decided.
"""
import pathlib
import re

import differ
import dkim_cases
from differ import Driver, Names, Tally
from dkim_cases import NOW

PEER = str(pathlib.Path(__file__).with_name("mail_dkim_peer.pl"))


class Difference(differ.Difference):
    def stricter(self, pattern, *knobs):
        return self.theirs == "pass" and re.search(pattern, self.reason) and (not knobs or set(knobs) & set(self.case.knobs))

    def milder(self, pattern, *knobs):
        return self.ours == "pass" and re.search(pattern, self.fault) and (not knobs or set(knobs) & set(self.case.knobs))

    def tag(self, name):
        return dict((key, value) for key, value in self.case.tags).get(name, b"")

    def key_tag(self, name):
        return dict((key, value) for key, value in self.case.key).get(name, b"")


NAMES = Names({
    "tag twice": ("ours", "RFC 6376 section 3.2: \"Tags with duplicate names MUST NOT occur within a single tag-list\"",
                  lambda d: d.stricter("a tag is given twice", "twice") or d.stricter("key record cannot be read", "key_twice")),
    "key: v= not first": ("ours", "RFC 6376 section 3.6.1: \"This tag MUST be the first tag in the record\"",
                          lambda d: d.stricter("key record cannot be read", "key_order") and re.search(rb";\s*v\s*=", d.record)),
    "key: list with empty parts": ("ours", "RFC 6376 section 3.2: tag-list", lambda d: d.stricter("key record cannot be read", "key_spaces", "key_junk") and re.search(rb";\s*;|^\s*;", d.record)),
    "key: another version": ("ours", "RFC 6376 section 3.6.1: \"MUST be set to 'DKIM1'\"", lambda d: d.stricter("key record has another version", "key_version")),
    "key: empty k=": ("both", "RFC 6376 section 3.6.1: key-k-tag has a value", lambda d: d.stricter("key is of an unknown type", "key_type", "key_version") and d.key_tag(b"k") == b""),
    "key: h=": ("ours", "RFC 6376 section 3.6.1", lambda d: d.stricter("does not allow the hash", "key_hashes")
                or d.milder("does not support hash", "key_hashes") and re.search(rb"(?i)(^|:) *sha(1|256) *(:|$)", d.key_tag(b"h"))),
    "key: s=": ("ours", "RFC 6376 section 3.6.1", lambda d: d.stricter("key is not for mail", "key_services")
                or d.milder("does not support email", "key_services") and d.key_tag(b"s") == b"EMAIL"),
    "key: t=s": ("ours", "RFC 6376 section 3.6.1", lambda d: d.stricter("does not allow i= in a subdomain", "key_flags")),
    "key: g=": ("ours", "RFC 6376 appendix C.1: g= is gone; section 3.6.1: unknown tags are ignored", lambda d: d.milder("granularity", "key_granularity")),
    "key: base64 and DER to the last octet": ("ours", "RFC 6376 section 3.6.1", lambda d: d.stricter("holds no usable key", "key_bad")),
    "base64 to the last octet": ("ours", "RFC 6376 section 3.5: b= and bh= are base64string", lambda d: d.stricter("bh?= is not base64|bh= is not a hash", "signature_changed")),
    "not a selector": ("ours", "RFC 6376 section 3.5: sig-s-tag", lambda d: d.stricter("is not a selector|not a tag list", "selector")),
    "not a domain name": ("ours", "RFC 6376 section 3.5: sig-d-tag", lambda d: d.stricter("is not a domain name|is a single label|not a tag list", "domain")),
    "not an identity": ("ours", "RFC 6376 section 3.5: sig-i-tag", lambda d: d.stricter("is not an identity", "agent")),
    "quoted-printable or folds in i=": ("ours", "RFC 6376 section 3.5: i= is dkim-quoted-printable", lambda d: d.milder("bad identity", "agent") and re.search(rb"=40|\s", d.tag(b"i"))),
    "clock skew": ("both", "RFC 6376 section 3.5: x= \"Signatures MAY be considered invalid\"",
                   lambda d: d.stricter("^(expired|signed) .* (ago|in the future)$", "times", "expiry", "odd_times") or d.milder("signature is expired", "expiry", "odd_times")),
    "x= not after t=": ("ours", "RFC 6376 section 3.5: \"The value of the 'x=' tag MUST be greater than the value of the 't=' tag\"",
                        lambda d: d.stricter("x= is not after t=", "expiry", "odd_times", "times")),
    "not a time": ("ours", "RFC 6376 section 3.5: t= and x= are decimal numbers of up to 12 digits", lambda d: d.stricter("[xt]= is not a time", "odd_times")),
    "octets beyond l=": ("both", "RFC 6376 section 8.2: verifiers may refuse what l= leaves open",
                         lambda d: d.stricter("octets of the body are not signed|l= is beyond the end", "length")),
    "not a length": ("ours", "RFC 6376 section 3.5: sig-l-tag", lambda d: d.stricter("l= is not a length", "length")),
    "h= without From": ("ours", "RFC 6376 section 5.4: \"The From header field MUST be signed\"", lambda d: d.stricter("h= lacks From", "header_list")),
    "h= with what is no field name": ("ours", "RFC 6376 section 3.5: sig-h-tag", lambda d: d.stricter("h= is not a list of field names", "header_list")),
    "h= names DKIM-Signature": ("ours", "RFC 6376 section 5.4", lambda d: d.milder("has been altered", "header_list") and b"dkim-signature" in d.tag(b"h").lower()),
    "another version": ("ours", "RFC 6376 section 3.5: v= is there, and is 1", lambda d: d.stricter("^v=.* is (not a known version|missing)", "version")),
    "not a canonical form": ("ours", "RFC 6376 section 3.5: sig-c-tag", lambda d: d.stricter("c= is not a known canonical form", "canon_word")),
    "letter case of a keyword": ("ours", "RFC 5234 section 2.3", lambda d: d.milder("unsupported key type", "key_type") and d.key_tag(b"k") == b"RSA"
                                 or d.milder("unsupported query protocol, q=DNS/TXT", "query")),
    "q=dns": ("both", "RFC 6376 section 3.5 knows dns/txt; drafts before RFC 4871 wrote dns", lambda d: d.milder("unsupported query protocol, q=dns\\W*$", "query")),
})


def line_of(mail, record, case):
    """The key record stands under the name that the signature gives, when that is one."""
    tags = dict((name, value) for name, value in case.tags)
    name = (tags.get(b"s", b"").strip() + b"._domainkey." + tags.get(b"d", b"").strip()).decode("latin-1").rstrip(".")
    row = [str(NOW), mail.hex()]
    if record and re.fullmatch(r"[\w.-]+", name) and ".." not in name:
        row += [name, record.hex()]
    return "\t".join(row)


def run(program, count, seed, progress):
    dkim_cases.rng.seed(seed)
    drivers, peer = [Driver(program, "lines"), Driver(program, "lines", "--legacy")], Driver("perl", PEER, renewed_after=10000)
    tally = Tally("maildkim", "Mail::DKIM", seed, NAMES.classes)
    for number in range(count):
        progress(number)
        legacy = number % 2
        case, mail, record = dkim_cases.make_case(sha1=0.4 if legacy else 0)
        ours, reason = drivers[legacy].ask(line_of(mail, record, case)).split("\t")
        theirs, fault = peer.ask("\t".join(["dkim", str(1 - legacy), str(NOW), mail.hex(), record.hex()])).split("\t")
        if (ours == "pass") == (theirs == "pass"):
            tally.same("pass" if theirs == "pass" else "no pass")
            continue
        tally.differs(NAMES.of(Difference(case, mail, record, ours, reason, theirs, fault)), number,
                      lambda: "%d %s: ours %s (%s), Mail::DKIM %s (%s)\n  %r\n  %r" % (number, case.knobs, ours, reason, theirs, fault, mail, record))
    progress(count)
    for one in (*drivers, peer):
        one.close()
    return tally
