"""Generated Sender ID records, beside v=spf1 and each other, with senders, responsible addresses and clients."""
from spf_cases import HELOS, LOCALS, NAMES, V4, V6, chance, joined, make_zone, rng, terms

SCOPES = ["mfrom", "pra", "mfrom,pra", "pra,mfrom", "mfrom,pra", "pra,mfrom"]
ODD_SCOPES = ["MFROM", "Pra,mFrom", "mfrom,mfrom", "pra,pra", "pra,x", "x,pra", "x", "helo", "x-y_z.9,mfrom,pra", "9,pra", "mfrom,", ",pra", "pra,,mfrom", "", "pra/mfrom",
              "pra;mfrom", "mfrom:pra", "mfrom, pra", "pramfrom", "pra\t"]
ODD_VERSIONS = ["SPF2.0/", "spf2.1/", "spf2/", "spf2.00/", "spf2.0", "spf2.0 /", "v=spf2.0/", " spf2.0/", "spf2.0//", "spf3.0/", "spf1/", "spf2.0/ "]


def version():
    return (rng.choice(ODD_VERSIONS) if chance(0.06) else "spf2.0/") + (rng.choice(ODD_SCOPES) if chance(0.12) else rng.choice(SCOPES))


def sender_id():
    return joined(version(), terms())


def spf():
    return joined("v=spf1", terms())


def records():
    found = [make() for make in rng.choice([[sender_id]] * 10 + [[sender_id, spf], [spf, sender_id], [sender_id, spf], [spf], [], [sender_id] * 2, [sender_id, spf, sender_id], [spf, spf, sender_id]])]
    if chance(0.1):
        found = [joined("spf2.0/" + scope, terms()) for scope in rng.sample(["mfrom", "pra"], 2)]
    if chance(0.15):
        found.insert(rng.randrange(len(found) + 1), "some other text")
    return found


def make_case(number):
    client = rng.choice(V4 if chance(0.7) else V6)
    scope = rng.choice(["mfrom", "pra", "pra"])
    domain = rng.choice(NAMES[:-1] * 3 + ["empty.example", "gone.example", "a.example."])
    address = "" if scope == "mfrom" and chance(0.08) else rng.choice([one for one in LOCALS if one]) + "@" + domain
    return {"id": str(number), "scope": scope, "ip": client, "helo": rng.choice(HELOS), "address": address,
            "mail_from": address if scope == "mfrom" else "other@" + rng.choice(NAMES), "zone": make_zone(client, records)}
