"""Generated headers. Each piece is built from what it means, so there are three readings: the model's, ours and the peer's.

A Piece is one element of an address list; a knob is what is odd about it. Its `boxes` are the reading that the sentence behind the knob
asks for (docs/differences.md): (name, local part, domain) with None for a domain where there is no usable address.
"""
import base64
import random

rng = random.Random()  # run() seeds it

LOCALS = ["user", "a.b", "x+tag", "o'neil", "under_score", "a=b", "UPPER", "0", "{curly}", "a-b-c", "!#$%&*/?^`|~", "user"]
DOMAINS = ["a.example", "B.Example", "mail.a.example", "x-y.example", "a_b.example", "xn--bcher-kva.example"]
ATOMS = ["Taro", "Yamada", "O'Neil", "x", "mail", "re=", "#1", "A", "=?", "?=", "a_b", "50%"]
QUOTED = ["Yamada, Taro", "a b", "J. Doe", "semi;colon", "<x>", "(none)", "tab\tbed", "plain", "a@b", "two  spaces", "colon: x"]
BEYOND = ["山田 太郎", "Zoë", "Пётр", "ＡＢＣ株式会社", "naïve café", "日本語のとても長い名前がここにあります", "😀 smile"]


def chance(share):
    return rng.random() < share


def pick(*choices):
    return rng.choice(choices)


def space():
    return pick(" ", " ", " ", "  ", "\t", "\r\n ", "\r\n\t")


def encoded_word(text, charset="utf-8", kind=None):
    octets = text.encode(charset)
    kind = kind or pick("b", "q", "B", "Q")
    if kind in "bB":
        body = base64.b64encode(octets).decode()
    else:
        body = "".join(chr(c) if chr(c).isalnum() and c < 128 else "_" if c == 32 else "=%02X" % c for c in octets)
    return "=?%s?%s?%s?=" % (charset if chance(0.7) else charset.upper(), kind, body)


def address():
    return rng.choice(LOCALS), rng.choice(DOMAINS)


class Piece:
    def __init__(self, text, boxes, knob=None, groups=()):
        self.text, self.boxes, self.knob, self.groups = text, boxes, knob, list(groups)


def plain():
    local, domain = address()
    spec = local + "@" + domain
    form = rng.randrange(6)
    if form == 0:
        return Piece(spec, [("", local, domain)])
    if form == 1:
        return Piece("<" + spec + ">", [("", local, domain)])
    name, text = display()
    return Piece(text + space() + "<" + spec + ">", [(name, local, domain)])


def display():
    form = rng.randrange(3)
    if form == 0:
        words = [rng.choice(ATOMS) for _ in range(rng.randrange(1, 4))]
        return " ".join(words), "".join(word + (space() if i + 1 < len(words) else "") for i, word in enumerate(words))
    if form == 1:
        text = rng.choice(QUOTED)
        return text, '"' + text + '"'
    text = rng.choice(BEYOND)
    return text, encoded_word(text)


KNOBS = {}


def knob(function):
    KNOBS[function.__name__] = function
    return function


@knob
def comment_behind():
    local, domain = address()
    return Piece("%s@%s%s(%s)" % (local, domain, space(), pick("Taro Yamada", "x (nested (deep)) y", "q\\)p", "")), [("", local, domain)])


@knob
def comment_before():
    local, domain = address()
    return Piece("(c)%s%s@%s" % (pick("", " "), local, domain), [("", local, domain)])


@knob
def comment_in_name():
    local, domain = address()
    return Piece("Taro (x) Yamada <%s@%s>" % (local, domain), [("Taro Yamada", local, domain)])


@knob
def comment_behind_angle():
    local, domain = address()
    return Piece("Taro <%s@%s> (x)" % (local, domain), [("Taro", local, domain)])


@knob
def comment_around_at():
    local, domain = address()
    text = pick("%s(c)@%s", "%s@(c)%s", "<%s(c)@%s>", "Taro <%s@(c)%s>", "<(c)%s@%s>", "<%s@%s(c)>") % (local, domain)
    return Piece(text, [("Taro" if text.startswith("Taro") else "", local, domain)])


@knob
def space_around_at():
    local, domain = address()
    text = pick("%s @%s", "%s@ %s", "%s @ %s", "<%s @%s>", "< %s@%s >", "Taro <%s@\r\n %s>") % (local, domain)
    return Piece(text, [("Taro" if text.startswith("Taro") else "", local, domain)])


@knob
def space_around_dot():
    return Piece(pick("a . b@a.example", "<a .b@a.example>", "a. b@a.example"), [("", "a.b", "a.example")])


@knob
def space_in_domain():
    return Piece(pick("a@b .example", "a@b. example", "<a@b . example>"), [("", "a", "b.example")])


@knob
def quoted_local():
    domain = rng.choice(DOMAINS)
    local = pick('"a b"', '"a@b"', '"a,b"', '"."', '"a"', '"a..b"', '"<x>"', '""', '"a;b:c"')
    text = pick("%s@%s", "<%s@%s>", "Taro <%s@%s>") % (local, domain)
    return Piece(text, [("Taro" if text.startswith("Taro") else "", local, domain)])


