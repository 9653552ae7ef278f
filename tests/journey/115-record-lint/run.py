#!/usr/bin/python3
"""`sekisho record lint`: a zone with every fault; each is found with its code, place, rule and cure in both languages, and a clean domain has none."""
import json
import subprocess
import time

from lab import BINARY, Folder, need

KEY_1024 = ("MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/Rtdc2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB")
ED25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
GOOD = """good.example. 300 IN TXT "v=spf1 mx -all"
good.example. 300 IN MX 10 mx.good.example.
mx.good.example. 300 IN A 192.0.2.3
mx.good.example. 300 IN AAAA 2001:db8::3
s1._domainkey.good.example. 300 IN TXT "%s"
_dmarc.good.example. 300 IN TXT "v=DMARC1; p=reject; rua=mailto:d@good.example"
_mta-sts.good.example. 300 IN TXT "v=STSv1; id=20260101;"
_smtp._tls.good.example. 300 IN TXT "v=TLSRPTv1; rua=mailto:t@good.example"
default._bimi.good.example. 300 IN TXT "v=BIMI1; l=https://good.example/a.svg; a=https://good.example/a.pem"
""" % ED25519
# owner, text (master-file strings), more lines; type, selector; codes that must be there; exit status
FAULTS = [
    ("", '"v=spf1 +all"', "", "spf", "", ["spf_pass_all"], 1),
    ("", '"v=spf1 mx"', "@ MX 0 .", "spf", "", ["spf_no_all", "spf_mx_null", "spf_null_mx"], 0),
    ("", '"v=spf1 include:" "u.example include:v.example" "include:w.example -all"', "", "spf", "", ["strings_run_together"], 1),
    ("", '"v=spf1 include:none.%s -all"', "", "spf", "", ["spf_include_none"], 1),
    ("", '"v=spf1 include:u.%s -all"', 'u TXT "v=spf1 ip5:1 -all"', "spf", "", ["spf_include_broken"], 1),
    ("", '"v=spf1 include:u.%s -all"', 'u TXT "v=spf1 +all"', "spf", "", ["spf_pass_all"], 1),
    ("", '"v=spf1 redirect=%s"', "", "spf", "", ["spf_loop"], 1),
    ("", '"v=spf1 ' + " ".join("a:h%d.%%s" % i for i in range(11)) + ' -all"', "*.%s. A 192.0.2.1", "spf", "", ["spf_lookups"], 1),
    ("", '"v=spf1 a:x.%s a:y.%s a:z.%s -all"', "", "spf", "", ["spf_void", "spf_void_term"], 1),
    ("", '"v=spf1 mx -all"', "\n".join("@ MX 1 h%d.%%s." % i for i in range(11)) + "\n*.%s. A 192.0.2.1", "spf", "", ["spf_mx_many"], 1),
    ("", '"v=spf1 a -all exp=e.%s"', "@ A 192.0.2.1", "spf", "", ["spf_exp_missing"], 0),
    ("", '"v=spf1 ' + " ".join("ip4:192.0.2.%d" % i for i in range(40)) + ' -all"', "", "spf", "", ["answer_over_512"], 0),
    ("_spf", '"v=spf1 -all"', "", "spf", "", ["spf_wrong_place", "spf_none", "record_missing"], 1),
    ("", '"spf2.0/pra,mfrom mx -all"', '@ TXT "spf2.0/pra -all"', "senderid", "", ["senderid_several"], 1),
    ("_domainkey", '"o=-; t=y; x=1"', "", "domainkeys", "", ["domainkeys_testing", "domainkeys_all", "domainkeys_unknown"], 0),
    ("s1._domainkey", '"v=DKIM1; t=y; p=%s"' % KEY_1024, "", "dkim", "s1", ["dkim_small", "dkim_testing"], 0),
    ("s1._domainkey", '"v=DKIM1; p="', "", "dkim", "s1", ["dkim_revoked"], 0),
    ("s1._domainkey", '"v=DKIM1; k=rsa" "p=%s"' % KEY_1024, "", "dkim", "s1", ["strings_run_together"], 1),
    ("s1._domainkey", '"v=DKIM1\\\\; p=%s"' % KEY_1024, "", "dkim", "s1", ["octets_escape"], 1),
    ("s1._domainkey", '"%s"' % ED25519, 's1._domainkey TXT "v=DKIM1; p="', "dkim", "s1", ["dkim_several"], 1),
    ("s1._domainkey.%s", '"%s"' % ED25519, "", "dkim", "s1", ["dkim_missing", "doubled_name"], 1),
    ("", '"%s"' % ED25519, "", "dkim", "s1", ["dkim_missing", "dkim_wrong_place"], 1),
    ("_dmarc", '"v=DMARC1; p=none"', "", "dmarc", "", ["dmarc_no_rua"], 0),
    ("_dmarc", '"v=DMARC1; p=reject; sp=none; pct=5; rua=mailto:a@there.example"', "", "dmarc", "", ["dmarc_sp_weaker", "dmarc_pct", "dmarc_rua_refused"], 1),
    ("_dmarc", '"v=DMARC1; p=reject; rua=mailto:a@there.example"', "%s._report._dmarc.there.example. TXT v=DMARC1", "dmarc", "", [], 0),
    ("_dmarc", '"v=DMARC1; p=reject; rua=mailto:a@slow.example"', ";!servfail %s._report._dmarc.slow.example.", "dmarc", "", ["dmarc_rua_unknown"], 0),
    ("_dmarc", '"V=dmarc1; p=reject"', "", "dmarc", "", ["dmarc_not_seen"], 1),
    ("", '"v=DMARC1; p=reject"', "", "dmarc", "", ["dmarc_wrong_place"], 1),
    ("_mta-sts", '"v=STSv1; id=2026-01-01"', "", "mta-sts", "", ["sts_id"], 1),
    ("_smtp._tls", '"v=TLSRPTv1; rua=ftp://x"', "", "tls-rpt", "", ["tlsrpt_uri", "tlsrpt_no_rua"], 1),
    ("default._bimi", '"v=BIMI1; l=https://x/a.svg"', "", "bimi", "", ["bimi_dmarc", "bimi_no_a"], 1),
    ("x", '"nothing"', ";!servfail %s.", "spf", "", ["dns_temporary"], 3),
]


