"""ARC and DomainKeys with live peers: Mail::DKIM (both) and dkimpy (ARC), in both directions, and our own ARC signing of
the public signing cases where they are here. Every good mail has a spoiled twin that must not pass.

usage: seals.py SEKISHO
"""
import base64
import json
import os
import re
import subprocess
import sys
import tempfile

from checks import MAIL, SEKISHO, end, judge

SPOILED = (b"bye", b"bie")
RESULTS = b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=example.org;\r\n\tdmarc=pass header.from=example.org\r\n"


def run(*command, **more):
    return subprocess.run(command, capture_output=True, timeout=60, **more)


def perl(script, mail, *arguments):
    return run("perl", "-e", script, *arguments, input=mail)


DNS = r'''
  use strict; use warnings; use Mail::DKIM; use Mail::DKIM::DNS; no warnings 'redefine';
  my $record = shift @ARGV;
  { package Fake; sub new { bless {}, shift } sub query { my ($s, $n) = @_; $@ = ""; bless {n => $n}, 'Reply' }
    package Reply; sub answer { bless {}, 'RR' }
    package RR; sub type { 'TXT' } sub char_str_list { ($record) } sub txtdata { $record } }
  *Mail::DKIM::DNS::query = sub { return (bless {}, 'RR') };
  *Mail::DKIM::DNS::query_async = sub { my ($d, $t, %c) = @_; return sub { ($c{Callbacks}{Success} || sub { @_ })->(bless {}, 'RR') } };
'''
VERIFY_ARC = DNS + r'''
  use Mail::DKIM::ARC::Verifier; my $v = Mail::DKIM::ARC::Verifier->new(Strict => 1);
  while (<STDIN>) { s/\015?\012$//; $v->PRINT("$_\015\012") } $v->CLOSE; print $v->result, " ", $v->result_detail // "";
'''
VERIFY_DK = DNS + r'''
  use Mail::DKIM::Verifier; my $v = Mail::DKIM::Verifier->new(Strict => 0);
  while (<STDIN>) { s/\015?\012$//; $v->PRINT("$_\015\012") } $v->CLOSE; print $v->result, " ", $v->result_detail // "";
'''
SIGN_DK = r'''
  use strict; use Mail::DKIM::Signer; use Mail::DKIM::DkSignature; my ($key, $method) = @ARGV;
  my $s = Mail::DKIM::Signer->new(Policy => sub { my $d = shift; $d->add_signature(Mail::DKIM::DkSignature->new(
    Algorithm => 'rsa-sha1', Method => $method, Headers => $d->headers, Domain => 'example.org', Selector => 's', KeyFile => $key)); return }, KeyFile => $key);
  my @l = <STDIN>; for (@l) { s/\015?\012$//; $s->PRINT("$_\015\012") } $s->CLOSE; print $s->signature->as_string, "\015\012"; print "$_\015\012" for @l;
'''
SEAL_ARC = r'''
  use strict; use Mail::DKIM::ARC::Signer; my ($key, $chain) = @ARGV;
  my $s = Mail::DKIM::ARC::Signer->new(Algorithm => 'rsa-sha256', Chain => $chain, Domain => 'example.org', SrvId => 'mx.example.org', Selector => 's', KeyFile => $key,
    Headers => 'From:To:Subject:Date:Message-ID');
  my @l = <STDIN>; for (@l) { s/\015?\012$//; $s->PRINT("$_\015\012") } $s->CLOSE; print join("\015\012", $s->as_strings), "\015\012"; print "$_\015\012" for @l;
'''


def dkimpy_arc_verify(mail, record):
    import dkim
    cv, results, reason = dkim.ARC(mail).verify(dnsfunc=lambda name, timeout=5: record.encode())
    return cv.decode() if isinstance(cv, bytes) else str(cv)


def dkimpy_arc_seal(mail, key):
    import dkim
    fields = dkim.ARC(mail).sign(b"s", b"example.org", key, b"mx.example.org", include_headers=[b"from", b"to", b"subject", b"date"])
    return b"".join(fields) + mail


