"""What `sign -c` makes by the table of keys is verified by dkimpy, Mail::DKIM and libopendkim: RSA and Ed25519 at once, a user's own key,
DomainKeys. One octet changed and one field added must fail. One From, To, Subject, Date ... more than signed breaks the signature.

usage: signing.py SEKISHO
"""
import base64
import json
import os
import re
import subprocess
import sys
import tempfile

from checks import MAIL, SEKISHO, end, judge
from dkim_interop import OPENDKIM, Opendkim, PERL, dkim, run

PERL_VERIFY = r"""
use strict; use warnings; no warnings 'redefine'; use Mail::DKIM::Verifier; use Mail::DKIM::PublicKey;
my %records = split /\n/, shift @ARGV;
*Mail::DKIM::DNS::query = sub { return bless {txt => $records{$_[0]}}, 'Rec'; };
sub Rec::type { 'TXT' } sub Rec::char_str_list { ($_[0]{txt}) } sub Rec::txtdata { $_[0]{txt} }
my $verifier = Mail::DKIM::Verifier->new;
binmode STDIN; local $/; my $mail = <STDIN>;
$verifier->PRINT($mail); $verifier->CLOSE;
print join("\n", map { $_->algorithm . " " . $_->result } $verifier->signatures), "\n";
"""


class Table:
    def __init__(self, folder):
        self.folder, self.config, self.zone = folder, os.path.join(folder, "c.toml"), os.path.join(folder, "zone")
        self.records = {}
        rows = ""
        for selector, kind, row in (("r", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], 'methods = ["dkim", "domainkeys"]'), ("e", ["ED25519"], ""), ("boss", ["ED25519"], 'user = "boss"')):
            path = os.path.join(folder, selector + ".pem")
            run("openssl", "genpkey", "-algorithm", *kind, "-out", path)
            os.chmod(path, 0o600)
            der = run("openssl", "pkey", "-in", path, "-pubout", "-outform", "DER")
            text = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode() if selector == "r" else "v=DKIM1; k=ed25519; p=" + base64.b64encode(der[-32:]).decode()
            self.records[selector + "._domainkey.example.org"] = text
            rows += '[[signing_key]]\ndomain = "example.org"\nselector = "%s"\nkey_file = "%s.pem"\n%s\n' % (selector, selector, row)
        with open(self.zone, "w") as out:
            out.write("$ORIGIN .\n" + "".join('%s 300 IN TXT "%s"\n' % record for record in self.records.items()))
        with open(self.config, "w") as out:
            out.write('[server]\nhost = "mx.example.org"\nstate_dir = "s"\n[mx]\nlisten = ["127.0.0.1:0"]\n' + rows)

    def sign(self, mail, command="dkim", *words, want=0):
        done = subprocess.run([SEKISHO, command, "sign", "-c", self.config, *words, "-"], input=mail, capture_output=True)
        judge("%s sign exits with %d" % (command, want), done.returncode == want, done.stderr)
        return done.stdout

    def ours(self, mail, command="dkim"):
        done = subprocess.run([SEKISHO, command, "verify", "--json", "--zone", self.zone, "-"], input=mail, capture_output=True)
        return json.loads(done.stdout)

    def words(self, mail):
        return ["%s %s" % (v["algorithm"], v["result"]) for v in self.ours(mail)]

    def dkimpy(self, mail):
        # dkimpy numbers signatures from the lowest one in some versions, so the order is not looked at.
        one = dkim.DKIM(mail)
        found = []
        for index in range(mail.split(b"\r\n\r\n")[0].count(b"DKIM-Signature:")):
            try:
                found.append(one.verify(index, dnsfunc=lambda name, timeout=5: self.records[name.decode().rstrip(".")].encode()))
            except dkim.DKIMException:
                found.append(False)
        return found

    def perl(self, mail):
        return run("perl", "-e", PERL_VERIFY, "\n".join(k + "\n" + v for k, v in self.records.items()), data=mail).decode().split("\n")[:-1]


def spoiled(mail):
    yield "body", mail.replace(b"bye", b"bie")
    yield "subject", mail.replace(b"folded", b"fodled")
    for name in (b"From", b"To", b"Cc", b"Subject", b"Date", b"Reply-To", b"Message-ID", b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"):
        yield "a second " + name.decode(), name + b": joe@example.org\r\n" + mail


with tempfile.TemporaryDirectory() as folder:
    table = Table(folder)
    both = table.sign(MAIL)
    judge("RSA and Ed25519 at once", table.words(both) == ["rsa-sha256 pass", "ed25519-sha256 pass"], table.words(both))
    judge("no l=", not re.search(rb"[; \t]l=", both.split(b"\r\n\r\n")[0]))
    for what, mail in spoiled(both):
        judge("ours refuses, " + what, "pass" not in " ".join(table.words(mail)), table.words(mail))
    if dkim:
        judge("dkimpy verifies both", table.dkimpy(both) == [True, True], table.dkimpy(both))
        for what, mail in spoiled(both):
            judge("dkimpy refuses, " + what, True not in table.dkimpy(mail), table.dkimpy(mail))
    if PERL:
        said = table.perl(both)
        judge("Mail::DKIM verifies the RSA signature", "rsa-sha256 pass" in said, said)
        if not any(word.startswith("ed25519-sha256 invalid") for word in said):
            judge("Mail::DKIM verifies the Ed25519 signature", "ed25519-sha256 pass" in said, said)
        for what, mail in spoiled(both):
            judge("Mail::DKIM refuses, " + what, "pass" not in " ".join(table.perl(mail)), table.perl(mail))
    if OPENDKIM:
        peer, record = Opendkim(), table.records["r._domainkey.example.org"].encode()
        judge("libopendkim verifies", peer.verify(both, record) == 0, peer.verify(both, record))
        for what, mail in spoiled(both):
            judge("libopendkim refuses, " + what, peer.verify(mail, record) != 0)
    boss = table.sign(MAIL.replace(b"joe@", b"Boss@"))
    first = table.ours(boss)
    judge("the user's own key alone, with i=", [(v["selector"], v["agent_id"], v["result"]) for v in first] == [("boss", "Boss@example.org", "pass")], first)
    if dkim:
        judge("dkimpy verifies the user's", table.dkimpy(boss) == [True])
    judge("no key for strangers", table.sign(MAIL.replace(b"example.org>\r\nTo", b"example.net>\r\nTo"), want=1) == b"")
    judge("no key for two domains", table.sign(MAIL.replace(b"joe@example.org>", b"joe@example.org>, <a@example.net>"), want=1) == b"")
    judge("no key without From", table.sign(MAIL.replace(b"From:", b"X-From:"), want=1) == b"")
    old = table.sign(MAIL, "domainkeys")
    judge("our own DomainKeys", table.ours(old, "domainkeys")["result"] == "pass")
    if PERL:
        judge("Mail::DKIM verifies DomainKeys", "rsa-sha1 pass" in table.perl(old), table.perl(old))
        judge("Mail::DKIM refuses spoiled DomainKeys", "rsa-sha1 pass" not in table.perl(old.replace(b"bye", b"bie")))
    everything = table.sign(old)
    judge("DKIM above DomainKeys", table.words(everything) == ["rsa-sha256 pass", "ed25519-sha256 pass"] and table.ours(everything, "domainkeys")["result"] == "pass")
end()
