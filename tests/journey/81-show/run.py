#!/usr/bin/python3
"""The one-line look-ups: `sekisho spf|senderid|domainkeys|dkim|dmarc|arc show NAME`.

Each prints first the line one can type, then what the record means, costs and lacks, with the sentence that says so, and on which
evidence the method rests. The controls: a name without a record, a fault, a broken record and a good one end with different statuses.
"""
import json
import shlex
import subprocess
import tempfile

from lab import BINARY, COMMANDS, need

RSA = ("MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/Rtdc2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB")
ZONE = """$ORIGIN .
example.org. 300 IN TXT "v=spf1 include:a.example.org mx ip4:192.0.2.0/24 exists:%%{i}.x.example.org ptr ~all a"
example.org. 300 IN TXT "a verification token of somebody"
a.example.org. 300 IN TXT "v=spf1 a -all"
two.example. 300 IN TXT "v=spf1 -all"
two.example. 300 IN TXT "v=spf1 +all"
many.example. 300 IN TXT "v=spf1 a:1.example a:2.example a:3.example a:4.example a:5.example a:6.example a:7.example a:8.example a:9.example a:10.example a:11.example -all"
sly.example. 300 IN TXT "v=spf1 include:$(id).example.org include:a.example.org;id -all"
sid.example.org. 300 IN TXT "spf2.0/pra mx -all"
sid.example.org. 300 IN TXT "v=spf1 a -all"
_dmarc.example.org. 300 IN TXT "v=DMARC1; p=reject; sp=quarantine; np=reject; t=y; pct=50; rua=mailto:d@example.org,mailto:x@yes.example,mailto:n@no.example,mailto:s@slow.example; ruf=mailto:f@no.example"
example.org._report._dmarc.yes.example. 300 IN TXT "v=DMARC1; rua=mailto:else@yes.example"
_dmarc.unit.example.org. 300 IN TXT "v=DMARC1; p=none; psd=n"
www.unit.example.org. 300 IN A 192.0.2.1
www.example.org. 300 IN A 192.0.2.1
_dmarc.twice.example. 300 IN TXT "v=DMARC1; p=none"
_dmarc.twice.example. 300 IN TXT "v=DMARC1; p=reject"
s1._domainkey.example.org. 300 IN TXT "v=DKIM1; k=rsa; t=y; p=%s"
gone._domainkey.example.org. 300 IN TXT "v=DKIM1; p="
_domainkey.example.org. 300 IN TXT "o=-; t=y; r=x@example.org"
yes.example. 300 IN A 192.0.2.1
no.example. 300 IN A 192.0.2.1
;!servfail fault.example
;!servfail _dmarc.fault.example
;!servfail example.org._report._dmarc.slow.example
""" % RSA


def run(folder, *words, options=None):
    options = ["--zone", folder + "/zone"] if options is None else options
    text = subprocess.run([COMMANDS, *words, *options], capture_output=True, timeout=60)
    document = subprocess.run([BINARY, *words, *options, "--json"], capture_output=True, timeout=60)
    need(text.returncode == document.returncode, "%r: text and JSON end alike: %d, %d" % (words, text.returncode, document.returncode))
    lines = text.stdout.decode().splitlines()
    if text.returncode == 2:
        need(not text.stdout and not document.stdout and text.stderr, "%r: a usage error speaks on stderr" % (words,))
        return text.returncode, lines, None
    data = json.loads(document.stdout)
    need(document.stdout.count(b"\n") == 1, "one document")
    for line in lines:  # what can be typed can be typed safely: four plain words, then at most a comment
        if line.strip().startswith("dig "):
            typed = shlex.split(line, comments=True)
            need(typed[:3] == ["dig", "+short", "TXT"] and len(typed) == 4 and not set(typed[3]) - set("abcdefghijklmnopqrstuvwxyz0123456789._-"), "a line for the shell: " + line)
    typed = [line.strip().split("   #")[0] for line in lines if line.strip().startswith("dig ")]
    need(typed == [q["dig"] for q in data["questions"]], "%r: text and JSON ask the same" % (words,))
    need(all(p["text"]["en"] and p["text"]["ja"] for p in data["problems"]), "both languages")
    need(all(t["meaning"]["en"] and t["meaning"]["ja"] for q in data["questions"] for t in q["terms"]), "%r: every term has a meaning in both languages" % (words,))
    return text.returncode, lines, data


def codes(data):
    return [p["code"] for p in data["problems"]]


def terms(data, question=0):
    return {t["tag"]: t for t in data["questions"][question]["terms"]}


