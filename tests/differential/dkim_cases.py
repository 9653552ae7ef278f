"""Generated mails, signatures and key records: a good signature over a random mail, with some knobs turned.

The knobs: how the tags are written, what they say, what the key record says, what happened to the mail on its way.
"""
import base64
import hashlib
import random
import re

import dkim
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from dkim import canonicalization

NOW = 1_790_000_000  # the hour of every case, so that a seed gives the same cases on any day
rng = random.Random()  # run() seeds it


def chance(share):
    return rng.random() < share


def is_prime(number):
    if any(number % small == 0 for small in range(3, 2000, 2)):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19):
        x = pow(base, odd, number)
        if x in (1, number - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % number
            if x == number - 1:
                break
        else:
            return False
    return True


def der(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    length = bytes([size]) if size < 128 else (lambda octets: bytes([128 + len(octets)]) + octets)(size.to_bytes((size.bit_length() + 7) // 8, "big"))
    return bytes([tag]) + length + body


def der_number(number):
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def make_key(bits):
    """The same key at every run: of a generator of its own."""
    source = random.Random(bits)

    def prime():
        while True:
            number = source.getrandbits(bits // 2) | 1 | 3 << (bits // 2 - 2)
            if number % 65537 != 1 and is_prime(number):
                return number

    p, q = prime(), prime()
    n, e = p * q, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, n))
    kind = der(48, bytes.fromhex("06092a864886f70d0101010500"))
    return numbers.private_key(), base64.b64encode(der(48, kind, der(3, b"\0", der(48, der_number(n), der_number(e)))))


WORDS = [b"a", b"mail", b" ", b"  ", b"\t", b"odd", b" spaces ", b"=20", b"x" * 70, b"caf\xc3\xa9", b"--", b";", b":"]


def words(most):
    return b"".join(rng.choice(WORDS) for _ in range(rng.randrange(0, most)))


def make_mail():
    fields = [b"From: Sender <s@a.example>", b"To: user@dest.example,\r\n\tother@dest.example", b"Subject: " + words(8),
              b"Date:Thu, 15 Jan 2026 00:00:00 +0000", b"MESSAGE-ID:  <1@a.example> ", b"X-Fold: a\r\n  b \r\n\tc",
              b"Received: from x by y;\r\n 1", b"Received: from y by z;\r\n 2", b"X-Empty:", b"x-spaces:\t " + words(5) + b"\t"]
    rng.shuffle(fields)
    lines = [words(9) for _ in range(rng.randrange(0, 12))]
    if lines:
        lines[0] = lines[0].lstrip() or b"first"
    return fields, b"".join(line + b"\r\n" for line in lines + [b""] * rng.choice([0, 0, 0, 1, 3]))


def names_of(fields):
    names = [field.split(b":")[0].strip() for field in fields]
    picked = [name for name in names if chance(0.6) or name.lower() == b"from"]
    picked += [b"from"] if chance(0.2) else []
    picked += [b"Reply-To"] if chance(0.3) else []
    rng.shuffle(picked)
    return [name.upper() if chance(0.1) else name.lower() if chance(0.3) else name for name in picked]


def fws():
    return rng.choice([b"", b"", b"", b" ", b"\r\n ", b"\t", b" \r\n\t"])


# What may be turned. `tags` is the list of [name, value] before signing, `key` that of the key record.
class Case:
    def __init__(self):
        self.knobs, self.lines, self.record_text, self.bits = [], [], None, rng.choice([1024, 1024, 2048])
        self.fields, self.body = make_mail()
        self.canon = (rng.choice([b"simple", b"relaxed"]), rng.choice([b"simple", b"relaxed"]))
        self.headers = names_of(self.fields)
        self.tags = [[b"v", b"1"], [b"a", b"rsa-sha256"], [b"c", b"/".join(self.canon)], [b"d", b"a.example"], [b"s", b"s1"],
                     [b"h", b":".join(self.headers)], [b"bh", None], [b"b", None]]
        self.key = [[b"v", b"DKIM1"], [b"k", b"rsa"], [b"p", PUBLIC[self.bits]]]
        self.after = []  # run on the signed mail
        self.sign_body = None

    def set(self, name, value):
        for tag in self.tags:
            if tag[0] == name:
                tag[1] = value
                return
        self.tags.insert(rng.randrange(len(self.tags)), [name, value])

    def drop(self, name):
        self.tags = [tag for tag in self.tags if tag[0] != name]

    def canonical_body(self):
        policy = canonicalization.CanonicalizationPolicy.from_c_value(b"/".join(self.canon))
        return policy.canonicalize_body(self.body)


KNOBS = {}


def knob(function):
    KNOBS[function.__name__] = function
    return function


@knob
def tag_order(case):
    rng.shuffle(case.tags)


@knob
def unknown_tag(case):
    case.set(b"zz_9", words(3).replace(b";", b"").strip())


@knob
def tag_spaces(case):
    case.spaced = True


@knob
def canon_word(case):
    word = rng.choice([b"simple", b"relaxed", None, b"SIMPLE", b"bogus", b"relaxed/bogus", b"simple/simple/simple", b"", b"/simple"])
    if word is None:
        case.drop(b"c")
    else:
        case.set(b"c", word)
    parts = (word or b"simple").lower().split(b"/")
    known = (b"simple", b"relaxed")
    case.canon = (parts[0] if parts[0] in known else b"simple", parts[1] if len(parts) > 1 and parts[1] in known else b"simple")


@knob
def agent(case):
    case.set(b"i", rng.choice([b"@a.example", b"user@a.example", b"u@sub.a.example", b"@A.EXAMPLE", b"u=40x@a.example", b"=40a.example", b"@b.example",
                               b"@ba.example", b"a.example", b"@a.example.", b"", b"u@a. example", b"\"q q\"@a.example", b"u=zz@a.example", b"@.a.example"]))


@knob
def times(case):
    case.set(b"t", b"%d" % (NOW + rng.choice([-100, -10**6, 200, 290, 350, 7200, 10**6])))


@knob
def expiry(case):
    case.set(b"x", b"%d" % (NOW + rng.choice([100, 10**6, -200, -400, -7200, -10**6])))
    if chance(0.3):
        case.set(b"t", b"%d" % (NOW - rng.choice([10, 500, 10**7])))


@knob
def odd_times(case):
    case.set(rng.choice([b"t", b"x"]), rng.choice([b"", b"0", b"abc", b"-1", b"1e9", b"999999999999", b"9999999999999", b"18446744073709551616", b"0x10"]))


@knob
def length(case):
    size = len(case.canonical_body())
    case.set(b"l", rng.choice([b"%d" % size, b"%d" % size, b"%d" % (size // 2), b"0", b"%d" % (size + 1), b"00%d" % size, b"", b"-1", b"1" * 77, b"%dk" % size]))


@knob
def query(case):
    case.set(b"q", rng.choice([b"dns/txt", b"dns/txt:http", b"http:dns/txt", b"dns", b"DNS/TXT", b"", b"dns/txt ", b"http"]))


@knob
def version(case):
    value = rng.choice([b"2", b"", b"1.0", b"01", None, b"0.5"])
    if value is None:
        case.drop(b"v")
    else:
        case.set(b"v", value)


@knob
def algorithm(case):
    case.set(b"a", rng.choice([b"rsa-sha1", b"RSA-SHA256", b"rsa-sha512", b"sha256", b"", b"ed25519-sha256", b"rsa -sha256"]))


@knob
def missing_tag(case):
    case.drop(rng.choice([b"a", b"d", b"s", b"h"]))


@knob
def twice(case):
    case.tags.append(list(rng.choice([tag for tag in case.tags if tag[0] not in (b"b", b"bh")])))


@knob
def domain(case):
    case.set(b"d", rng.choice([b"A.Example", b"a.example.", b"b.example", b"example", b"sub.a.example", b"a..example", b"", b"-a.example", b"a_b.example",
                               b"192.0.2.1", b"a.example(x)", b"x" * 64 + b".example"]))


@knob
def selector(case):
    case.set(b"s", rng.choice([b"S1", b"sub.s1", b"", b".s1", b"s1.", b"s 1", b"s_1", b"-", b"s1\x00x", b"s*", b"x" * 64]))


@knob
def header_list(case):
    names = list(case.headers)
    pick = rng.randrange(7)
    if pick == 0:
        names = [name for name in names if name.lower() != b"from"] or [b"to"]
    elif pick == 1:
        names.append(b"")
    elif pick == 2:
        names = [b" " + name + b"\r\n " for name in names]
    elif pick == 3:
        names += [b"DKIM-Signature"]
    elif pick == 4:
        names += names
    elif pick == 5:
        names.insert(0, b"b a d")
    else:
        names += [b"X-None"] * 50
    case.headers = names
    case.set(b"h", b":".join(names))


@knob
def key_order(case):
    rng.shuffle(case.key)


@knob
def key_spaces(case):
    case.record_text = b" ; ".join(b" = ".join(tag) for tag in case.key) + rng.choice([b"", b";", b" ; ", b";;"])


@knob
def key_split(case):
    case.key[-1][1] = b" ".join(case.key[-1][1][i:i + 60] for i in range(0, len(case.key[-1][1]), 60))


@knob
def key_without_version(case):
    case.key.pop(0)


@knob
def key_version(case):
    case.key[0][1] = rng.choice([b"DKIM2", b"dkim1", b"", b"DKIM1 "])


@knob
def key_type(case):
    case.key[1][1] = rng.choice([b"RSA", b"dsa", b"", b"ed25519", b"rsa "])


@knob
def key_hashes(case):
    case.key.insert(1, [b"h", rng.choice([b"sha256", b"sha1", b"sha1:sha256", b"sha256 : sha1", b"SHA256", b"sha512", b"", b"sha512:sha256"])])


@knob
def key_services(case):
    case.key.insert(1, [b"s", rng.choice([b"email", b"*", b"other", b"other:email", b"email:other", b"EMAIL", b"", b"tlsrpt", b"*:x"])])


@knob
def key_flags(case):
    case.key.insert(1, [b"t", rng.choice([b"y", b"s", b"y:s", b"s:y", b"S", b"x", b"", b"y:x"])])
    if chance(0.4):
        case.set(b"i", b"u@sub.a.example")


@knob
def key_granularity(case):
    case.key.insert(1, [b"g", rng.choice([b"*", b"user", b"", b"u*"])])


@knob
def key_note(case):
    case.key.insert(rng.randrange(1, 3), [b"n", rng.choice([b"some note", b"=20x", b"caf\xc3\xa9", b""])])


@knob
def key_twice(case):
    case.key.append(list(rng.choice(case.key)))


@knob
def key_bad(case):
    case.key[-1][1] = rng.choice([b"", b"AAAA", b"!!!", PUBLIC[1024][:-8], PUBLIC[1024] + b"AAAA", PUBLIC[512], b"=" + PUBLIC[1024]])
    if case.key[-1][1] == PUBLIC[512]:
        case.bits = 512


@knob
def key_absent(case):
    case.record_text = b""


@knob
def key_junk(case):
    case.record_text = rng.choice([b"hello", b"v=DKIM1", b"v=DKIM1; p", b"; p=" + PUBLIC[1024], b"v=spf1 -all", b"k=rsa p=" + PUBLIC[1024]])


@knob
def mail_changed(case):
    case.after.append(rng.choice([change_body, change_field, drop_field, add_field, add_from, swap_received, add_subject, refold, spaces_at_end,
                                  blank_lines_at_end, append_line, change_case, tab_for_space]))


@knob
def signature_changed(case):
    case.after.append(rng.choice([flip_b, flip_bh, cut_b, refold_b, spaces_in_b, pad_b]))


def split_mail(mail):
    head, _, body = mail.partition(b"\r\n\r\n")
    return re.split(rb"\r\n(?![ \t])", head), body


def join_mail(fields, body):
    return b"\r\n".join(fields) + b"\r\n\r\n" + body


def on_field(mail, name, change):
    fields, body = split_mail(mail)
    done = [change(field) if field.lower().startswith(name) else field for field in fields]
    return join_mail([field for field in done if field is not None], body)


def change_body(mail):
    fields, body = split_mail(mail)
    if not body.strip():
        return mail
    at = rng.randrange(len(body.rstrip()))
    return join_mail(fields, body[:at] + (b"Z" if body[at:at + 1] not in (b"\r", b"\n", b" ", b"\t") else body[at:at + 1]) + body[at + 1:])


def change_field(mail):
    return on_field(mail, rng.choice([b"to:", b"subject:", b"date:", b"x-fold:", b"received:"]), lambda field: field + b"x")


def drop_field(mail):
    return on_field(mail, rng.choice([b"to:", b"subject:", b"received:", b"x-empty:"]), lambda field: None)


def add_field(mail):
    return b"Reply-To: x@b.example\r\n" + mail


def add_from(mail):
    return b"From: x@b.example\r\n" + mail if chance(0.5) else mail.replace(b"\r\n\r\n", b"\r\nFrom: x@b.example\r\n\r\n", 1)


def add_subject(mail):
    return b"Subject: another\r\n" + mail if chance(0.5) else mail.replace(b"\r\n\r\n", b"\r\nSubject: another\r\n\r\n", 1)


def swap_received(mail):
    fields, body = split_mail(mail)
    at = [i for i, field in enumerate(fields) if field.startswith(b"Received:")]
    fields[at[0]], fields[at[1]] = fields[at[1]], fields[at[0]]
    return join_mail(fields, body)


def refold(mail):
    return on_field(mail, rng.choice([b"x-fold:", b"to:", b"dkim-signature:"]), lambda field: field.replace(b"\r\n", b"").replace(b" ", b"\r\n ", 2))


def spaces_at_end(mail):
    fields, body = split_mail(mail)
    return join_mail(fields, body.replace(b"\r\n", b" \t\r\n"))


def blank_lines_at_end(mail):
    return mail + b"\r\n" * 3


def append_line(mail):
    return mail + b"appended\r\n"


def change_case(mail):
    return on_field(mail, b"subject:", lambda field: b"SUBJECT" + field[7:])


def tab_for_space(mail):
    fields, body = split_mail(mail)
    return join_mail(fields, body.replace(b" ", b"\t"))


def on_tag(mail, name, change):
    return on_field(mail, b"dkim-signature:", lambda field: re.sub(rb"(;\s*" + name + rb"\s*=)([^;]*)", lambda m: m.group(1) + change(m.group(2)), field))


def flip(text):
    at = rng.randrange(2, max(3, len(text) - 4))
    return text[:at] + (b"A" if text[at:at + 1] != b"A" else b"B") + text[at + 1:]


def flip_b(mail):
    return on_tag(mail, b"b", flip)


def flip_bh(mail):
    return on_tag(mail, b"bh", flip)


def cut_b(mail):
    return on_tag(mail, b"b", lambda text: text[:rng.choice([0, 1, 4, 20, 100])])


def refold_b(mail):
    return on_tag(mail, b"b", lambda text: b"\r\n ".join(text[i:i + 50] for i in range(0, len(text), 50)))


def spaces_in_b(mail):
    return on_tag(mail, b"b", lambda text: b" ".join(text[i:i + 7] for i in range(0, len(text), 7)))


def pad_b(mail):
    return on_tag(mail, b"b", lambda text: text + rng.choice([b"=", b"==", b"AAAA", b"!"]))


def build(case):
    spaced = getattr(case, "spaced", False)
    tags = dict((name, value) for name, value in case.tags)
    sha1 = tags.get(b"a") == b"rsa-sha1"
    hasher = hashlib.sha1 if sha1 else hashlib.sha256
    policy = canonicalization.CanonicalizationPolicy.from_c_value(b"/".join(case.canon))
    body = policy.canonicalize_body(case.body)
    size = re.fullmatch(rb"\d{1,76}", tags.get(b"l", b""))
    if size:
        body = body[:int(size.group())]
    case.set(b"bh", base64.b64encode(hasher(body).digest()))
    case.set(b"b", b"")
    text = b""
    for name, value in case.tags:
        if text:
            text += b";" + (fws() if spaced else rng.choice([b" ", b"\r\n\t", b""]))
        text += name + (fws() if spaced else b"") + b"=" + (fws() if spaced else b"") + value + (fws() if spaced and value else b"")
        if name == b"b":
            mark = len(text)
    if chance(0.2):
        text += b";"
    # A fold must not leave a line of white space only: that is another question than DKIM's.
    text = re.sub(rb"\r\n[ \t]*(?=\r\n)", b" ", text)
    mark = re.search(rb"(?:^|;)\s*b\s*=", text).end()
    value = b" " + text
    headers = [tuple(field.split(b":", 1)) for field in case.fields]
    headers = [(name, rest + b"\r\n") for name, rest in headers]
    picked = [name.strip().lower() for name in case.headers]
    hashed = hasher()
    dkim.hash_headers(hashed, policy, policy.canonicalize_headers(headers), picked, (b"DKIM-Signature", value + b"\r\n"), {b"b": b""})
    signature = base64.b64encode(PRIVATE[case.bits].sign(hashed.digest(), padding.PKCS1v15(), utils.Prehashed(hashes.SHA1() if sha1 else hashes.SHA256())))
    field = b"DKIM-Signature: " + text[:mark] + signature + text[mark:]
    mail = join_mail([field] + case.fields, case.body)
    for change in case.after:
        mail = change(mail)
    record = case.record_text if case.record_text is not None else b"; ".join(b"=".join(tag) for tag in case.key)
    return mail, record


def make_case(sha1=0):
    case = Case()
    if sha1 and chance(sha1):
        case.set(b"a", b"rsa-sha1")
    for name in rng.sample(sorted(KNOBS), rng.choice([0, 1, 1, 1, 2])):
        KNOBS[name](case)
        case.knobs.append(name)
    mail, record = build(case)
    return case, mail, record


PRIVATE, PUBLIC = {}, {}
for BITS in (512, 1024, 2048):
    PRIVATE[BITS], PUBLIC[BITS] = make_key(BITS)
