#!/usr/bin/python3
"""Generated records, senders and clients, judged by pyspf and by us.

usage: spf.py SPF_SUITE [COUNT [SEED]]
exit:  0 every difference has a name, 1 some have none, 77 pyspf is not installed

A difference has a name only when pyspf gives our answer as soon as the one habit behind that name is changed in it.
The names are explained in docs/differences.md.
"""
import collections
import itertools
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile

sys.path = [folder for folder in sys.path if folder != os.path.dirname(os.path.abspath(__file__))]  # this file is no peer
try:
    import spf
except ImportError:
    print("SKIPPED: python3-spf is not installed")
    sys.exit(77)

SUITE = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 7208

NAMES = ["a.example", "b.example", "mail.a.example", "c.b.example", "Deep.Sub.a.Example", "empty.example"]
HOSTS = ["mx1.example", "mx2.example", "six.example", "alias.example", "gone.example", "chain.example"]
V4 = ["192.0.2.1", "192.0.2.77", "198.51.100.5", "203.0.113.200", "10.0.0.1"]
V6 = ["2001:db8::1", "2001:db8:0:1::77", "2001:db8:ffff::5"]
LOCALS = ["user", "strong-bad", "a+b", "x.y.z", "UPPER", "under_score", "a=b/c,d", "", "o'neil", "%{d}"]
HELOS = ["mx1.example", "a.example", "MAIL.a.example", "[192.0.2.1]", "localhost", "gone.example", "b.example."]

rng = random.Random(SEED)


def chance(share):
    return rng.random() < share


def macro():
    letter = rng.choice("slodivhSLODIVHp" if chance(0.9) else "crtxZ")
    digits = rng.choice(["", "", "", "1", "2", "3", "10", "0"] if chance(0.2) else ["", "", "1", "2", "3"])
    return "%{" + letter + digits + rng.choice(["", "", "r", "R"]) + rng.choice(["", "", "", "-", "+", ".-", "_/", "=,"]) + "}"


def domain_spec():
    pick = rng.random()
    if pick < 0.55:
        return rng.choice(NAMES + HOSTS) + ("." if chance(0.05) else "")
    if pick < 0.9:
        parts = [rng.choice([macro(), macro(), "_spf", "x", "%%", "%-", "%_", "a-b"]) for _ in range(rng.randrange(1, 4))]
        return ".".join(parts) + rng.choice([".a.example", ".example", "." + macro(), "", ".e-x", ".123", ".-x"])
    return rng.choice(["", "example", "a..example", "%", "%a", "%{", "%{d", "x" * 64 + ".example", "a.example.9", "foo.%(d)"])


def cidr(v6_too=True):
    pick = rng.random()
    if pick < 0.55:
        return ""
    four = rng.choice(["/24", "/32", "/8", "/0", "/16", "/31"] if chance(0.85) else ["/33", "/", "/-1", "/08", "/024", "/1x"])
    six = rng.choice(["//64", "//128", "//0", "//48"] if chance(0.85) else ["//129", "//", "//064"])
    return rng.choice([four, six, four + six]) if v6_too else four


def ip4():
    return rng.choice(V4 + ["192.0.2.0", "0.0.0.0"] if chance(0.9) else ["192.0.2", "192.0.2.256", "01.2.3.4", "a.b.c.d", "192.0.2.1.", ""])


def ip6():
    return rng.choice(V6 + ["2001:db8::", "::", "::ffff:192.0.2.1", "2001:DB8:0:1::"] if chance(0.9)
                      else ["2001:db8:::1", "1:2:3:4:5:6:7:8:9", "192.0.2.1", "fe80::1%eth0", "2001:db8::1::2", "g::", ""])