with tempfile.TemporaryDirectory() as folder:
    key, other = os.path.join(folder, "key.pem"), os.path.join(folder, "mail")
    if run("openssl", "genrsa", "-traditional", "-out", key, "2048").returncode:
        run("openssl", "genrsa", "-out", key, "2048")
    der = run("openssl", "rsa", "-in", key, "-pubout", "-outform", "DER").stdout
    record = "k=rsa; p=" + base64.b64encode(der).decode()
    zone = os.path.join(folder, "zone")
    halves = [record[i:i + 200] for i in range(0, len(record), 200)]
    open(zone, "w").write("$ORIGIN .\ns._domainkey.example.org 300 IN TXT %s\n_domainkey.example.org 300 IN TXT \"o=~\"\n" % " ".join('"%s"' % h for h in halves))

    def ours(command, verb, mail, *more):
        open(other, "wb").write(mail)
        out = run(SEKISHO, command, verb, "--zone", zone, *more, other)
        if out.returncode not in (0, 1, 3):
            sys.exit("sekisho %s %s: exit %d: %s" % (command, verb, out.returncode, out.stderr.decode(errors="replace")))
        return out.stdout

    def verified(command, mail):
        return json.loads(ours(command, "verify", mail, "--json"))["result"]

    def seal(mail, *more):
        return ours("arc", "seal", mail, "--domain", "example.org", "--selector", "s", "--key", key, "--authserv-id", "mx.example.org", *more)

    perl_here = run("perl", "-MMail::DKIM", "-e", "1").returncode == 0
    try:
        import dkim as _
        dkimpy = True
    except ImportError:
        dkimpy = False
    if not perl_here and not dkimpy:
        print("SKIPPED: neither Mail::DKIM nor dkimpy is installed")
        sys.exit(77)

    # What we sign.
    one = seal(RESULTS + MAIL)
    three = seal(seal(one))
    judge("our own three sets", verified("arc", three) == "pass" and verified("arc", three.replace(*SPOILED)) == "fail")
    for name, mail in (("one set", one), ("three sets", three)):
        if perl_here:
            judge("Mail::DKIM verifies our " + name, perl(VERIFY_ARC, mail, record).stdout.startswith(b"pass"))
            judge("Mail::DKIM refuses our spoiled " + name, not perl(VERIFY_ARC, mail.replace(*SPOILED), record).stdout.startswith(b"pass"))
        if dkimpy:
            judge("dkimpy verifies our " + name, dkimpy_arc_verify(mail, record) == "pass")
            judge("dkimpy refuses our spoiled " + name, dkimpy_arc_verify(mail.replace(*SPOILED), record) != "pass")
    for canon in ("simple", "nofws"):
        signed = ours("domainkeys", "sign", MAIL, "--domain", "example.org", "--selector", "s", "--key", key, "--canonicalization", canon)
        judge("our own DomainKeys " + canon, verified("domainkeys", signed) == "pass")
        if perl_here:
            said = perl(VERIFY_DK, signed, record)
            judge("Mail::DKIM verifies our DomainKeys %s: %s %s" % (canon, said.stdout, said.stderr[-200:]), said.stdout.startswith(b"pass"))
            judge("Mail::DKIM refuses our spoiled DomainKeys " + canon, not perl(VERIFY_DK, signed.replace(*SPOILED), record).stdout.startswith(b"pass"))
    # What they sign.
    for canon in ("simple", "nofws") if perl_here else ():
        signed = perl(SIGN_DK, MAIL, key, canon).stdout
        judge("we verify Mail::DKIM's DomainKeys " + canon, verified("domainkeys", signed) == "pass")
        judge("we refuse Mail::DKIM's spoiled DomainKeys " + canon, verified("domainkeys", signed.replace(*SPOILED)) == "fail")
    if perl_here:
        sealed = perl(SEAL_ARC, RESULTS + MAIL, key, "none")
        judge("we verify Mail::DKIM's set: %s" % sealed.stderr[-200:], verified("arc", sealed.stdout) == "pass")
        judge("we refuse Mail::DKIM's spoiled set", verified("arc", sealed.stdout.replace(*SPOILED)) == "fail")
        judge("a second set of ours on Mail::DKIM's", verified("arc", seal(sealed.stdout)) == "pass")
    if dkimpy:
        sealed = dkimpy_arc_seal(RESULTS + MAIL, open(key, "rb").read())
        judge("we verify dkimpy's set", verified("arc", sealed) == "pass")
        judge("we refuse dkimpy's spoiled set", verified("arc", sealed.replace(*SPOILED)) == "fail")

    # The public signing cases: the same tags with the same values as there, and a chain that passes.
    suite = os.path.join(os.path.dirname(__file__), "../../../shared/conformance/arc-valimail/arc-draft-sign-tests.yml")
    if os.path.exists(suite):
        import yaml

        def tags(text):
            return {k: re.sub(r"\s", "", v) for k, v in re.findall(r"(\w+)\s*=\s*([^;]*)", text)}

        right = cases = 0
        for scenario in yaml.safe_load_all(open(suite, encoding="utf-8")):
            open(key, "w").write(scenario["privatekey"])
            records = {n: "".join(str(t).split("\n")) for n, t in scenario["txt-records"].items()}
            open(zone, "w").write("$ORIGIN .\n" + "".join('%s 300 IN TXT %s\n' % (n, " ".join('"%s"' % t[i:i + 200] for i in range(0, len(t), 200))) for n, t in records.items()))
            for name, test in scenario["tests"].items():
                cases += 1
                mail = test["message"].replace("\n", "\r\n").encode()
                open(other, "wb").write(mail)
                out = run(SEKISHO, "arc", "seal", "--zone", zone, "--domain", scenario["domain"], "--selector", scenario["sel"], "--key", key,
                          "--authserv-id", test["srv-id"], "--headers", test["sig-headers"], "--now", str(test["t"]), other)
                if not test["AS"]:
                    good = out.returncode == 1 and not out.stdout
                else:
                    fields = re.split(r"\r\n(?![ \t])", out.stdout.decode())[:3]
                    got = {f.split(":", 1)[0]: re.sub(r"\r\n[ \t]", " ", f.split(":", 1)[1]) for f in fields}
                    want_seal, want_ams = tags(test["AS"]), tags(test["AMS"])
                    seal_tags, ams_tags = tags(got.get("ARC-Seal", "")), tags(got.get("ARC-Message-Signature", ""))
                    for t in (want_seal, want_ams, seal_tags, ams_tags):
                        t.pop("b", None)  # over our own order of tags
                    parts = lambda text: sorted(re.sub(r"\s+", " ", p).strip() for p in text.split(";"))
                    # A result that failed to verify closes the chain; otherwise what we wrote must verify.
                    passes = want_seal["cv"] == "fail" or json.loads(run(SEKISHO, "arc", "verify", "--json", "--zone", zone, "-", input=out.stdout).stdout)["result"] == "pass"
                    good = seal_tags == want_seal and ams_tags == want_ams and parts(got.get("ARC-Authentication-Results", "")) == parts(test["AAR"]) and passes
                    if not good:
                        print("DIFFERS", name, seal_tags, want_seal, ams_tags, want_ams, got.get("ARC-Authentication-Results"), test["AAR"], out.stderr)
                right += good
        print("ARC signing cases: %d of %d" % (right, cases))
        judge("the public ARC signing cases", right == cases)
    else:
        print("note: the public ARC signing cases are not here")

end()
