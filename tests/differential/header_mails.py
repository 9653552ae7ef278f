"""Generated subjects and whole headers around the address lists of header_cases."""
import base64

from header_cases import BEYOND, chance, encoded_word, joined, make_list, pick, rng, space

CHARSETS = {"utf-8": "山é😀ж", "iso-8859-1": "éüñ", "iso-8859-15": "éüœ", "iso-2022-jp": "山田日本語", "shift_jis": "山田日本語ソ表", "euc-jp": "山田日本語",
            "gb2312": "中文邮件", "gbk": "中文郵件", "big5": "中文郵件", "euc-kr": "한국어", "koi8-r": "Пётр", "windows-1251": "Пётр", "windows-1252": "é€", "us-ascii": "abc"}
PLAIN = ["Hello", "Re: a", "x=?y", "100%", "?=", "=?", "a  b", "[list]", "(x)", '"q"', "=?utf-8?x?a?="]


class Text:
    """raw: as it stands in the field, without folds at its ends; shown: what a reader sees."""

    def __init__(self, raw, shown, knob=None):
        self.raw, self.shown, self.knob = raw, shown, knob


def word_of(charset, size=6):
    return "".join(rng.choice(CHARSETS[charset]) for _ in range(rng.randrange(1, size)))


def plain_text():
    raw, shown, word_before = "", "", None
    for _ in range(rng.randrange(1, 4)):
        gap = space() if raw else ""
        if chance(0.5):
            part = rng.choice(PLAIN[:-1])
            shown += unfolded(gap) + part
            raw, word_before = raw + gap + part, False
        else:
            charset = rng.choice(sorted(CHARSETS))
            part = word_of(charset)
            shown += ("" if word_before else unfolded(gap)) + part
            raw, word_before = raw + gap + encoded_word(part, charset), True
    return Text(raw, shown)


def unfolded(text):
    return text.replace("\r\n", "")


TEXT_KNOBS = {}


def text_knob(function):
    TEXT_KNOBS[function.__name__] = function
    return function


@text_knob
def character_cut():
    octets = "山田".encode()
    at = pick(1, 2, 4, 5)
    return Text(" ".join("=?utf-8?B?%s?=" % base64.b64encode(part).decode() for part in (octets[:at], octets[at:])), "山田")


@text_knob
def padding_missing():
    text = pick("a", "ab", "山a")
    return Text("=?utf-8?B?%s?=" % base64.b64encode(text.encode()).decode().rstrip("="), text)


@text_knob
def padding_inside():
    return Text("=?utf-8?B?YQ==YQ==?=", "aa")


@text_knob
def junk_in_base64():
    return Text("=?utf-8?B?%s?=" % pick("YW!Jj", "YW\tJj", "YW Jj", "YW.Jj"), "abc")


@text_knob
def language():
    return Text("=?utf-8*%s?Q?Zo=C3=AB?=" % pick("en", "ja-JP", ""), "Zoë")


@text_knob
def charset_unknown():
    return Text("=?x-nobody-knows?Q?abc?=", "abc")


@text_knob
def charset_name_empty():
    return Text("=??Q?abc?=", "abc")


@text_knob
def charset_lies():
    return Text("=?us-ascii?Q?Zo=C3=AB?=", "Zoë")


@text_knob
def octets_bad_in_charset():
    return Text("=?utf-8?Q?a=FFb?=", "a\ufffdb")


@text_knob
def japanese_beyond_jis():
    return Text("=?iso-2022-jp?B?%s?=" % base64.b64encode(b"\x1b$B-!\x1b(B").decode(), "①")


@text_knob
def space_in_q():
    return Text("=?utf-8?Q?a b?=", "a b")


@text_knob
def escape_broken():
    text = pick("a=", "a=4", "a=ZZ", "=")
    return Text("=?utf-8?Q?%s?=" % text, text)