def mechanism():
    kind = rng.choice(["all", "a", "mx", "ptr", "ip4", "ip6", "include", "exists", "a", "mx", "ip4", "include"])
    if chance(0.05):
        kind = kind.upper()
    text = rng.choice(["", "", "", "+", "-", "~", "?"]) + kind
    low = kind.lower()
    if low == "ip4":
        text += ":" + ip4() + rng.choice(["", "", "/24", "/32", "/0", "/8", "/33", "/08", "//24"] if chance(0.4) else [""])
    elif low == "ip6":
        text += ":" + ip6() + rng.choice(["", "/64", "/32", "/128", "/0", "/129"] if chance(0.4) else [""])
    elif low in ("a", "mx"):
        text += (":" + domain_spec() if chance(0.7) else "") + cidr()
    elif low == "ptr":
        text += ":" + domain_spec() if chance(0.4) else ""
    elif low in ("include", "exists"):
        text += ":" + domain_spec()
    elif chance(0.03):
        text += rng.choice([":x", "/8", ".", "="])
    return text


def modifier():
    pick = rng.random()
    if pick < 0.45:
        return rng.choice(["redirect=", "Redirect=", "redirect="]) + domain_spec()
    if pick < 0.75:
        return "exp=" + domain_spec()
    return rng.choice(["moo=1", "x-y.z_9=%{d}", "op=auth", "m=%{x}", "m=%", "1m=2", "=x", "m=", "default=pass", "-m=1"])


def record():
    terms = [mechanism() for _ in range(rng.randrange(0, 4))]
    if chance(0.3):
        terms.insert(rng.randrange(len(terms) + 1), modifier())
    if chance(0.5):
        terms.append(rng.choice(["-all", "~all", "?all", "all", "-ALL"]))
    if chance(0.03):
        terms.append(rng.choice(["moo", "a:", "mx:/24", "ip4", "al", "-", "all,", "a,b", "include", "\t-all", "ex\u00e9"]))
    version = rng.choice(["v=spf1"] * 20 + ["V=SPF1", "v=spf1 ", "v=spf10", "v=spf2.0", " v=spf1", "v=spf1\t"])
    return (version + "".join(rng.choice([" ", " ", "  "]) + term for term in terms)).rstrip() + (" " if chance(0.05) else "")


def address(six):
    return ["AAAA", rng.choice(V6)] if six else ["A", rng.choice(V4)]


def node(records=(), timeouts=()):
    return {"records": list(records), "timeout": False, "timeouts": list(timeouts)}


def make_zone(client):
    zone = {}
    for name in NAMES[:-1]:
        rows = [["TXT", record()]] if chance(0.9) else []
        rows += [["TXT", record()]] if chance(0.03) else []
        rows += [["TXT", "some other text"]] if chance(0.2) else []
        rows += [address(chance(0.3)) for _ in range(rng.randrange(0, 3))]
        rows += [["MX", [10, rng.choice(HOSTS + NAMES)]] for _ in range(rng.choice([0, 0, 1, 2, 3, 10, 11] if chance(0.1) else [0, 1, 2]))]
        zone[name.lower()] = node(rows, [rng.choice(["TXT", "A", "AAAA", "MX"])] if chance(0.03) else [])
    zone["empty.example"] = node([["TXT", "nothing"]])
    zone["mx1.example"] = node([address(False), address(True)])
    zone["mx2.example"] = node([address(False)])
    zone["six.example"] = node([address(True)])
    zone["alias.example"] = node([["CNAME", rng.choice(["mx1.example", "a.example", "gone.example"])]])
    zone["chain.example"] = node([["CNAME", "alias.example"]])
    reverse = spf.reverse_dots(client) + ".in-addr.arpa" if ":" not in client else reverse6(client)
    if chance(0.5):
        zone[reverse.lower()] = node([["PTR", rng.choice(HOSTS + NAMES).lower()] for _ in range(rng.choice([1, 1, 2, 3, 12]))],
                                     ["PTR"] if chance(0.05) else [])
    return zone


def reverse6(client):
    return ".".join(reversed(socket.inet_pton(socket.AF_INET6, client).hex())) + ".ip6.arpa"


