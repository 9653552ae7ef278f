"""Generated chains of one to four ARC sets, sealed by dkimpy over a random mail, with something that happened on the way."""
import re

import dkim
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, utils
from dkim_cases import PRIVATE, PUBLIC, chance, join_mail, make_mail, rng, split_mail, words

NAMES = (b"arc-seal", b"arc-message-signature", b"arc-authentication-results")
PEM = {bits: key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()) for bits, key in PRIVATE.items()}
KNOBS = {}
# dkimpy's own arithmetic, but by OpenSSL: a hundred times as fast.
BY_MODULUS = {key.private_numbers().public_numbers.n: key for key in PRIVATE.values()}
dkim.RSASSA_PKCS1_v1_5_sign = lambda hashed, key: BY_MODULUS[key["modulus"]].sign(hashed.digest(), padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


class Case:
    def __init__(self):
        self.knobs, self.bits = [], rng.choice([1024, 1024, 2048])
        self.key = [[b"v", b"DKIM1"], [b"k", b"rsa"], [b"p", PUBLIC[self.bits]]]


def knob(function):
    KNOBS[function.__name__] = function
    return function


def pick(fields, names=NAMES):
    """The place of one ARC field."""
    return rng.choice([at for at, field in enumerate(fields) if field.split(b":")[0].lower() in names])


def on_one(mail, change, names=NAMES):
    fields, body = split_mail(mail)
    at = pick(fields, names)
    fields[at] = change(fields[at])
    return join_mail(fields, body)


@knob
def body_changed(case, mail):
    fields, body = split_mail(mail)
    return join_mail(fields, rng.choice([body + b"added\r\n", b"added\r\n" + body]))


@knob
def body_spaces(case, mail):
    fields, body = split_mail(mail)
    return join_mail(fields, rng.choice([body + b"\r\n\r\n", body.replace(b"\r\n", b" \t\r\n"), body.replace(b" ", b"  ")]))


@knob
def field_changed(case, mail):
    fields, body = split_mail(mail)
    at = rng.randrange(len(fields))
    fields[at] += rng.choice([b"x", b" x"])
    return join_mail(fields, body)


@knob
def field_spaces(case, mail):
    fields, body = split_mail(mail)
    at = rng.choice([at for at, field in enumerate(fields) if field.split(b":")[0].lower() not in NAMES])
    name, value = fields[at].split(b":", 1)
    fields[at] = rng.choice([name.upper() + b":" + value, name + b":\r\n " + value.lstrip(), name + b": " + re.sub(rb"[ \t]+", b"  ", value.lstrip()) + b" \t"])
    return join_mail(fields, body)


@knob
def field_added(case, mail):
    return rng.choice([b"X-New: 1", b"Received: from x by y; z", b"Subject: another", b"From: x@b.example", b"Authentication-Results: x; none"]) + b"\r\n" + mail


@knob
def set_field_gone(case, mail):
    fields, body = split_mail(mail)
    del fields[pick(fields)]
    return join_mail(fields, body)


@knob
def set_field_twice(case, mail):
    fields, body = split_mail(mail)
    fields.insert(rng.randrange(len(fields)), fields[pick(fields)])
    return join_mail(fields, body)


@knob
def set_fields_moved(case, mail):
    """The order of the fields in the header means nothing: instances do."""
    fields, body = split_mail(mail)
    moved = fields.pop(pick(fields))
    fields.insert(rng.randrange(len(fields) + 1), moved)
    return join_mail(fields, body)


@knob
def instance_changed(case, mail):
    return on_one(mail, lambda field: re.sub(rb"\bi=\d+", b"i=" + rng.choice([b"0", b"1", b"2", b"3", b"9", b"51", b"01", b"x", b"-1", b"100"]), field, 1))


@knob
def validation_changed(case, mail):
    return on_one(mail, lambda field: re.sub(rb"\bcv=\w+", b"cv=" + rng.choice([b"none", b"pass", b"fail", b"maybe", b"PASS"]), field), NAMES[:1])


@knob
def seal_has_h(case, mail):
    return on_one(mail, lambda field: field + b"; h=from:to", NAMES[:1])


@knob
def tag_gone(case, mail):
    tag = rng.choice([b"a", b"b", b"d", b"s", b"cv", b"h", b"bh", b"c", b"t"])
    return on_one(mail, lambda field: re.sub(rb"(^[\w-]+:|;)\s*" + tag + rb"=[^;]*", rb"\1", field, 1).replace(b";;", b";"), NAMES[:2])


@knob
def tag_added(case, mail):
    return on_one(mail, lambda field: field + rng.choice([b"; x-new=1", b";", b"; l=0", b"; q=dns/txt"]), NAMES[:2])


@knob
def signature_changed(case, mail):
    def change(field):
        return re.sub(rb"(\bb=\s*)(\w)", lambda m: m[1] + (b"A" if m[2] != b"A" else b"B"), field, 1)
    return on_one(mail, change, NAMES[:2])


@knob
def field_refolded(case, mail):
    """Relaxed takes folds for blanks: the seal holds where there was a blank before."""
    return on_one(mail, lambda field: re.sub(rb"; ", b";\r\n  ", re.sub(rb"\r\n[ \t]+", b" ", field), rng.randrange(1, 3)))


@knob
def results_changed(case, mail):
    return on_one(mail, lambda field: field + rng.choice([b" x", b";", b" (comment)"]), NAMES[2:])


@knob
def algorithm_changed(case, mail):
    return on_one(mail, lambda field: field.replace(b"a=rsa-sha256", b"a=" + rng.choice([b"rsa-sha1", b"ed25519-sha256", b"rsa-sha512", b"none"])), NAMES[:2])


@knob
def key_gone(case, mail):
    case.key = None
    return mail


@knob
def key_changed(case, mail):
    if not case.key:
        return mail
    rng.choice([lambda: case.key.insert(1, [b"h", rng.choice([b"sha1", b"sha256", b"sha1:sha256"])]), lambda: case.key.insert(1, [b"t", rng.choice([b"y", b"s"])]),
                lambda: case.key[-1].__setitem__(1, rng.choice([b"", b"AAAA", PUBLIC[512], PUBLIC[3072 - case.bits]])), lambda: case.key.pop(0),
                lambda: case.key.insert(1, [b"n", b"a note"])])()
    return mail


def sealed(case, mail, older):
    results = b"Authentication-Results: mx.a.example; arc=" + (b"pass" if older else b"none") + b"; spf=" + rng.choice([b"pass", b"fail"]) + b" smtp.mailfrom=a.example\r\n"
    fields = dkim.ARC(results + mail).sign(b"s1", b"a.example", PEM[case.bits], b"mx.a.example",
                                           include_headers=[b"from", b"to", b"subject", b"date", b"message-id"], timestamp=1_789_999_000)
    return b"".join(fields) + mail


def make_case():
    case = Case()
    fields, body = make_mail()
    mail = join_mail(fields, body)
    for older in range(rng.choice([1, 1, 2, 2, 3, 4])):
        mail = sealed(case, mail, older)
        if chance(0.2):
            mail = b"Received: from relay by next; " + words(3) + b"x\r\n" + mail
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        name = rng.choice(list(KNOBS))
        try:
            mail = KNOBS[name](case, mail)
        except IndexError:
            continue  # the field it turns is gone already
        case.knobs.append(name)
    record = b"; ".join(name + b"=" + value for name, value in case.key) if case.key else b""
    return case, mail, record
