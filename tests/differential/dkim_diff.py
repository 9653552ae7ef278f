"""Generated mails, signatures and key records, judged by dkimpy and by us.

A difference has a name when our reason and the knob together say which sentence of the RFC decided.
"""
import logging
import re
import types

import dkim
import dkim_cases
import differ
from differ import Driver, Names, Tally
from dkim_cases import NOW, split_mail

logging.disable(logging.CRITICAL)
dkim.time = types.SimpleNamespace(time=lambda: NOW)


def dkimpy(mail, record):
    def text(name, timeout=5):
        return record or None

    try:
        return dkim.DKIM(mail, minkey=1024).verify(dnsfunc=text), ""
    except dkim.DKIMException as fault:
        return False, "%s: %s" % (type(fault).__name__, fault)
    except Exception as fault:
        return False, "crash %s: %s" % (type(fault).__name__, fault)


class Difference(differ.Difference):
    def stricter(self, pattern, *knobs):
        """We refuse for this reason what dkimpy takes, and a knob that gives the reason was turned."""
        return self.theirs and re.search(pattern, self.reason) and set(knobs) & set(self.case.knobs)

    def milder(self, pattern, *knobs):
        """We take what dkimpy refuses with this fault."""
        return self.ours == "pass" and not self.theirs and re.fullmatch(pattern, self.fault) and set(knobs) & set(self.case.knobs)

    def tag(self, name):
        return dict((key, value) for key, value in self.case.tags).get(name, b"")

    def key_tag(self, name):
        return dict((key, value) for key, value in self.case.key).get(name, b"")

    def froms(self):
        return sum(field.lower().startswith(b"from:") for field in split_mail(self.mail)[0])


