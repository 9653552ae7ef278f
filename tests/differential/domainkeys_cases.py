"""Generated mails, DomainKeys signatures and key records: a good signature over a random mail, with some knobs turned."""
import base64
import hashlib
import re

import dkim_cases
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from dkim_cases import PRIVATE, PUBLIC, chance, join_mail, make_mail, rng, split_mail, words

KNOBS = {}
SPACE = rb"[ \t\r\n]"


class Case:
    def __init__(self):
        self.knobs, self.record_text, self.bits, self.after, self.above = [], None, rng.choice([1024, 1024, 2048]), [], []
        self.fields, self.body = make_mail()
        self.canon = rng.choice([b"simple", b"nofws"])
        self.headers = None
        if chance(0.5):
            self.headers = [field.split(b":")[0].strip() for field in self.fields if chance(0.7) or field.lower().startswith(b"from:")]
            self.headers = list({name.lower(): name for name in self.headers}.values())
        self.tags = [[b"a", b"rsa-sha1"], [b"q", b"dns"], [b"c", self.canon], [b"s", b"s1"], [b"d", b"a.example"], [b"b", None]]
        self.key = [[b"k", b"rsa"], [b"p", PUBLIC[self.bits]]]
        self.spaced = False

    def set(self, name, value):
        self.tags = [tag for tag in self.tags if tag[0] != name] if value is None else self.tags
        for tag in self.tags:
            if tag[0] == name:
                tag[1] = value
                return
        if value is not None:
            self.tags.insert(rng.randrange(len(self.tags)), [name, value])


def knob(function):
    KNOBS[function.__name__] = function
    return function


@knob
def tag_order(case):
    rng.shuffle(case.tags)


@knob
def tag_spaces(case):
    case.spaced = True


@knob
def unknown_tag(case):
    case.set(b"zz_9", words(3).replace(b";", b"").strip())


@knob
def twice(case):
    case.tags.append(list(rng.choice([tag for tag in case.tags if tag[0] != b"b"])))


@knob
def algorithm(case):
    case.set(b"a", rng.choice([None, b"", b"RSA-SHA1", b"rsa-sha256", b"rsa", b"rsa-sha1 "]))


@knob
def query(case):
    case.set(b"q", rng.choice([None, b"", b"DNS", b"dns/txt", b"http", b"dns "]))


@knob
def canon_word(case):
    word = rng.choice([None, b"", b"NOFWS", b"Simple", b"relaxed", b"nofws/nofws", b"bogus"])
    case.set(b"c", word)
    case.canon = b"nofws" if word and word.lower() == b"nofws" else b"simple"


@knob
def missing_tag(case):
    case.set(rng.choice([b"d", b"s", b"q", b"c", b"a"]), None)


@knob
def domain(case):
    case.set(b"d", rng.choice([b"A.Example", b"a.example.", b"b.example", b"example", b"sub.a.example", b"", b"ample", b"a..example", b"a_b.example", b"a.example(x)", b"x" * 64 + b".example"]))


@knob
def selector(case):
    case.set(b"s", rng.choice([b"S1", b"sub.s1", b"", b".s1", b"s1.", b"s 1", b"s_1", b"s*", b"x" * 64]))


@knob
def header_list(case):
    names = [field.split(b":")[0].strip() for field in case.fields]
    rng.shuffle(names)
    pick = rng.randrange(8)
    if pick == 0:
        names = [name for name in names if name.lower() != b"from"]
    elif pick == 1:
        names = [name for name in names if name.lower() == b"from"]
    elif pick == 2:
        names += [b"X-None", b"Sender"]
    elif pick == 3:
        names += names
    elif pick == 4:
        names = [b" " + name + b"\r\n " for name in names]
    elif pick == 5:
        names.insert(rng.randrange(len(names)), b"")
    elif pick == 6:
        names = [name.upper() for name in names]
    case.headers = names


@knob
def sender(case):
    case.fields.insert(rng.randrange(len(case.fields) + 1), rng.choice([b"Sender: Other <o@a.example>", b"Sender: o@sub.a.example", b"Sender: o@b.example", b"Sender: user", b"Sender:",
                                                                       b"sender: a@a.example, b@b.example", b"SENDER: (c) o@a.example"]))
    if case.headers is not None and chance(0.7):
        case.headers.append(b"Sender")


@knob
def author(case):
    at = next(at for at, field in enumerate(case.fields) if field.startswith(b"From:"))
    case.fields[at] = rng.choice([b"From: s@sub.a.example", b"From: s@b.example", b"From: s@A.EXAMPLE", b"FROM: <s@a.example>", b"From: \"q, r\" <s@a.example>", b"From: s@a.example, t@b.example",
                                  b"From: t@b.example, s@a.example", b"From: S@a.example", b"From:\r\n\ts@a.example", b"From: nobody", b"From: (x) s@a.example (y)"])


@knob
def author_twice(case):
    case.fields.insert(rng.randrange(len(case.fields) + 1), rng.choice([b"From: t@a.example", b"From: t@b.example"]))


@knob
def author_above(case):
    case.above.append(rng.choice([b"From: x@b.example", b"From: x@a.example", b"Sender: x@b.example", b"Sender: x@a.example"]))


@knob
def fields_above(case):
    case.above += [b"Received: from us; 3", b"Subject: above"]


