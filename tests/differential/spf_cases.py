"""Generated SPF records, senders and clients, with a zone each."""
import random
import socket

NAMES = ["a.example", "b.example", "mail.a.example", "c.b.example", "Deep.Sub.a.Example", "empty.example"]
HOSTS = ["mx1.example", "mx2.example", "six.example", "alias.example", "gone.example", "chain.example"]
V4 = ["192.0.2.1", "192.0.2.77", "198.51.100.5", "203.0.113.200", "10.0.0.1"]
V6 = ["2001:db8::1", "2001:db8:0:1::77", "2001:db8:ffff::5"]
LOCALS = ["user", "strong-bad", "a+b", "x.y.z", "UPPER", "under_score", "a=b/c,d", "", "o'neil", "%{d}"]
HELOS = ["mx1.example", "a.example", "MAIL.a.example", "[192.0.2.1]", "localhost", "gone.example", "b.example."]

rng = random.Random()  # run() seeds it


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


def terms():
    terms = [mechanism() for _ in range(rng.randrange(0, 4))]
    if chance(0.3):
        terms.insert(rng.randrange(len(terms) + 1), modifier())
    if chance(0.5):
        terms.append(rng.choice(["-all", "~all", "?all", "all", "-ALL"]))
    if chance(0.03):
        terms.append(rng.choice(["moo", "a:", "mx:/24", "ip4", "al", "-", "all,", "a,b", "include", "\t-all", "ex\u00e9"]))
    return terms


def joined(version, terms):
    return (version + "".join(rng.choice([" ", " ", "  "]) + term for term in terms)).rstrip() + (" " if chance(0.05) else "")


def record():
    found = terms()
    return joined(rng.choice(["v=spf1"] * 20 + ["V=SPF1", "v=spf1 ", "v=spf10", "v=spf2.0", " v=spf1", "v=spf1\t"]), found)


def records():
    return ([record()] if chance(0.9) else []) + ([record()] if chance(0.03) else []) + (["some other text"] if chance(0.2) else [])


def address(six):
    return ["AAAA", rng.choice(V6)] if six else ["A", rng.choice(V4)]


def node(records=(), timeouts=()):
    return {"records": list(records), "timeout": False, "timeouts": list(timeouts)}


def make_zone(client, texts=records):
    zone = {}
    for name in NAMES[:-1]:
        rows = [["TXT", text] for text in texts()]
        rows += [address(chance(0.3)) for _ in range(rng.randrange(0, 3))]
        rows += [["MX", [10, rng.choice(HOSTS + NAMES)]] for _ in range(rng.choice([0, 0, 1, 2, 3, 10, 11] if chance(0.1) else [0, 1, 2]))]
        zone[name.lower()] = node(rows, [rng.choice(["TXT", "A", "AAAA", "MX"])] if chance(0.03) else [])
    zone["empty.example"] = node([["TXT", "nothing"]])
    zone["mx1.example"] = node([address(False), address(True)])
    zone["mx2.example"] = node([address(False)])
    zone["six.example"] = node([address(True)])
    zone["alias.example"] = node([["CNAME", rng.choice(["mx1.example", "a.example", "gone.example"])]])
    zone["chain.example"] = node([["CNAME", "alias.example"]])
    reverse = ".".join(reversed(client.split("."))) + ".in-addr.arpa" if ":" not in client else reverse6(client)
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