def spf(folder):
    status, lines, data = run(folder, "spf", "show", "example.org")
    need(status == 0 and lines[0] == "dig +short TXT example.org", "first the line to type: %r" % lines[:1])
    need(data["evidence"] == "address" and any(line.startswith("evidence  address") for line in lines), "SPF rests on the address")
    need(data["lookups"] == 5 and terms(data)["include"]["lookups"] == 1 and terms(data)["ip4"]["lookups"] == 0, "the cost of each and of all: %r" % data["lookups"])
    need(data["questions"][1]["name"] == "a.example.org" and data["questions"][1]["because"] == "include:a.example.org", "an include is looked up too")
    need(set(codes(data)) == {"spf_ptr", "spf_dead"} and "RFC 7208 section 5.5" in [p["rfc"] for p in data["problems"]], "problems with their sentence: %r" % codes(data))
    for name, want, code in (("two.example", 1, "spf_several"), ("many.example", 1, "spf_lookups"), ("none.example", 1, "show_none"), ("fault.example", 3, "show_temperror"),
                             ("sly.example", 1, "spf_syntax"), ("not a name", 1, "show_no_name"), ("-all", 2, None)):
        status, _, data = run(folder, "spf", "show", name)
        need(status == want and (code is None or code in codes(data)), "%s: exit %d, %r" % (name, status, data and codes(data)))
    need(run(folder, "spf", "show")[0] == 2, "no name is a usage error")


def sender_id(folder):
    status, _, data = run(folder, "senderid", "show", "sid.example.org")
    need(status == 0 and data["mfrom_record"] == "v=spf1 a -all" and data["pra_record"] == "spf2.0/pra mx -all" and data["evidence"] == "address", "a record for each scope: %r" % data)
    status, _, data = run(folder, "senderid", "show", "a.example.org")
    need(data["pra_record"] is None and "senderid_pra_spf1" in codes(data), "v=spf1 is not taken for the PRA, and that is explained")
    config = folder + "/with.toml"
    with open(config, "w") as out:
        out.write('[server]\nhost = "mx.sekisho.example"\nstate_dir = "%s/state"\n[mx]\nlisten = ["127.0.0.1:2525"]\n[dns]\nzone_file = "%s/zone"\n[sender_id]\npra_uses_spf1 = true\n[dmarc]\nmethod = "psl"\n'
                  '[[next_hop]]\nname = "main"\nkind = "smtp"\naddress = "127.0.0.1:2600"\n[[local_domain]]\nname = "dest.example"\nnext_hop = "main"\ncheck = "table"\nrecipients = ["user"]\n' % (folder, folder))
    status, _, data = run(folder, "senderid", "show", "a.example.org", options=["-c", config])
    need(status == 0 and data["pra_record"] == "v=spf1 a -all" and "senderid_pra_spf1" not in codes(data), "the setting takes it; the config's zone answered: %r" % data)
    return config


def keys(folder):
    for method in ("dkim", "arc"):
        status, lines, data = run(folder, method, "show", "s1._domainkey.example.org")
        need(status == 0 and lines[0] == "dig +short TXT s1._domainkey.example.org" and data["evidence"] == "signature", method + " rests on a signature")
        need(set(codes(data)) == {"key_small", "key_testing"} and terms(data)["h"]["default"] and not terms(data)["k"]["default"], "defaults are told from what is there: %r" % codes(data))
        need(run(folder, method, "show", "example.org", "--selector", "s1")[2]["questions"][0]["name"] == "s1._domainkey.example.org", "the selector as an option")
        need(run(folder, method, "show", "example.org")[0] == 2, "without a selector nobody knows where to look")
    need(codes(run(folder, "dkim", "show", "gone._domainkey.example.org")[2]) == ["key_revoked"], "a revoked key")
    need(run(folder, "dkim", "show", "example.org", "--selector", "nix")[0] == 1, "no key")
    status, lines, data = run(folder, "domainkeys", "show", "example.org")
    need(status == 0 and lines[0] == "dig +short TXT _domainkey.example.org" and terms(data)["o"]["value"] == "-" and data["evidence"] == "signature", "the policy of DomainKeys")
    status, _, data = run(folder, "domainkeys", "show", "example.org", "--selector", "s1")
    need(len(data["questions"]) == 2 and run(folder, "domainkeys", "show", "sid.example.org")[0] == 1, "with its key; a domain without either")


def chain(folder):
    key = folder + "/key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout[-32:]
    import base64
    with open(folder + "/zone", "a") as out:
        out.write('seal._domainkey.lists.example. 300 IN TXT "v=DKIM1; k=ed25519; p=%s"\n' % base64.b64encode(public).decode())
    mail = folder + "/mail.eml"
    with open(mail, "w", newline="") as out:
        out.write("Authentication-Results: mx.lists.example; dmarc=pass header.from=a.example\r\nFrom: a@a.example\r\nSubject: x\r\n\r\nHello\r\n")
    sealed = subprocess.run([BINARY, "arc", "seal", "--domain", "lists.example", "--selector", "seal", "--key", key, "--authserv-id", "mx.lists.example", mail], check=True, capture_output=True).stdout
    with open(mail, "wb") as out:
        out.write(sealed)
    status, lines, data = run(folder, "arc", "show", "--mail", mail)
    need(status == 0 and lines[0].startswith("dig +short TXT seal._domainkey.lists.example") and data["chain"]["result"] == "pass" and data["chain"]["sets"][0]["sealer"] == "lists.example", "the keys and the sets of a chain: %r" % data)
    with open(mail, "wb") as out:
        out.write(sealed.replace(b"Hello", b"Hallo"))
    status, _, data = run(folder, "arc", "show", "--mail", mail)
    need(status == 1 and codes(data) == ["arc_chain"], "a changed mail: %r" % codes(data))
    need(run(folder, "arc", "show", "example.org", "--mail", mail)[0] == 2, "one of the two")


