"""Generated headers, read by Python's email package and by us.

Each case is built from what it means (header_cases, header_mails), so a difference has a name only when we read what the model says: the name
is what is odd about the piece. Where we do not read the model, the difference stays without a name, even if the peer agrees with us.
"""
import email.parser
import email.policy
import json
import platform
import re
import sys

import header_cases
import header_mails
from differ import Driver, Tally
from header_classes import CLASSES

POLICY = email.policy.default
PARSER = email.parser.BytesParser(policy=POLICY)
FAILED = "email fails"


def ascii_of(text):
    """As the package sees octets: those beyond ASCII are lone surrogates."""
    return text.encode("utf-8", "surrogateescape").decode("ascii", "surrogateescape")


def latin1_of(text):
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def octets_of(text):
    return text.encode("ascii", "surrogateescape").decode("latin-1")


def squeezed(text):
    return " ".join(text.split())


def bare_local(local):
    """RFC 5321 section 4.1.2: the quotes are no part of the name."""
    return re.sub(r'"((?:[^"\\]|\\.)*)"', lambda found: re.sub(r"\\(.)", r"\1", found[1]), local)


def domain_of(text):
    """One form of a usable domain name, or None."""
    text = text[:-1] if text.endswith(".") else text
    try:
        text = text if text.isascii() else text.encode("idna").decode()
    except UnicodeError:
        return None
    labels = text.lower().split(".")
    usable = all(re.fullmatch(r"[a-z0-9_-]{1,63}", label) for label in labels) and not labels[-1].isdigit()
    return ".".join(labels) if usable else None


def box_of(name, local, domain):
    domain = domain_of(domain) if domain else None
    return [squeezed(name or ""), bare_local(local) if domain else None, domain]


def list_of_model(pieces):
    return [[box_of(*box) for piece in pieces for box in piece.boxes], [group for piece in pieces for group in piece.groups]]


def list_of_ours(answer):
    boxes = [box_of(box["name"], box["local"] and box["local"].encode("latin-1").decode("utf-8", "surrogateescape"), box["domain"]) for box in answer["boxes"]]
    return [boxes, [squeezed(name) for name in answer["groups"]]]


def raw(text):
    """The package keeps octets beyond ASCII as surrogates in local parts and domains."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def list_of_peer(name, value):
    try:
        header = POLICY.header_fetch_parse(name, ascii_of(value).lstrip(" \t\r\n"))
        boxes = [box_of(raw(one.display_name or ""), raw(one.username or ""), raw(one.domain or "")) for one in header.addresses]
        return [boxes, [squeezed(group.display_name) for group in header.groups if group.display_name is not None]]
    except Exception as fault:  # its own faults are told, too
        return FAILED + ": " + type(fault).__name__


def text_of_peer(value):
    try:
        return str(POLICY.header_fetch_parse("Subject", ascii_of(value).strip(" \t\r\n")))
    except Exception as fault:
        return FAILED + ": " + type(fault).__name__


def failed(theirs):
    return isinstance(theirs, str) and theirs.startswith(FAILED)


class Comparison:
    def __init__(self, program, seed):
        self.driver = Driver(program)
        self.tally = Tally("header", "email of Python " + platform.python_version(), seed, CLASSES)
        self.number = 0

    def ask(self, octets):
        return json.loads(self.driver.ask(octets.hex()).encode("latin-1"))

    def differs(self, name, what, model, ours, theirs):
        self.tally.differs(name, self.number, lambda: "%d: %s\n  model %s\n  ours  %s\n  email %s" % (self.number, what, model, ours, theirs))

    def settle(self, kind, knob, what, model, ours, theirs):
        """-> whether all three are alike; tells the tally about a difference."""
        if model == ours == theirs:
            return True
        name = None
        if model == ours:
            name = "email fails" if failed(theirs) else "%s: %s" % (kind, (knob or "plain").replace("_", " "))
        self.differs(name, "%s, %s: %r" % (kind, knob, what), model, ours, theirs)
        return False

    def address_list(self, name, pieces, answer):
        value = header_cases.joined(pieces)
        model, ours, theirs = list_of_model(pieces), list_of_ours(answer), list_of_peer(name, value)
        if model == ours == theirs:
            return self.tally.same("lists")
        if model != ours:
            return self.differs(None, "list %r" % value, model, ours, theirs)
        if failed(theirs):
            return self.differs("email fails", "list", model, ours, theirs)
        alike = True
        for piece in pieces:
            alone = self.ask(("From: " + piece.text + "\r\n\r\n").encode("utf-8", "surrogateescape"))["fields"][0]["list"]
            alike &= self.settle("address", piece.knob, piece.text, list_of_model([piece]), list_of_ours(alone), list_of_peer("From", piece.text))
        if alike:  # each alone is read alike
            knobs = [piece.knob for piece in pieces if piece.knob]
            self.settle("in a list", knobs[0] if len(knobs) == 1 else None, value, model, ours, theirs)

    def fields(self, mail, answer, octets):
        model = [[latin1_of(name), latin1_of(value).strip(" \t\r\n")] for name, value in mail.wanted]
        ours = [[field["name"], field["value"].strip(" \t\r\n")] for field in answer.get("fields", [])]
        read = PARSER.parsebytes(octets)
        theirs = [[octets_of(name), octets_of(value).strip(" \t\r\n")] for name, value in read._headers]
        body = mail.body.encode()
        ours.append(answer.get("body_size"))
        theirs.append(len(read._payload.encode("ascii", "surrogateescape")))
        model.append(len(body))
        if self.settle("header", mail.knob, octets, model, ours, theirs):
            self.tally.same("headers")

    def author(self, mail, answer, octets):
        """Where we name one author's domain, no reading of the package may show another one."""
        ours = answer["author"]["domain"]
        if ours is None:
            return self.tally.same("no author")
        theirs = set()
        for name, value in mail.wanted:
            if name.lower() == "from":
                read = list_of_peer("From", value)
                theirs |= {box[2] for box in read[0] if box[2]} if not failed(read) else set()
                old = [domain_of(found.rpartition("@")[2]) for _, found in email.utils.getaddresses([ascii_of(value)]) if "@" in found]
                theirs |= {one for one in old if one}
        if theirs <= {ours}:
            return self.tally.same("authors")
        knobs = "+".join(sorted(piece.knob for piece in mail.lists["From"] if piece.knob))
        self.differs("author: " + knobs.replace("_", " ") if knobs else None, "author %r" % octets, "-", ours, theirs)

    def one(self):
        mail = header_mails.Mail()
        octets = mail.octets()
        answer = self.ask(octets)
        self.fields(mail, answer, octets)
        for field in answer.get("fields", []):
            name = field["name"].title()
            if name in mail.lists and "list" in field and field["raw"].encode("latin-1").decode("utf-8", "surrogateescape").rstrip("\r\n").endswith(header_cases.joined(mail.lists[name])):
                self.address_list(name, mail.lists[name], field["list"])
            elif name == "Subject" and "text" in field:
                subject = mail.subject
                if self.settle("text", subject.knob, subject.raw, subject.shown, field["text"], text_of_peer(subject.raw)):
                    self.tally.same("texts")
        self.author(mail, answer, octets)


def run(program, count, seed, progress):
    header_cases.rng.seed(seed)
    comparison = Comparison(program, seed)
    for comparison.number in range(count):
        progress(comparison.number)
        comparison.one()
    progress(count)
    comparison.driver.close()
    return comparison.tally


if __name__ == "__main__":
    sys.exit("bench/differential runs this")