@knob
def quoted_pair_in_local():
    domain = rng.choice(DOMAINS)
    local = pick('"a\\"b"', '"a\\\\b"', '"a\\ b"')
    return Piece("%s@%s" % (local, domain), [("", local, domain)])


@knob
def quoted_and_dotted_local():
    domain = rng.choice(DOMAINS)
    local = pick('"a".b', 'a."b"', '"a b".c."d"')
    return Piece("<%s@%s>" % (local, domain), [("", local, domain)])


@knob
def quoted_pair_in_name():
    local, domain = address()
    name, text = pick(('a"b', '"a\\"b"'), ("a\\b", '"a\\\\b"'), ("ab", '"a\\b"'))
    return Piece("%s <%s@%s>" % (text, local, domain), [(name, local, domain)])


@knob
def dots_in_name():
    local, domain = address()
    name = pick("J. Doe", "J.Doe", "a.b.c", "Dr. J. Doe", "Doe Jr.", ".Net")
    return Piece("%s <%s@%s>" % (name, local, domain), [(name, local, domain)])


@knob
def name_without_space():
    local, domain = address()
    return Piece("Taro<%s@%s>" % (local, domain), [("Taro", local, domain)])


@knob
def words_without_space():
    local, domain = address()
    text, name = pick(('Taro"Yamada"', "TaroYamada"), ('"Taro""Yamada"', "TaroYamada"), ('"Taro"Yamada', "TaroYamada"))
    return Piece("%s <%s@%s>" % (text, local, domain), [(name, local, domain)])


@knob
def literal():
    text = pick("a@[192.0.2.1]", "<a@[IPv6:2001:db8::1]>", "a@[x\\]y]", "Taro <a@[192.0.2.1]>")
    return Piece(text, [("Taro" if text.startswith("Taro") else "", "a", None)])


@knob
def route():
    local, domain = address()
    text = pick("<@r.example:%s@%s>", "<@r.example,@s.example:%s@%s>", "Taro <@r.example:%s@%s>", "<@r.example,,@s.example:%s@%s>") % (local, domain)
    return Piece(text, [("Taro" if text.startswith("Taro") else "", local, domain)])


@knob
def group():
    first, second = address(), address()
    text = pick("Team: %s@%s;" % first, "Team: %s@%s, <%s@%s>;" % (first + second), "Team:%s@%s,%s@%s ;" % (first + second))
    boxes = [("", *first)] + ([("", *second)] if "," in text else [])
    return Piece(text, boxes, groups=["Team"])


@knob
def group_empty():
    name, text = pick(("undisclosed-recipients", "undisclosed-recipients:;"), ("Team A", '"Team A": ;'), ("x", "x:(nobody);"), ("Empty one", "Empty one:;"))
    return Piece(text, [], groups=[name])


@knob
def group_unclosed():
    first, second = address(), address()
    return Piece("Team: %s@%s, %s@%s" % (first + second), [("", *first), ("", *second)], groups=["Team"])


@knob
def group_in_group():
    first, second = address(), address()
    return Piece("A: %s@%s, B: %s@%s;;" % (first + second), [("", *first), ("", *second)], groups=["A", "B"])


@knob
def empty_element():
    first = address()
    return Piece(pick(",%s@%s", "%s@%s,", ",,%s@%s", "%s@%s, ,") % first, [("", *first)])


@knob
def semicolon_between():
    first, second = address(), address()
    return Piece("%s@%s; %s@%s" % (first + second), [("", *first), ("", *second)])


@knob
def dots_in_local():
    domain = rng.choice(DOMAINS)
    local = pick("a..b", ".a", "a.", "a...b")
    text = pick("%s@%s", "<%s@%s>", "Taro <%s@%s>") % (local, domain)
    return Piece(text, [("Taro" if text.startswith("Taro") else "", local, domain)])


@knob
def dots_in_domain():
    domain = pick("a..example", ".a.example", "a.example..")
    return Piece("<u@%s>" % domain, [("", "u", None)])


@knob
def odd_domain():
    domain = pick("-a.example", "a-.example", "1.example", "localhost", "192.0.2.1", "x" * 64 + ".example", "a.123", "a/b.example", "a+b.example", "a.example'")
    usable = domain in ("-a.example", "a-.example", "1.example", "localhost")
    return Piece("<u@%s>" % domain, [("", "u", domain if usable else None)])


@knob
def u_label():
    domain, a_label = pick(("bücher.example", "xn--bcher-kva.example"), ("例え.example", "xn--r8jz45g.example"), ("BÜCHER.example", "xn--bcher-kva.example"))
    text = pick("u@%s", "<u@%s>", "Taro <u@%s>") % domain
    return Piece(text, [("Taro" if text.startswith("Taro") else "", "u", a_label)])


@knob
def local_beyond_ascii():
    local = pick("山田", "zoë", "пётр")
    return Piece("<%s@a.example>" % local, [("", local, "a.example")])