@knob
def key_granularity(case):
    case.key.insert(rng.randrange(len(case.key)), [b"g", rng.choice([b"*", b"s", b"S", b"", b"s*", b"*s", b"user", b"o*", b"s*s", b"*x*"])])


@knob
def key_flags(case):
    case.key.insert(0, [b"t", rng.choice([b"y", b"s", b"y:s", b"", b"x"])])


@knob
def key_of_dkim(case):
    case.key.insert(0, [b"v", b"DKIM1"])
    if chance(0.5):
        case.key.insert(1, rng.choice([[b"h", b"sha1"], [b"h", b"sha256"], [b"h", b"sha1:sha256"], [b"s", b"email"], [b"s", b"other"], [b"n", b"note"]]))


@knob
def key_type(case):
    case.key[0][1] = rng.choice([b"RSA", b"dsa", b"", b"ed25519"])


@knob
def key_bare(case):
    case.key = case.key[-1:]


@knob
def key_bad(case):
    case.key[-1][1] = rng.choice([b"", b"AAAA", b"!!!", PUBLIC[1024][:-8], PUBLIC[1024] + b"AAAA", PUBLIC[512]])
    if case.key[-1][1] == PUBLIC[512]:
        case.bits = 512


@knob
def key_split(case):
    case.key[-1][1] = b" ".join(case.key[-1][1][i:i + 60] for i in range(0, len(case.key[-1][1]), 60))


@knob
def key_text(case):
    case.record_text = rng.choice([b"", b"hello", b"p=", b"v=spf1 -all", b"o=~", b";".join(b" = ".join(tag) for tag in case.key) + rng.choice([b";", b" ; ", b";;"])])


@knob
def mail_changed(case):
    case.after.append(rng.choice([dkim_cases.change_body, dkim_cases.change_field, dkim_cases.drop_field, dkim_cases.add_field, dkim_cases.swap_received, dkim_cases.add_subject, refold,
                                  dkim_cases.spaces_at_end, dkim_cases.blank_lines_at_end, dkim_cases.append_line, dkim_cases.change_case, dkim_cases.tab_for_space, field_at_end]))


@knob
def signature_changed(case):
    case.after.append(lambda mail: re.sub(rb"(\bb=[ \r\n\t]*)(\w)(\w*)", rng.choice([lambda m: m[1] + (b"A" if m[2] != b"A" else b"B") + m[3], lambda m: m[1] + m[2] + m[3][:20],
                                                                                      lambda m: m[1], lambda m: m[1] + m[2] + b" " + m[3], lambda m: m[1] + m[2] + b"\r\n\t" + m[3]]), mail, 1))


def refold(mail):
    return dkim_cases.on_field(mail, rng.choice([b"x-fold:", b"to:"]), lambda field: field.replace(b"\r\n", b"").replace(b" ", b"\r\n ", 2))


def field_at_end(mail):
    return mail.replace(b"\r\n\r\n", b"\r\nX-New: 1\r\n\r\n", 1)


def canonical(canon, fields, body):
    """RFC 4870 section 3.4.2."""
    if canon == b"nofws":
        fields = [re.sub(SPACE, b"", field) for field in fields]
        body = re.sub(rb"[ \t]", b"", body)
    body = re.sub(rb"(?:\r\n)+\Z", b"", body)
    return b"".join(field + b"\r\n" for field in fields) + (b"\r\n" + body + b"\r\n" if body else b"")


def signed_fields(fields, names):
    """Those that h= names, in its order; a name's last mention takes what the earlier ones leave, and the earlier ones take one each from below."""
    if names is None:
        return fields
    left, wanted, out = {}, [name.strip().lower() for name in names], []
    for field in fields:
        left.setdefault(field.split(b":")[0].strip().lower(), []).append(field)
    for at in range(len(wanted) - 1, -1, -1):
        mine = left.get(wanted[at], [])
        take = 1 if wanted[at] in wanted[:at] else len(mine)
        while take and mine:
            out.insert(0, mine.pop())
            take -= 1
    return out


def build(case):
    if case.headers is not None:
        case.set(b"h", b":".join(case.headers))
    fws = (lambda: rng.choice([b"", b"", b" ", b"\r\n ", b"\t"])) if case.spaced else (lambda: b"")
    text, mark = b"", 0
    signature = base64.b64encode(PRIVATE[case.bits].sign(hashlib.sha1(canonical(case.canon, signed_fields(case.fields, case.headers), case.body)).digest(),
                                                         padding.PKCS1v15(), utils.Prehashed(hashes.SHA1())))
    for name, value in case.tags:
        text += (b"; " if text else b"") + name + fws() + b"=" + fws() + (signature if value is None else value) + fws()
    text = re.sub(rb"\r\n[ \t]*(?=\r\n)", b" ", text) + (b";" if chance(0.3) else b"")
    mail = join_mail(case.above + [b"DomainKey-Signature: " + text] + case.fields, case.body)
    for change in case.after:
        mail = change(mail)
    return mail, case.record_text if case.record_text is not None else b"; ".join(b"=".join(tag) for tag in case.key)


def make_case():
    case = Case()
    for name in rng.sample(sorted(KNOBS), rng.choice([0, 1, 1, 1, 2])):
        KNOBS[name](case)
        case.knobs.append(name)
    mail, record = build(case)
    return case, mail, record
