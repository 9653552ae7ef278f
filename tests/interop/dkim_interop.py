"""Mails signed by dkimpy, Mail::DKIM and libopendkim are checked by our driver, and mails signed by our driver are
checked by all three. A peer that is not installed is named and left out. One octet changed must fail. On mails that were
changed on the way, harmlessly or not, dkimpy, libopendkim and we must agree."""
import base64
import ctypes
import ctypes.util
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

DRIVER = sys.argv[1]
random.seed(6376)
try:
    import dkim
except ImportError:
    dkim = None
PERL = subprocess.run(["perl", "-MMail::DKIM::Signer", "-e", "1"], capture_output=True).returncode == 0
LIBRARY = ctypes.util.find_library("opendkim")
OPENDKIM = ctypes.CDLL(LIBRARY) if LIBRARY else None
for name, there in (("dkimpy", dkim), ("Mail::DKIM", PERL), ("libopendkim", OPENDKIM)):
    if not there:
        print("not installed, left out:", name)
if not (dkim or PERL or OPENDKIM):
    print("skipped: no peer is installed")
    sys.exit(77)

PERL_SIGN = r"""
use Mail::DKIM::Signer;
my ($method, $algorithm, $selector, $key) = @ARGV;
my $signer = Mail::DKIM::Signer->new(Algorithm => $algorithm, Method => $method, Domain => "a.example",
  Selector => $selector, KeyFile => $key);
binmode STDIN; local $/; my $mail = <STDIN>;
$signer->PRINT($mail); $signer->CLOSE;
binmode STDOUT; print $signer->signature->as_string, "\r\n", $mail;
"""
PERL_VERIFY = r"""
use Mail::DKIM::Verifier; use Mail::DKIM::PublicKey;
my ($record) = @ARGV;
no warnings 'redefine';
*Mail::DKIM::DNS::query = sub { return bless {txt => $record}, 'Rec'; };
sub Rec::type { 'TXT' } sub Rec::char_str_list { ($_[0]{txt}) } sub Rec::txtdata { $_[0]{txt} }
my $verifier = Mail::DKIM::Verifier->new;
binmode STDIN; local $/; my $mail = <STDIN>;
$verifier->PRINT($mail); $verifier->CLOSE; print $verifier->result_detail;
"""


def run(*args, data=None):
    done = subprocess.run(args, input=data, capture_output=True)
    if done.returncode:
        raise RuntimeError("%s: %s" % (args[:4], done.stderr.decode(errors="replace")))
    return done.stdout


def body_lines():
    words = ["a", "mail", " ", "  ", "\t", "with", "odd", " spaces ", "=20", "x" * 70, "caf\xc3\xa9", "--"]
    lines = []
    for _ in range(random.randrange(1, 60)):
        lines.append("".join(random.choice(words) for _ in range(random.randrange(0, 9))))
    return lines + [""] * random.randrange(0, 4)


def make_mail(number):
    head = ["From: Sender <s@a.example>", "To: user@dest.example,", "\tother@dest.example",
            "Subject: number %d \t of  many" % number, "Date: Thu, 15 Jan 2026 00:00:00 +0000",
            "Message-ID: <%d@a.example>" % number, "MIME-Version: 1.0", "Content-Type: text/plain;", "   charset=utf-8 "]
    # No body at all is what peers differ on in framing, so every mail has a line.
    return "\r\n".join(head + [""] + ["first line"] + body_lines() + [""]).encode("latin-1")