@knob
def raw_name():
    local, domain = address()
    name = rng.choice(BEYOND)
    return Piece(pick("%s <%s@%s>", '"%s" <%s@%s>') % (name, local, domain), [(name, local, domain)])


@knob
def raw_name_not_utf8():
    local, domain = address()
    return Piece("Zo\udceb <%s@%s>" % (local, domain), [("Zoë", local, domain)])


@knob
def encoded_in_quotes():
    local, domain = address()
    name = rng.choice(BEYOND)
    return Piece('"%s" <%s@%s>' % (encoded_word(name), local, domain), [(name, local, domain)])


@knob
def encoded_beside_atom():
    local, domain = address()
    name = rng.choice(BEYOND)
    text, shown = pick((encoded_word(name) + " Taro", name + " Taro"), ("Taro " + encoded_word(name), "Taro " + name))
    return Piece("%s <%s@%s>" % (text, local, domain), [(shown, local, domain)])


@knob
def encoded_twice():
    local, domain = address()
    text = rng.choice([name for name in BEYOND if len(name) > 1])
    at = rng.randrange(1, len(text))
    return Piece("%s%s%s <%s@%s>" % (encoded_word(text[:at]), space(), encoded_word(text[at:]), local, domain), [(text, local, domain)])


@knob
def final_dot():
    text = pick("u@a.example.", "<u@a.example.>", "Taro <u@a.example.>")
    return Piece(text, [("Taro" if text.startswith("Taro") else "", "u", "a.example")])


@knob
def encoded_without_space():
    local, domain = address()
    name = rng.choice(BEYOND)
    text, shown = pick((encoded_word(name) + encoded_word("x"), name + "x"), ("Taro" + encoded_word(name), "Taro" + name), (encoded_word(name, kind="b") + "Taro", name + "Taro"))
    return Piece("%s <%s@%s>" % (text, local, domain), [(shown, local, domain)])


@knob
def encoded_with_specials():
    local, domain = address()
    shown = pick("a@b.example", "x, y", "<z@b.example>", 'say "x"', "(c)", "a;b")
    return Piece("%s <%s@%s>" % (encoded_word(shown), local, domain), [(shown, local, domain)])


@knob
def encoded_in_comment():
    local, domain = address()
    return Piece("%s@%s (%s)" % (local, domain, encoded_word(rng.choice(BEYOND))), [("", local, domain)])


@knob
def encoded_address():
    return Piece(encoded_word("u@a.example"), [(" u@a.example", None, None)])


@knob
def at_in_name():
    local, domain = address()
    return Piece("x@b.example <%s@%s>" % (local, domain), [("x@b.example", local, domain)])


@knob
def two_ats():
    return Piece(pick("<u@a.example@b.example>", "u@a.example@b.example"), [("", "u@a.example@b.example", None)])


@knob
def two_angles():
    first, second = address(), address()
    return Piece("<%s@%s> <%s@%s>" % (first + second), [("", *first), ("", *second)])


@knob
def text_behind_angle():
    local, domain = address()
    return Piece("<%s@%s> Taro" % (local, domain), [("", local, domain)])


@knob
def missing_angle():
    return Piece("Taro u@a.example", [("Taro", "u", "a.example")])


@knob
def unclosed_angle():
    local, domain = address()
    return Piece("Taro <%s@%s" % (local, domain), [("Taro", local, domain)])


@knob
def stray_closer():
    local, domain = address()
    closer = pick(">", ")", "]")
    return Piece("%s@%s%s" % (local, domain, closer), [("", local, domain if closer != ">" else None)])


@knob
def unclosed_quote():
    local, domain = address()
    return Piece('"Taro <%s@%s>' % (local, domain), [("Taro", local, domain)])


@knob
def unclosed_comment():
    local, domain = address()
    return Piece("(Taro <%s@%s>" % (local, domain), [("Taro", local, domain)])


@knob
def name_only():
    return Piece("Taro", [("Taro", None, None)])


@knob
def angle_empty():
    name = pick("", "Taro")
    return Piece(name + pick("<>", " <>"), [(name, None, None)])


@knob
def angle_nested():
    local, domain = address()
    return Piece("<<%s@%s>>" % (local, domain), [("", None, None)])


# What swallows all that follows stands last in its list.
LAST = ("group_unclosed", "unclosed_angle", "unclosed_quote", "unclosed_comment", "group_in_group")


def make_list(most, odd=0.5):
    pieces = [plain() for _ in range(rng.randrange(1, most + 1))]
    if chance(odd):
        for name in rng.sample(sorted(KNOBS), pick(1, 1, 1, 2)):
            piece = KNOBS[name]()
            piece.knob = name
            if name in LAST:
                pieces = [one for one in pieces if one.knob not in LAST] + [piece]
            else:
                pieces.insert(rng.randrange(len(pieces)) if pieces[-1].knob in LAST else rng.randrange(len(pieces) + 1), piece)
    return pieces


def joined(pieces):
    return "".join(piece.text + ("," + pick("", " ", "\r\n ", "\r\n\t") if i + 1 < len(pieces) else "") for i, piece in enumerate(pieces))