def lint(zone, *words):
    done = subprocess.run([BINARY, "record", "lint", *words, "--zone", zone, "--json"], capture_output=True, timeout=60)
    need(done.stdout.count(b"\n") == 1, "%r: one document: %r" % (words, done.stderr[-200:]))
    return done.returncode, json.loads(done.stdout)


def zone_of():
    out = "$ORIGIN .\n" + GOOD + "there.example. A 192.0.2.9\n"
    for number, (owner, text, more, *_rest) in enumerate(FAULTS):
        domain = "f%d.example" % number
        out += "$ORIGIN %s.\n%s 300 IN TXT %s\n%s\n" % (domain, (owner or "@").replace("%s", domain), text.replace("%s", domain), more.replace("%s", domain))
    return out


def codes(answer):
    return [p["code"] for r in answer["records"] for p in r["problems"]]


def main():
    with Folder() as folder:
        zone = folder + "/zone"
        open(zone, "w").write(zone_of())
        status, good = lint(zone, "good.example", "--selector", "s1")
        worse = [p["code"] for r in good["records"] for p in r["problems"] if p["severity"] != "note"]
        need(status == 0 and good["ok"] and not worse, "the control, a clean domain: %r" % worse)
        need([r["status"] for r in good["records"]] == ["found", "none", "none", "found", "found", "found", "found", "found"], "all kinds are looked at")
        for number, (_, text, _, kind, selector, wanted, exit_status) in enumerate(FAULTS):
            words = ["f%d.example" % number, "--type", kind] + (["--selector", selector] if selector else [])
            status, got = lint(zone, *words)
            need(set(wanted) <= set(codes(got)), "%s %s: %r has %r" % (kind, text[:50], codes(got), wanted))
            need(status == exit_status, "%s %s: exit %d, wanted %d: %r" % (kind, text[:50], status, exit_status, codes(got)))
            for problem in got["records"][0]["problems"]:
                need(problem["text"]["en"] and problem["text"]["ja"] and problem["fix"]["en"] and problem["fix"]["ja"] and "%s" not in problem["text"]["en"], problem["code"] + " speaks two languages")
        refused = next(i for i, f in enumerate(FAULTS) if f[5] == [])
        need("dmarc_rua_refused" not in codes(lint(zone, "f%d.example" % refused, "--type", "dmarc")[1]), "the control: with a permission nothing is refused")
        status, laid = lint(zone, "good.example", "--text", "v=spf1 ip4:192.0.2.1 +all")
        need(status == 1 and codes(laid) == ["spf_pass_all"], "a record before it is published")
        status, strings = lint(zone, "good.example", "--text", '"v=spf1 include:" "good.example -all"')
        need(strings["records"][0]["texts"] == [["v=spf1 include:", "good.example -all"]] and "spf_loop" in codes(strings), "strings as in a zone file")
        started = time.time()
        chain = "$ORIGIN .\n" + "".join('c%d.example. TXT "v=spf1 include:c%d.example include:d%d.example -all"\nd%d.example. TXT "v=spf1 -all"\n' % (i, i + 1, i, i) for i in range(10000))
        open(zone, "w").write(chain)
        status, got = lint(zone, "c0.example", "--type", "spf")
        need(status == 1 and {"spf_lookups", "spf_cut"} <= set(codes(got)) and time.time() - started < 20, "10,000 includes end: %.1f s" % (time.time() - started))
        wide = "v=spf1 " + " ".join("include:i%d.x" % i for i in range(4500)) + " -all"
        status, got = lint(zone, "c0.example", "--text", wide)
        need(status == 1 and got["records"][0]["cost"]["lookups"] == 4500, "64 KiB of includes end")
        for word in (["record", "lint", "a b"], ["record", "lint", "x.example", "--text", "hello"], ["record", "what"], ["record", "lint", "x.example", "--type", "dkim", "--text", "v=DKIM1; p="]):
            done = subprocess.run([BINARY, *word], capture_output=True, timeout=60)
            need(done.returncode == 2 and done.stderr and not done.stdout, "%r is a usage error" % word)
        table = subprocess.run([BINARY, "record", "lint", "c9999.example", "--zone", zone, "--lang", "ja"], capture_output=True, timeout=60).stdout.decode()
        rows = table.split("\n\n")[0].splitlines()
        need(len({row.index(row.split()[2]) for row in rows}) == 1 and "問い合わせ" in table, "a table that lines up, in Japanese")


if __name__ == "__main__":
    main()
