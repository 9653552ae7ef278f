#!/usr/bin/python3
"""`sekisho record build`: what it makes is clean to its own linter, nsd publishes the lines as they are, and pyspf and openssl agree with them."""
import base64
import json
import os
import shutil
import subprocess

from lab import COMMANDS, Folder, free_port, need, skip, until

HEAD = """$ORIGIN company.example.
$TTL 300
@ IN SOA ns.company.example. root.company.example. 1 3600 600 86400 300
@ IN NS ns.company.example.
ns IN A 127.0.0.1
@ IN MX 10 mx.company.example.
mx IN A 192.0.2.25
mx IN AAAA 2001:db8::25
"""


def build(*words, check=0):
    done = subprocess.run([COMMANDS, "record", "build", *words, "--domain", "company.example", "--json"], capture_output=True, timeout=60)
    need(done.returncode == check, "build %s: exit %d, wanted %d: %s" % (" ".join(words), done.returncode, check, done.stderr[-300:] + done.stdout[-300:]))
    return json.loads(done.stdout) if done.stdout else None


def problems(made, least=("error", "warning")):
    return [p["code"] for r in made["records"] for p in r["problems"] if p["severity"] in least]


def publish(folder, lines):
    zone, conf, port = folder + "/zone", folder + "/nsd.conf", free_port()
    open(zone, "w").write(HEAD + "\n".join(lines) + "\n")
    open(conf, "w").write('server:\n  ip-address: 127.0.0.1@%d\n  zonesdir: "%s"\n  database: ""\n  username: ""\n  chroot: ""\n  pidfile: "%s/pid"\n  xfrdfile: "%s/xfrd"\n  '
                          'zonelistfile: "%s/zl"\n  xfrdir: "%s"\n  logfile: "%s/log"\nremote-control:\n  control-enable: no\nzone:\n  name: "company.example"\n  zonefile: "zone"\n'
                          % (port, folder, folder, folder, folder, folder, folder))
    checked = subprocess.run(["nsd-checkzone", "company.example", zone], capture_output=True)
    need(checked.returncode == 0, "nsd takes the lines: %s" % checked.stdout[-200:])
    server = subprocess.Popen(["nsd", "-d", "-c", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return server, port


def ask_pyspf(zone_text, ip):
    """pyspf with the text that the name server gave, and the addresses of HEAD."""
    import spf
    records = {("company.example", "TXT"): [("TXT", (zone_text.encode(),))], ("company.example", "MX"): [("MX", (10, "mx.company.example"))],
               ("mx.company.example", "A"): [("A", "192.0.2.25")], ("mx.company.example", "AAAA"): [("AAAA", "2001:db8::25")]}
    spf.DNSLookup = lambda name, kind, *a, **k: [((name, kind), value[1]) for value in records.get((name.lower().rstrip("."), kind), [])]
    return spf.check2(i=ip, s="user@company.example", h="mx.company.example")[0]


def main():
    if not shutil.which("nsd"):
        skip("nsd is not installed")
    with Folder() as folder:
        keys = {}
        for name, kind in (("s1", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]), ("s2", ["ED25519"])):
            keys[name] = folder + "/%s.pem" % name
            subprocess.run(["openssl", "genpkey", "-algorithm", *kind, "-out", keys[name]], check=True, capture_output=True)
            os.chmod(keys[name], 0o600)
        zone = folder + "/before"
        open(zone, "w").write("$ORIGIN .\n" + HEAD)
        over = ["--zone", zone]
        spf_ = build("spf", "--mx", "--ip4", "198.51.100.0/24", "--preset", "company", *over)
        need(spf_["text"] == "v=spf1 ip4:198.51.100.0/24 mx -all" and not problems(spf_), "the company's SPF: %s %r" % (spf_["text"], problems(spf_)))
        isp = build("spf", "--mx", "--preset", "isp", *over)
        need(isp["text"] == "v=spf1 mx ?all" and problems(isp, ("note",)) == ["spf_neutral_all"], "the ISP's: %s" % isp["text"])
        need(build("spf", *over)["text"] == "v=spf1 -all", "nobody named: a name without mail")
        made = [spf_, build("senderid", "--mx", "--scopes", "pra", "--all", "neutral", *over), build("dkim", "--selector", "s1", "--key", keys["s1"], *over),
                build("dkim", "--selector", "s2", "--key", keys["s2"], *over), build("dmarc", "--preset", "company", "--rua", "dmarc@company.example", *over),
                build("mta-sts", "--id", "20260101T000000", "--mode", "enforce", *over), build("tls-rpt", "--rua", "mailto:tls@company.example", *over),
                build("domainkeys", "--rua", "postmaster@company.example", *over)]
        for one in made:
            need(not problems(one), "%s is clean: %s" % (one["type"], one["zone_line"][:100]))
        need(made[4]["text"] == "v=DMARC1; p=reject; rua=mailto:dmarc@company.example", "DMARC: " + made[4]["text"])
        need("mx: mx.company.example\r\n" in made[5]["policy"], "the policy names the exchanges of the DNS")
        need(all(len(s) <= 255 for s in made[2]["zone_line"].split('"')[1::2]) and made[2]["zone_line"].count('"') == 4, "a long key in strings of at most 255 octets")
        # The controls: what must not come out clean.
        need("bimi_dmarc" in problems(build("bimi", "--logo", "https://company.example/a.svg", *over, check=1)), "BIMI without a policy is an error")
        need("spf_include_none" in problems(build("spf", "--include", "nowhere.company.example", *over, check=1)), "an include of nothing is an error")
        build("tls-rpt", *over, check=2)
        build("spf", "--ip4", 'x" "y', *over, check=2)
        server, port = publish(folder, [one["zone_line"] for one in made])
        try:
            resolver = "127.0.0.1:%d" % port

            def lint():
                done = subprocess.run([COMMANDS, "record", "lint", "company.example", "--selector", "s1", "--selector", "s2", "--resolver", resolver, "--json"], capture_output=True, timeout=60)
                answer = json.loads(done.stdout)
                return answer if answer["records"][0]["status"] == "found" else None
            answer = until(lint, 15, "nsd answers")
            found = {(r["type"], r["name"]): r for r in answer["records"] if r["status"] == "found"}
            need(answer["ok"] and len(found) == len(made), "all eight are found and clean: %r" % [p["code"] for r in answer["records"] for p in r["problems"] if p["severity"] == "error"])
            need(found["dkim", "s1._domainkey.company.example"]["record"] == made[2]["text"], "the key came through whole")
            try:
                text = found["spf", "company.example"]["record"]
                got = [ask_pyspf(text, ip) for ip in ("198.51.100.7", "192.0.2.25", "203.0.113.1")]
                need(got == ["pass", "pass", "fail"], "pyspf agrees: %r" % got)
            except ImportError:
                print("pyspf is not installed: not compared")
            public = subprocess.run(["openssl", "pkey", "-in", keys["s1"], "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
            need(base64.b64encode(public).decode() in found["dkim", "s1._domainkey.company.example"]["record"], "openssl has the same public key")
        finally:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    main()