@text_knob
def escape_in_small_letters():
    return Text("=?utf-8?q?Zo=c3=ab?=", "Zoë")


@text_knob
def question_mark_in_q():
    return Text("=?utf-8?Q?a?b?=", "a?b")


@text_knob
def word_empty():
    return Text("=?utf-8?%s??=" % pick("Q", "B"), "")


@text_knob
def word_unclosed():
    text = pick("=?utf-8?Q?abc", "=?utf-8?Q?abc?", "=?utf-8?Q", "=?utf-8?")
    return Text(text, text)


@text_knob
def encoding_unknown():
    return Text("=?utf-8?X?abc?=", "=?utf-8?X?abc?=")


@text_knob
def word_touches_text():
    return Text(*pick(("a=?utf-8?Q?b?=", "ab"), ("=?utf-8?Q?b?=c", "bc"), ('"=?utf-8?Q?b?="', '"b"'), ("(=?utf-8?Q?b?=)", "(b)")))


@text_knob
def words_touch():
    return Text("=?utf-8?Q?a?==?utf-8?Q?b?=", "ab")


@text_knob
def line_end_in_word():
    return Text("x =?utf-8?Q?a=0D=0AFrom:_b?=", "x a\r\nFrom: b")


@text_knob
def raw_utf8():
    text = rng.choice(BEYOND)
    return Text(text, text)


@text_knob
def raw_latin1():
    return Text("Zo\udceb", "Zoë")


@text_knob
def long_word():
    text = "山" * 60
    return Text("=?utf-8?B?%s?=" % base64.b64encode(text.encode()).decode(), text)


def make_text():
    if chance(0.5):
        return plain_text()
    name = rng.choice(sorted(TEXT_KNOBS))
    text = TEXT_KNOBS[name]()
    text.knob = name
    return text


class Mail:
    """fields: [name, raw value]; lines of the header are changed by a knob of the whole header. wanted: the fields it should have."""

    def __init__(self):
        self.lists = {"From": make_list(1 if chance(0.8) else 3)}
        for name in ("To", "Cc", "Reply-To", "Sender"):
            if chance(0.35):
                self.lists[name] = make_list(1 if name == "Sender" else 4)
        self.subject = make_text()
        fields = [(name, pick(" ", " ", " ", "", "\t", "\r\n ") + joined(pieces)) for name, pieces in self.lists.items()]
        fields += [("Subject", " " + self.subject.raw), ("Date", " Thu, 15 Jan 2026 00:00:00 +0000"), ("Message-ID", " <1@a.example>")]
        fields += [("Received", " from x by y;\r\n\tThu, 15 Jan 2026 00:00:00 +0000")] * rng.randrange(0, 3)
        rng.shuffle(fields)
        self.wanted = [(pick(name, name, name.lower(), name.upper()), value) for name, value in fields]
        self.lines = [name + ":" + value for name, value in self.wanted]
        self.body, self.blank, self.knob = pick("body\r\n", "", "a: b\r\n\r\nc\r\n", ".\r\n"), True, None
        if chance(0.4):
            self.knob = rng.choice(sorted(MAIL_KNOBS))
            MAIL_KNOBS[self.knob](self)

    def octets(self):
        head = "".join(line + "\r\n" for line in self.lines)
        return (head + ("\r\n" + self.body if self.blank else "")).encode("utf-8", "surrogateescape")

    def insert(self, line, wanted):
        at = rng.randrange(len(self.lines) + 1)
        self.lines.insert(at, line)
        self.wanted.insert(at, wanted)


MAIL_KNOBS = {}


def mail_knob(function):
    MAIL_KNOBS[function.__name__] = function
    return function


@mail_knob
def field_twice(mail):
    at = rng.randrange(len(mail.lines))
    if mail.wanted[at][0].lower() in ("from", "to", "cc", "reply-to", "sender", "subject"):
        return mail.insert("X-Twice: 1", ("X-Twice", " 1"))
    mail.insert(mail.lines[at], mail.wanted[at])