def dmarc(folder, config):
    status, lines, data = run(folder, "dmarc", "show", "example.org")
    need(status == 0 and lines[0] == "dig +short TXT _dmarc.example.org" and data["evidence"] == "both", "DMARC rests on either")
    need({"dmarc_testing", "dmarc_pct", "dmarc_unpermitted", "dmarc_permission_unknown"} <= set(codes(data)), "what is refused or unknown is told: %r" % codes(data))
    where = {(d["tag"], d["address"]): (d["permission"], d["sent_to"]) for d in data["destinations"]}
    need(where == {("rua", "d@example.org"): ("own", ["d@example.org"]), ("rua", "x@yes.example"): ("given", ["else@yes.example"]), ("rua", "n@no.example"): ("refused", []),
                   ("rua", "s@slow.example"): ("unknown", []), ("ruf", "f@no.example"): ("refused", [])}, "who may get reports: %r" % where)
    need("dig +short TXT example.org._report._dmarc.yes.example" in [q["dig"] for q in data["questions"]], "the question of permission can be typed too")
    need(terms(data)["adkim"]["default"] and terms(data)["adkim"]["value"] == "r" and terms(data)["np"]["value"] == "reject", "tags and their defaults")

    status, lines, data = run(folder, "dmarc", "show", "www.unit.example.org")
    methods = data["methods"]
    need(methods["differ"] and methods["followed"] == "tree" and methods["tree"]["organizational_domain"] == "unit.example.org" and methods["psl"]["organizational_domain"] == "example.org", "both organizations: %r" % methods)
    need(methods["tree"]["published_policy"] == "none" and (methods["psl"]["published_policy"], methods["psl"]["policy_tag"]) == ("quarantine", "sp"), "and both policies: %r" % methods)
    need(any(line.startswith("tree ") for line in lines) and any(line.startswith("psl ") for line in lines) and any("they differ; followed is tree" in line for line in lines), "in the text too: %r" % lines)
    methods = run(folder, "dmarc", "show", "www.unit.example.org", options=["-c", config])[2]["methods"]
    need(methods["followed"] == "psl", "the config says which counts")
    methods = run(folder, "dmarc", "show", "www.example.org")[2]["methods"]
    need(not methods["differ"], "the control: where they agree nothing is said")
    for name, want, code in (("twice.example", 1, "dmarc_several"), ("none.example", 1, "show_none"), ("fault.example", 3, "show_temperror")):
        status, _, data = run(folder, "dmarc", "show", name)
        need(status == want and code in codes(data), "%s: exit %d, %r" % (name, status, codes(data)))


def evidence(folder):
    mail = folder + "/plain.eml"
    with open(mail, "w", newline="") as out:
        out.write("From: a@www.unit.example.org\r\nSubject: x\r\n\r\nHello\r\n")
    words = ["check", "--zone", folder + "/zone", "--ip", "192.0.2.1", "--mail-from", "a@example.org", mail]
    text = subprocess.run([COMMANDS, *words], capture_output=True).stdout.decode()
    data = json.loads(subprocess.run([BINARY, *words, "--json"], capture_output=True).stdout)
    need((data["spf"]["mfrom"]["evidence"], data["sender_id"]["pra"]["evidence"], data["domainkeys"]["evidence"], data["arc"]["evidence"], data["iprev"]["evidence"], data["dmarc"]["evidence"])
         == ("address", "address", "signature", "signature", "address", "none"), "check says what each answer rests on: %r" % data["dmarc"])
    need("evidence: address" in text and "they differ; followed is tree" in text and data["dmarc"]["methods"]["psl"]["result"] == "pass", "and where the two methods differ: SPF is aligned for one of them: %r" % data["dmarc"]["methods"])
    with open(mail, "w", newline="") as out:
        out.write("From: a@example.org\r\nSubject: x\r\n\r\nHello\r\n")
    data = json.loads(subprocess.run([BINARY, *words, "--json"], capture_output=True).stdout)
    need(data["dmarc"]["result"] == "pass" and data["dmarc"]["evidence"] == "address" and not data["dmarc"]["methods"]["differ"], "DMARC by SPF rests on the address: %r" % data["dmarc"])


with tempfile.TemporaryDirectory() as folder:
    with open(folder + "/zone", "w") as out:
        out.write(ZONE)
    spf(folder)
    config = sender_id(folder)
    keys(folder)
    chain(folder)
    dmarc(folder, config)
    evidence(folder)
print("ok")
