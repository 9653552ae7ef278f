"""Generated records, senders and clients, judged by pyspf and by us.

A difference has a name only when pyspf gives our answer as soon as the habits behind that name are changed in it, and no fewer.
"""
import json
import re
import socket

import spf
import spf_cases
from differ import Class, Driver, Tally, fewest


class Zone:
    """Answers as pydns does: every record of the name that fits, and the CNAME."""

    def __init__(self, zone):
        self.zone = {name.lower(): entry for name, entry in zone.items()}

    def __call__(self, name, qtype, strict=True, timeout=None):
        entry = self.zone.get(name.lower().rstrip("."))
        if not entry:
            return
        if qtype in entry["timeouts"]:
            raise spf.TempError("DNS timeout")
        for kind, value in entry["records"]:
            if kind not in (qtype, "CNAME"):
                continue
            if kind == "TXT":
                value = (value.encode("latin-1"),)
            elif kind == "MX":
                value = tuple(value)
            elif kind == "AAAA":
                value = socket.inet_pton(socket.AF_INET6, value) if bytes is str else value
            yield (name, kind), value


def pyspf(case, mixins=(), **habits):
    saved = {key: getattr(spf, key) for key in habits}
    for key, value in habits.items():
        setattr(spf, key, value)
    spf.DNSLookup = Zone(case["zone"])
    try:
        query = type("query", (*mixins, spf.query), {})(i=case["ip"], s=case["mail_from"], h=case["helo"], strict=True)
        result, _, text = query.check()
    except Exception as fault:  # its own faults are named, too
        result, text = "crash", "%s: %s" % (type(fault).__name__, fault)
    finally:
        for key, value in saved.items():
            setattr(spf, key, value)
    return result, str(text)


def without_final_dots(case):
    strip = lambda text: text[:-1] if text.endswith(".") else text
    return {**case, "mail_from": strip(case["mail_from"]), "helo": strip(case["helo"])}


def records_changed(case, change):
    zone = {name: {**entry, "records": [[kind, change(value) if kind == "TXT" else value] for kind, value in entry["records"]]}
            for name, entry in case["zone"].items()}
    return {**case, "zone": zone}


class IncludesItself:
    """Follows an include of the domain itself instead of refusing it when the record is read."""

    def validate_mechanism(self, mech):
        try:
            return super().validate_mechanism(mech)
        except spf.PermError as fault:
            if "trivial recursion" not in str(fault):
                raise
        domain, self.d = self.d, self.d + "."
        try:
            return super().validate_mechanism(mech)
        finally:
            self.d = domain


def modifiers_in_lower_case(case):
    return records_changed(case, lambda text: re.sub(r"(?i)(?<= )(redirect|exp)=", lambda m: m[0].lower(), text))


def reversals_in_lower_case(case):
    return records_changed(case, lambda text: re.sub(r"(%\{[a-zA-Z]\d*)R", r"\1r", text))


def zero_digits_spoilt(case):
    return records_changed(case, lambda text: re.sub(r"%\{([a-zA-Z])0", r"%(\1", text))


class SkipsReverseFaults:
    """A fault at the reverse name is no PTR; one at a name it leads to, also behind a CNAME, is no address of that name."""

    def dns_ptr(self, i):
        try:
            return super().dns_ptr(i)
        except spf.TempError:
            return []

    def validated_ptrs(self):
        names = []
        for name in self.dns_ptr(self.i)[:spf.MAX_PTR]:
            try:
                names += [name] if self.cidrmatch(self.dns_a(name, self.A), self.cidrmax) else []
            except spf.TempError:
                continue
        return names


class StopsAtTheMatch:
    """Asks the hosts of an mx one after the other, as the answer names them, and no more behind the one that matches."""

    def dns_mx(self, domainname):
        hosts = self.dns(domainname, "MX")
        if len(hosts) > spf.MAX_MX:
            raise spf.PermError("More than %d MX records returned" % spf.MAX_MX)
        return (address for host in hosts for address in self.dns_a(host[1], self.A))

    def cidrmatch(self, addresses, length):
        return any(super(StopsAtTheMatch, self).cidrmatch([address], length) for address in addresses)


# What is changed in the case or in pyspf so that it reads the RFC as we do; docs/differences.md has the sentences.
HABITS = {
    "final dot": lambda case: (without_final_dots(case), {}),
    "void look-ups": lambda case: (case, {"MAX_VOID_LOOKUPS": 10000}),
    "modifier in another letter case": lambda case: (modifiers_in_lower_case(case), {}),
    "R in a macro": lambda case: (reversals_in_lower_case(case), {}),
    "zero as a macro's digit": lambda case: (zero_digits_spoilt(case), {}),
    "fault in the reverse zone": lambda case: (case, {"mixins": (SkipsReverseFaults,)}),
    "%% before a dot or the end": lambda case: (case, {"RE_INVALID_MACRO": re.compile(r"^(?:[^%]|%[%_{-])*%(?![%_{-])")}),
    "mx hosts behind the match": lambda case: (case, {"mixins": (StopsAtTheMatch,)}),
    "include of itself": lambda case: (case, {"mixins": (IncludesItself,)}),
}


CLASSES = {
    "final dot": Class("ours", "RFC 7208 section 4.3, RFC 5321 section 2.3.5"),
    "void look-ups": Class("ours", "RFC 7208 section 4.6.4: \"the number of 'terms' for which DNS queries return\" nothing"),
    "modifier in another letter case": Class("ours", "RFC 7208 section 4.6.1, RFC 5234 section 2.3"),
    "R in a macro": Class("ours", "RFC 7208 section 7.1, RFC 5234 section 2.3"),
    "zero as a macro's digit": Class("ours", "RFC 7208 section 7.3: \"MUST be nonzero\""),
    "fault in the reverse zone": Class("ours", "RFC 7208 section 5.5: \"then this mechanism fails to match\""),
    "%% before a dot or the end": Class("ours", "RFC 7208 section 7.1"),
    "mx hosts behind the match": Class("both", "RFC 7208 section 5.4: \"If any address matches, the mechanism matches\""),
    "include of itself": Class("ours", "RFC 7208 section 4.6.4; no rule against the record as such"),
}
# All at once are tried where up to three do not explain it: then the name is what cannot be left out.
FEW = 3


def changed_answer(case, names):
    changed, settings = case, {}
    for name in names:
        changed, more = HABITS[name](changed)
        settings.update({**more, "mixins": settings.get("mixins", ()) + more.get("mixins", ())})
    return pyspf(changed, **settings)[0]


def run(program, count, seed, progress):
    spf_cases.rng.seed(seed)
    driver = Driver(program, "--answers", "/dev/stdin")
    tally = Tally("spf", "pyspf " + spf.__version__, seed, CLASSES)
    for number in range(count):
        progress(number)
        case = spf_cases.make_case(number)
        _, ours, _, reason, note = driver.ask(json.dumps(case)).split("\t")
        theirs, text = pyspf(case)
        if note:
            tally.differs(None, number, lambda: "%d: another answer when the DNS is not at hand\n  %s" % (number, json.dumps(case)))
        elif ours == theirs:
            tally.same(ours)
        else:
            tally.differs(fewest(HABITS, lambda names: changed_answer(case, names) == ours, FEW), number,
                          lambda: "%d: ours %s (%s), pyspf %s (%s)\n  %s" % (number, ours, reason, theirs, text, json.dumps(case)))
    progress(count)
    driver.close()
    return tally