@mail_knob
def space_before_colon(mail):
    at = rng.randrange(len(mail.lines))
    name, value = mail.wanted[at]
    mail.lines[at] = name + pick(" ", "\t", "  ") + ":" + value


@mail_knob
def junk_line(mail):
    line = pick("no field at all", "Subject", "two words: x", "-----", "X Y :z")
    mail.insert(line, ("", line))


@mail_knob
def fold_first(mail):
    line = pick(" fold without a field", "\tX: y", " From: x@b.example")
    mail.lines.insert(0, line)
    mail.wanted.insert(0, ("", line))


@mail_knob
def no_blank_line(mail):
    mail.blank, mail.body = False, ""


@mail_knob
def name_empty(mail):
    mail.insert(": value", ("", " value"))


@mail_knob
def name_beyond_ascii(mail):
    name = pick("X-ä", "Fröm", "件名")
    mail.insert(name + ": value", (name, " value"))


@mail_knob
def name_with_control(mail):
    name = pick("X\x01Y", "X\x7f", "\x00X", "\x0bX", "\x0cX", "\x1cX", "X\x85Y")
    mail.insert(name + ": value", (name, " value"))


@mail_knob
def name_of_any_ascii(mail):
    name = pick("X!#$%&'*+-.^_`|~", "0", "(x)", "<x>", "a@b", '"x"', "x,y", "x;y", "[x]", "\\x", "=?x?=")
    mail.insert(name + ": value", (name, " value"))


@mail_knob
def fold_blank(mail):
    mail.insert("X-Fold: a\r\n" + pick(" ", "\t", "  \t") + "\r\n b", None)
    at = mail.wanted.index(None)
    mail.wanted[at] = ("X-Fold", mail.lines[at][len("X-Fold:"):])


@mail_knob
def fold_blank_at_end(mail):
    line = "X-Fold: a\r\n" + pick(" ", "\t")
    mail.insert(line, ("X-Fold", line[len("X-Fold:"):]))


@mail_knob
def value_empty(mail):
    value = pick("", " ", "\t", "  \t ")
    mail.insert("X-Empty:" + value, ("X-Empty", value))


@mail_knob
def value_with_controls(mail):
    value = pick(" a\x00b", " \x01", " a\x0bb", " a\x0cb", " a\x1cb\x1db\x1eb", " a\x85b", " a\u2028b")
    mail.insert("X-Control:" + value, ("X-Control", value))


@mail_knob
def value_with_colons(mail):
    mail.insert("X-Colon: a: b: c", ("X-Colon", " a: b: c"))


@mail_knob
def separator_first(mail):
    line = pick("From x@b.example Thu Jan 15 00:00:00 2026", "From x", "From  :x", ">From x y")
    name = "From" if line == "From  :x" else ""
    mail.lines.insert(0, line)
    mail.wanted.insert(0, (name, line[line.index(":") + 1:] if name else line))
    if ":" in line and not name:  # a time with colons: what stands before the first has spaces, so it is no name
        mail.wanted[0] = ("", line)


@mail_knob
def separator_inside(mail):
    line = pick("From x@b.example Thu Jan 15 2026", "From x")
    at = rng.randrange(1, len(mail.lines) + 1)
    mail.lines.insert(at, line)
    mail.wanted.insert(at, ("", line))


@mail_knob
def line_long(mail):
    value = " " + "x" * pick(998, 5000, 70000)
    mail.insert("X-Long:" + value, ("X-Long", value))


@mail_knob
def fields_many(mail):
    for i in range(300):
        mail.lines.append("X-%d: %d" % (i, i))
        mail.wanted.append(("X-%d" % i, " %d" % i))


@mail_knob
def folds_many(mail):
    value = " a" + "\r\n b" * 300
    mail.insert("X-Folds:" + value, ("X-Folds", value))
