"""The end of a mail's way, judged by others: Mail::DKIM (signatures and ARC), Mail::SPF, and opendkim as verifier. Records are one table for all of them and for us."""
import json
import os
import re
import shutil
import subprocess

from lab import COMMANDS, need, skip

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "far_end.pl")
CLIENT = "127.0.0.1"  # what our egress comes from


class FarEnd:
    """The mails of the world's sink, each judged once by all. records: {name: {"TXT": [...], "A": [...], "MX": [...]}}."""

    def __init__(self, folder, records):
        self.folder, self.records = folder, records
        done = subprocess.run(["perl", "-c", PEER], capture_output=True, text=True)
        if done.returncode != 0:
            skip("Mail::DKIM or Mail::SPF is not installed: " + done.stderr.strip()[-200:])
        self.opendkim = shutil.which("opendkim") or "/usr/sbin/opendkim"
        if not os.path.exists(self.opendkim):
            skip("opendkim is not installed")

    def judge(self, *mails):
        """For each what came to the sink (mail_from may be another): {dkim: {domain: result}, arc, spf, opendkim: {domain: succeeded or failed}}."""
        question = {"records": self.records, "mails": [{"data": m["data"].hex(), "client": CLIENT, "helo": "mx.sekisho.example", "mail_from": m["mail_from"]} for m in mails]}
        done = subprocess.run(["perl", PEER], input=json.dumps(question), capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError("far_end.pl: " + done.stderr[-800:])
        ends = json.loads(done.stdout)
        for end, words in zip(ends, self.ask_opendkim(mails)):
            end["opendkim"] = words
        return ends

    def ask_opendkim(self, mails):
        conf, dns = os.path.join(self.folder, "verifier.conf"), os.path.join(self.folder, "verifier.dns")
        with open(dns, "w") as out:
            out.write("".join("%s %s\n" % (name, text) for name, row in self.records.items() if "._domainkey." in name for text in row["TXT"]))
        with open(conf, "w") as out:
            out.write("Mode v\nTestDNSData %s\nSyslog no\nUserID root\n" % dns)
        paths = []
        for number, mail in enumerate(mails):
            paths.append(os.path.join(self.folder, "far%d.eml" % number))
            with open(paths[-1], "wb") as out:
                out.write(mail["data"])
        done = subprocess.run([self.opendkim, "-x", conf, "-t", ",".join(paths)], capture_output=True, text=True, timeout=60)
        said = done.stdout + done.stderr
        return [{m[1]: m[2] for m in re.finditer(re.escape(path) + r": verification \(s=[^ ,]+,? d=([^,]+),.*\) (succeeded|failed)", said)} for path in paths]


def dmarc(end, mail):
    """Whether a signature or SPF speaks for the author's domain, or one above or below it: what a strict policy asks (relaxed alignment)."""
    author = field(mail["data"], "From")[0].split("@")[-1].rstrip("> ").lower()

    def aligned(domain):
        return domain == author or domain.endswith("." + author) or author.endswith("." + domain)
    proven = [d for d, result in end["dkim"].items() if result == "pass"] + ([mail["mail_from"].split("@")[-1]] if end["spf"] == "pass" else [])
    return any(aligned(d) for d in proven)


def key_pair(path):
    """A new RSA-2048 key; gives its DKIM record."""
    subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True, capture_output=True)
    os.chmod(path, 0o600)
    return "v=DKIM1; k=rsa; p=" + subprocess.run("openssl pkey -in %s -pubout -outform DER | base64 -w0" % path, shell=True, capture_output=True, text=True).stdout


def zone_of(records):
    def text(name, kind, value):
        if kind == "TXT":
            value = " ".join('"%s"' % value[i:i + 200] for i in range(0, len(value), 200))
        return "%s. 300 IN %s %s\n" % (name, kind, "10 %s." % value if kind == "MX" else value)
    return "".join(text(name, kind, value) for name, row in records.items() for kind, values in row.items() for value in values)


def signed(folder, author, key, number, to, extra="", body="a word\r\n"):
    """A mail of that author, signed by his domain (selector a)."""
    path = os.path.join(folder, "author.eml")
    with open(path, "w") as out:
        out.write("From: Alice <%s>\r\nTo: %s\r\nSubject: %s\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <%s@x.example>\r\n%s\r\n%s" % (author, to, number, number, extra, body))
    done = subprocess.run([COMMANDS, "dkim", "sign", "--domain", author.split("@")[1], "--selector", "a", "--key", key, path], capture_output=True, timeout=60)
    need(done.returncode == 0, "%s is signed by its author" % number)
    return done.stdout


def field(mail, name):
    """The values of a field, unfolded."""
    head = mail.split(b"\r\n\r\n")[0].decode("latin-1") + "\r\n"
    return [re.sub(r"\r\n(?=[ \t])", "", f).strip() for f in re.findall(r"(?ims)^%s:(.*?)\r\n(?![ \t])" % name, head)]