def make_case(number):
    client = rng.choice(V4 if chance(0.7) else V6)
    local = rng.choice(LOCALS)
    mail_from = "" if chance(0.08) else (local + "@" if chance(0.97) else "") + rng.choice(NAMES[:-1] + ["empty.example", "gone.example", "a.example."])
    return {"id": str(number), "ip": client, "helo": rng.choice(HELOS), "mail_from": mail_from, "zone": make_zone(client)}


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


def pyspf(case, **habits):
    saved = {key: getattr(spf, key) for key in habits}
    for key, value in habits.items():
        setattr(spf, key, value)
    spf.DNSLookup = Zone(case["zone"])
    try:
        query = spf.query(i=case["ip"], s=case["mail_from"], h=case["helo"], strict=True)
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


class IncludesItself(spf.query):
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


def reverse_zone_answers(case):
    """No fault for the reverse name (then it has no PTR) and for the names it leads to (then they have no address)."""
    pointed = {value.lower() for entry in case["zone"].values() for kind, value in entry["records"] if kind == "PTR"}
    zone = {}
    for name, entry in case["zone"].items():
        faults = ["PTR"] + (["A", "AAAA"] if name in pointed else [])
        hit = set(faults) & set(entry["timeouts"])
        zone[name] = {**entry, "records": [row for row in entry["records"] if row[0] not in hit],
                      "timeouts": [kind for kind in entry["timeouts"] if kind not in hit]}
    return {**case, "zone": zone}


# What is changed in the case or in pyspf so that it reads the RFC as we do; docs/differences.md has the sentences.
HABITS = {
    "final dot": lambda case: (without_final_dots(case), {}),
    "void look-ups": lambda case: (case, {"MAX_VOID_LOOKUPS": 10000}),
    "modifier in another letter case": lambda case: (modifiers_in_lower_case(case), {}),
    "R in a macro": lambda case: (reversals_in_lower_case(case), {}),
    "zero as a macro's digit": lambda case: (zero_digits_spoilt(case), {}),
    "fault in the reverse zone": lambda case: (reverse_zone_answers(case), {}),
    "%% before a dot or the end": lambda case: (case, {"RE_INVALID_MACRO": re.compile(r"^(?:[^%]|%[%_{-])*%(?![%_{-])")}),
    "include of itself": lambda case: (case, {"query": IncludesItself}),
}


def name_of(case, ours):
    for count in (1, 2, 3):
        for names in itertools.combinations(HABITS, count):
            changed, settings = case, {}
            for name in names:
                changed, more = HABITS[name](changed)
                settings.update(more)
            if pyspf(changed, **settings)[0] == ours:
                return " + ".join(names)
    return None


def main():
    cases = [make_case(number) for number in range(COUNT)]
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for case in cases:
            file.write(json.dumps(case) + "\n")
        file.flush()
        done = subprocess.run([SUITE, "--answers", file.name], capture_output=True, check=True)
    lines = done.stdout.decode("latin-1").splitlines()
    assert len(lines) == COUNT, "%d answers for %d cases" % (len(lines), COUNT)
    named, unnamed, late, same = collections.Counter(), [], 0, collections.Counter()
    for case, line in zip(cases, lines):
        _, ours, _, reason, note = line.split("\t")
        late += bool(note)
        theirs, text = pyspf(case)
        if ours == theirs:
            same[ours] += 1
            continue
        name = name_of(case, ours)
        if name:
            named[name] += 1
        else:
            unnamed.append((case, ours, reason, theirs, text))
    for case, ours, reason, theirs, text in unnamed[:40]:
        print("UNNAMED %s: ours %s (%s), pyspf %s (%s)\n  %s" % (case["id"], ours, reason, theirs, text, json.dumps(case)))
    if late:
        print("%d answers differ when the DNS is not at hand" % late)
    print("%d cases, seed %d: %d alike %s" % (COUNT, SEED, sum(same.values()), dict(same)))
    for name, count in named.most_common():
        print("%6d %s" % (count, name))
    print("%6d without a name" % len(unnamed))
    return 1 if unnamed or late else 0


sys.exit(main())