class Bench:
    def __init__(self, folder):
        self.folder, self.keys, self.zone, self.bad, self.good, self.asked = folder, {}, [], [], 0, []
        for bits in (1024, 2048, 4096):
            self.add("rsa%d" % bits, ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:%d" % bits])
        self.add("ed", ["genpkey", "-algorithm", "ED25519"])
        self.zone_file = os.path.join(folder, "zone")
        with open(self.zone_file, "w") as out:
            out.write("$ORIGIN a.example.\n$TTL 300\n" + "\n".join(self.zone) + "\n")

    def add(self, name, command):
        path = os.path.join(self.folder, name + ".pem")
        run("openssl", *command, "-out", path)
        record = run(DRIVER, "record", "--key", path).decode().strip()
        self.keys[name] = (path, record)
        # Strings are cut at 255 octets by hand, as an operator's zone has them.
        parts = " ".join('"%s"' % record[i:i + 250] for i in range(0, len(record), 250))
        self.zone.append("%s._domainkey IN TXT %s" % (name, parts))

    def expect(self, wanted, octets, what):
        path = os.path.join(self.folder, "mail%d" % len(self.asked))
        with open(path, "wb") as out:
            out.write(octets)
        self.asked.append((wanted, path, what))

    def judge(self):
        """All that was expected, in one run of the driver."""
        lines = run(DRIVER, "verify", "--zone", self.zone_file, *(path for _, path, _ in self.asked)).decode().splitlines()
        if len(lines) != len(self.asked):
            raise RuntimeError("%d mails, %d answers" % (len(self.asked), len(lines)))
        for (wanted, path, what), line in zip(self.asked, lines):
            got = line.split("\t")
            if got[1] == wanted:
                self.good += 1
                continue
            self.bad.append("%s: %s, wanted %s (%s)" % (what, got[1], wanted, got[-1]))
            keep = os.environ.get("KEEP")
            if keep:
                shutil.copy(path, os.path.join(keep, "bad%d" % len(self.bad)))

    def both(self, octets, what):
        self.expect("pass", octets, what)
        changed = bytearray(octets)
        changed[changed.rindex(b"first line") + 2] ^= 1
        self.expect("fail", bytes(changed), what + ", body changed")
        changed = bytearray(octets)
        changed[changed.rindex(b"Subject: number") + 10] ^= 1
        self.expect("fail", bytes(changed), what + ", header changed")


def dkimpy_sign(bench, mail, key, canon):
    path, _ = bench.keys[key]
    algorithm = b"ed25519-sha256" if key == "ed" else b"rsa-sha256"
    pem = open(path, "rb").read()
    if key == "ed":  # dkimpy wants the 32 octets of the seed in base64
        der = run("openssl", "pkey", "-in", path, "-outform", "DER")
        pem = base64.b64encode(der[-32:])
    header, body = (c.encode() for c in canon.split("/"))
    return dkim.sign(mail, key.encode(), b"a.example", pem, canonicalize=(header, body),
                     signature_algorithm=algorithm) + mail


def perl_sign(bench, mail, key, canon):
    return run("perl", "-e", PERL_SIGN, canon, "rsa-sha256", key, bench.keys[key][0], data=mail)


class Opendkim:
    """Just enough of libopendkim to sign and verify."""

    def __init__(self):
        pointer, string, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        OPENDKIM.dkim_init.restype = pointer
        OPENDKIM.dkim_sign.restype = OPENDKIM.dkim_verify.restype = pointer
        OPENDKIM.dkim_sign.argtypes = [pointer, string, pointer, string, string, string, number, number, number,
                                       ctypes.c_ssize_t, pointer]
        OPENDKIM.dkim_verify.argtypes = [pointer, string, pointer, pointer]
        OPENDKIM.dkim_chunk.argtypes = [pointer, string, ctypes.c_size_t]
        OPENDKIM.dkim_eom.argtypes = [pointer, pointer]
        OPENDKIM.dkim_free.argtypes = [pointer]
        OPENDKIM.dkim_getsighdr_d.argtypes = [pointer, ctypes.c_size_t, pointer, pointer]
        OPENDKIM.dkim_set_key_lookup.argtypes = [pointer, pointer]
        self.library = OPENDKIM.dkim_init(None, None)
        self.record = b""
        kind = ctypes.CFUNCTYPE(number, pointer, pointer, pointer, ctypes.c_size_t)
        self.lookup = kind(self.answer)
        OPENDKIM.dkim_set_key_lookup(self.library, ctypes.cast(self.lookup, pointer))

    def answer(self, _, __, out, size):
        ctypes.memmove(out, self.record + b"\0", min(size, len(self.record) + 1))
        return 0

    def feed(self, handle, mail):
        OPENDKIM.dkim_chunk(handle, mail, len(mail))
        OPENDKIM.dkim_chunk(handle, None, 0)
        return OPENDKIM.dkim_eom(handle, None)

    def sign(self, mail, selector, pem, canon):
        header, body = (int(c == "relaxed") for c in canon.split("/"))
        stat = ctypes.c_int()
        handle = OPENDKIM.dkim_sign(self.library, b"mail", None, pem, selector, b"a.example", header, body, 1, -1,
                                    ctypes.byref(stat))
        done = self.feed(handle, mail) if handle else stat.value
        if done:
            raise RuntimeError("libopendkim cannot sign: %d" % done)
        text, size = ctypes.c_char_p(), ctypes.c_size_t()
        OPENDKIM.dkim_getsighdr_d(handle, 16, ctypes.byref(text), ctypes.byref(size))
        field = b"DKIM-Signature: " + text.value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"
        OPENDKIM.dkim_free(handle)
        return field + mail

    def verify(self, octets, record):
        self.record = record
        stat = ctypes.c_int()
        handle = OPENDKIM.dkim_verify(self.library, b"mail", None, ctypes.byref(stat))
        done = self.feed(handle, octets)
        OPENDKIM.dkim_free(handle)
        return done


def sign_ours(bench, mail, key, canon):
    path = os.path.join(bench.folder, "plain")
    open(path, "wb").write(mail)
    return run(DRIVER, "sign", "--key", bench.keys[key][0], "--domain", "a.example", "--selector", key,
               "--canon", canon, path)


def peers_check_ours(bench, opendkim, octets, key, what):
    record = bench.keys[key][1]
    if dkim and not dkim.verify(octets, dnsfunc=lambda *_, **__: record.encode()):
        bench.bad.append("dkimpy does not like " + what)
    if PERL and key != "ed":
        word = run("perl", "-e", PERL_VERIFY, record, data=octets).decode()
        if not word.startswith("pass"):
            bench.bad.append("Mail::DKIM does not like %s: %s" % (what, word))
    if opendkim and key != "ed":
        stat = opendkim.verify(octets, record.encode())
        if stat:
            bench.bad.append("libopendkim does not like %s: %d" % (what, stat))
    bench.good += 1


CHANGES = [
    lambda head, body: (head, body[:9] + random.choice([b" ", b"\t", b"  "]) + body[9:]),
    lambda head, body: (head, body + random.choice([b"\r\n", b" \r\n", b"\t \r\n\r\n", b"x\r\n"])),
    lambda head, body: (head, re.sub(rb"[ \t]+\r\n", b"\r\n", body)),
    lambda head, body: (head, re.sub(rb"[ \t]+", b" ", body)),
    lambda head, body: (head.replace(b"From:", b"FROM:"), body),
    lambda head, body: (head.replace(b"Subject:", b"Subject :"), body),
    lambda head, body: (head.replace(b"Subject: ", b"Subject:\r\n  "), body),
    lambda head, body: (b"X-New: 1\r\n" + head, body),
    lambda head, body: (b"Subject: on top\r\n" + head, body),
    lambda head, body: (head + b"\r\nSubject: below", body),
    lambda head, body: (re.sub(rb"\r\nSubject:[^\r]*", b"", head), body),
    lambda head, body: (b"\r\n".join(line + b" " for line in head.split(b"\r\n")), body),
]


def changed_on_the_way(bench, opendkim):
    record = bench.keys["rsa2048"][1].encode()
    mails, paths = [], []
    for number in range(240):
        canon = random.choice(["simple", "relaxed"]) + "/" + random.choice(["simple", "relaxed"])
        head, body = dkimpy_sign(bench, make_mail(number), "rsa2048", canon).split(b"\r\n\r\n", 1)
        for change in random.sample(CHANGES, random.randrange(1, 4)):
            head, body = change(head, body)
        mails.append(head + b"\r\n\r\n" + body)
        paths.append(os.path.join(bench.folder, "changed%d" % number))
        with open(paths[-1], "wb") as out:
            out.write(mails[-1])
    lines = run(DRIVER, "verify", "--zone", bench.zone_file, *paths).decode().splitlines()
    passed = 0
    for mail, line in zip(mails, lines):
        ours = line.split("\t")[1] == "pass"
        passed += ours
        words = {"libopendkim": opendkim.verify(mail, record) == 0}
        try:
            words["dkimpy"] = dkim.verify(mail, dnsfunc=lambda *_, **__: record)
        except Exception:  # it has no opinion on some shapes
            pass
        wrong = [name for name, word in words.items() if word != ours]
        bench.bad.extend("%s sees another result than ours: %s" % (name, line) for name in wrong)
        bench.good += not wrong
    print("changed on the way: %d mails, %d still pass" % (len(mails), passed))


def main():
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder)
        canons = ["%s/%s" % (h, b) for h in ("simple", "relaxed") for b in ("simple", "relaxed")]
        opendkim = Opendkim() if OPENDKIM else None
        number = 0
        for key in bench.keys:
            for canon in canons:
                number += 1
                mail = make_mail(number)
                if dkim:
                    bench.both(dkimpy_sign(bench, mail, key, canon), "dkimpy %s %s" % (key, canon))
                if PERL and key != "ed":
                    bench.both(perl_sign(bench, mail, key, canon), "Mail::DKIM %s %s" % (key, canon))
                if opendkim and key != "ed":
                    pem = open(bench.keys[key][0], "rb").read()
                    bench.both(opendkim.sign(mail, key.encode(), pem, canon), "libopendkim %s %s" % (key, canon))
                ours = sign_ours(bench, mail, key, canon)
                bench.both(ours, "ours %s %s" % (key, canon))
                peers_check_ours(bench, opendkim, ours, key, "ours %s %s" % (key, canon))
        bench.judge()
        if dkim and opendkim:
            changed_on_the_way(bench, opendkim)
        for line in bench.bad:
            print(line)
        print("%d checks as expected, %d not" % (bench.good, len(bench.bad)))
        return 1 if bench.bad else 0


if __name__ == "__main__":
    sys.exit(main())