ANY_LETTERS = "ValidationError: (unknown signature algorithm|q= value is not).*|MessageFormatError: invalid c=.*"
NAMES = Names({
    "rsa-sha1": ("ours", "RFC 8301 section 3.1: \"rsa-sha1 MUST NOT be used for signing or verifying\"",
                 lambda d: d.stricter("rsa-sha1 is not accepted", "algorithm")),
    "octets beyond l=": ("both", "RFC 6376 section 8.2: verifiers may refuse what l= leaves open",
                         lambda d: d.stricter("octets of the body are not signed|l= is beyond the end", "length")),
    "clock skew": ("both", "RFC 6376 section 3.5: x= \"Signatures MAY be considered invalid\"",
                   lambda d: d.stricter("^(expired|signed) .* (ago|in the future)$", "times", "expiry", "odd_times")),
    "x= not after t=": ("ours", "RFC 6376 section 3.5: \"The value of the 'x=' tag MUST be greater than the value of the 't=' tag\"",
                        lambda d: d.stricter("x= is not after t=", "expiry", "odd_times", "times")),
    "times over 12 digits": ("ours", "RFC 6376 section 3.5: \"a decimal ... of up to 12 digits\"",
                             lambda d: d.stricter("[xt]= is not a time", "odd_times") and len(d.tag(b"x")) > 12),
    "h= without From": ("ours", "RFC 6376 section 5.4: \"The From header field MUST be signed\"", lambda d: d.stricter("h= lacks From", "header_list")),
    "h= with what is no field name": ("ours", "RFC 6376 section 3.5: sig-h-tag", lambda d: d.stricter("h= is not a list of field names", "header_list")),
    "h= names DKIM-Signature": ("ours", "RFC 6376 section 5.4", lambda d: d.milder("", "header_list") and b"dkim-signature" in d.tag(b"h").lower()),
    "From added": ("both", "RFC 6376 section 5.4.2", lambda d: d.milder("", "mail_changed") and d.froms() > 1),
    "not a selector": ("ours", "RFC 6376 section 3.5: sig-s-tag", lambda d: d.stricter("is not a selector|not a tag list", "selector")),
    "not a domain name": ("ours", "RFC 6376 section 3.5: sig-d-tag", lambda d: d.stricter("is not a domain name|is a single label|not a tag list", "domain")),
    "not an identity": ("ours", "RFC 6376 section 3.5: sig-i-tag", lambda d: d.stricter("is not an identity", "agent")),
    "quoted-printable or folds in i=": ("ours", "RFC 6376 section 3.5: i= is dkim-quoted-printable",
                                        lambda d: d.milder("ValidationError: i= domain is not a subdomain.*", "agent") and re.search(rb"=40|\s", d.tag(b"i"))),
    "list in q=": ("ours", "RFC 6376 section 3.5: sig-q-tag is a list",
                   lambda d: d.milder("ValidationError: q= value is not dns/txt.*", "query") and b":" in d.tag(b"q")),
    "letter case of a keyword": ("ours", "RFC 5234 section 2.3", lambda d: d.milder(ANY_LETTERS, "algorithm", "query", "canon_word")
                                 or d.milder("", "key_type") and d.key_tag(b"k") == b"RSA"),
    "white space at the end of b=": ("ours", "RFC 6376 section 3.7", lambda d: d.stricter("signature does not match the header", "tag_spaces")
                                     and re.search(rb"[;\s]b\s*=[\w+/=\s]*\s;", d.mail)),
    "white space at the end of the field": ("ours", "RFC 6376 section 3.7: the field under test is hashed \"without a trailing CRLF\"; simple changes nothing else",
                                            lambda d: d.stricter("signature does not match the header", "tag_spaces") and d.case.canon[0] == b"simple"
                                            and re.match(rb"DKIM-Signature:(?:[^\r\n]|\r\n(?=[ \t]))*(?<=[ \t])\r\n(?![ \t])", d.mail)),
    "key: v= not first": ("ours", "RFC 6376 section 3.6.1: \"This tag MUST be the first tag in the record\"",
                          lambda d: d.stricter("key record cannot be read", "key_order", "key_twice") and re.search(rb";\s*v\s*=", d.record)),
    "key: h=": ("ours", "RFC 6376 section 3.6.1", lambda d: d.stricter("does not allow the hash", "key_hashes")),
    "key: s=": ("ours", "RFC 6376 section 3.6.1", lambda d: d.milder("UnknownKeyTypeError: None|ValidationError: Message is not tlsrpt.*", "key_services")
                and re.search(rb"(^|:)(email|\*)(:|$)", d.key_tag(b"s").lower()) or d.stricter("key is not for mail", "key_services")),
    "key: t=s": ("ours", "RFC 6376 section 3.6.1", lambda d: d.stricter("does not allow i= in a subdomain", "key_flags")),
    "key: base64 and DER to the last octet": ("ours", "RFC 6376 section 3.6.1", lambda d: d.stricter("holds no usable key", "key_bad")),
    "a= of another key type": ("ours", "RFC 6376 section 3.6.1: k=", lambda d: d.stricter("not of the type that a= needs", "algorithm", "key_type")),
})


# Key records are asked for under any name, as dkimpy's are: names themselves are judged by the room's own tests.
def line_of(mail, record, case):
    tags = dict((name, value) for name, value in case.tags)
    name = (tags.get(b"s", b"").strip() + b"._domainkey." + tags.get(b"d", b"").strip()).decode("latin-1").rstrip(".")
    row = [str(NOW), mail.hex()]
    if record and re.fullmatch(r"[\w.-]+", name) and ".." not in name:
        row += [name, record.hex()]
    return "\t".join(row)


def run(program, count, seed, progress):
    dkim_cases.rng.seed(seed)
    driver = Driver(program, "lines")
    tally = Tally("dkim", "dkimpy", seed, NAMES.classes)
    for number in range(count):
        progress(number)
        case, mail, record = dkim_cases.make_case()
        ours, reason = driver.ask(line_of(mail, record, case)).split("\t")
        theirs, fault = dkimpy(mail, record)
        if (ours == "pass") == theirs:
            tally.same("pass" if theirs else "no pass")
            continue
        tally.differs(NAMES.of(Difference(case, mail, record, ours, reason, theirs, fault)), number,
                      lambda: "%d %s: ours %s (%s), dkimpy %s (%s)\n  %r\n  %r" % (number, case.knobs, ours, reason, theirs, fault, mail, record))
    progress(count)
    driver.close()
    return tally
