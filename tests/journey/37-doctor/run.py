#!/usr/bin/python3
"""`sekisho doctor` on a machine of the test's own: a DNS server that answers what the test says, certificates good and bad, files with
wrong rights, a busy port, a ledger from the future. Each fault is told, with the record or command that mends it; each has its control,
the same thing in order.
"""
import hashlib
import json
import os
import socket
import struct
import subprocess
import threading
import time

from lab import BINARY, Folder, Sink, free_port, need, self_signed

A, PTR, MX, TXT, AAAA, TLSA = 1, 12, 15, 16, 28, 52


def wire(name):
    return b"".join(bytes([len(l)]) + l.encode() for l in name.rstrip(".").split(".") if l) + b"\0"


class Dns:
    """Answers from a table {(name, type): [rdata]}; how = "silent" or "servfail" breaks it, ad sets the AD bit."""

    def __init__(self):
        self.table, self.how, self.ad = {}, "", False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            if self.how == "silent":
                continue
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            name, kind = ".".join(labels).lower(), struct.unpack(">H", query[at + 1:at + 3])[0]
            rows = self.table.get((name, kind), [])
            exists = any(n == name for n, _ in self.table)
            code = 2 if self.how == "servfail" else 0 if exists else 3
            rows = [] if code else rows
            answer = query[:2] + struct.pack(">HHHHH", 0x8180 | (0x20 if self.ad else 0) | code, 1, len(rows), 0, 0) + query[12:at + 5]
            for r in rows:
                answer += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(r)) + r
            self.socket.sendto(answer, peer)


def text(value):
    return bytes([len(value)]) + value.encode()


CONFIG = """[server]
host = "mx.dest.example"
state_dir = "%(state)s"
[mx]
listen = ["127.0.0.1:%(port)d"]
sessions_count = 100
%(tls)s
[dns]
servers = ["127.0.0.1:%(dns)d"]
[[next_hop]]
name = "main"
kind = "smtp"
address = "127.0.0.1:%(sink)d"
[[local_domain]]
name = "dest.example"
next_hop = "main"
check = "table"
recipients = ["user"]
"""


def doctor(config, *words, code=None):
    done = subprocess.run([BINARY, "doctor", "-c", config, *words], capture_output=True, text=True, timeout=120)
    if code is not None:
        need(done.returncode == code, "doctor %s: exit %d %s" % (" ".join(words), done.returncode, done.stderr.strip()))
    return done


def examine(config, section, code=0):
    done = doctor(config, "--only", section, "--json", code=code)
    answer = json.loads(done.stdout)
    need(answer["ok"] == (code == 0) and done.stdout.count("\n") == 1, "%s: one JSON document" % section)
    out = {}
    for f in answer["findings"]:
        need(f["section"] == section, "only %s" % section) if f["section"] != section else None
        if f["grade"] in ("warning", "failure") and not (f["meaning"]["en"] and f["meaning"]["ja"]):
            raise AssertionError("no meaning: %r" % f)
        out.setdefault(f["code"], []).append(f)
    return out


def grades(found, **want):
    for code, grade in want.items():
        got = [f["grade"] for f in found.get(code, [])]
        need(got and all(g == grade for g in got), "%s: %s (%s)" % (code, ", ".join(got) or "not there", "; ".join(f["evidence"] for f in found.get(code, []))))


def dns(config, server, pair):
    t = server.table
    t[("mx.dest.example", A)] = [bytes([192, 0, 2, 25])]
    t[("25.2.0.192.in-addr.arpa", PTR)] = [wire("mx.dest.example")]
    t[("dest.example", MX)] = [struct.pack(">H", 10) + wire("mx.dest.example")]
    grades(examine(config, "dns"), resolver_answers="ok", resolver_validates="skipped", host_address="ok", host_reverse="ok", domain_mx="ok")
    server.ad = True
    grades({f["code"]: [f] for f in json.loads(doctor(config, "--only", "dns", "--dnssec-name", "mx.dest.example", "--json").stdout)["findings"]}, resolver_validates="ok")
    server.ad = False
    grades({f["code"]: [f] for f in json.loads(doctor(config, "--only", "dns", "--dnssec-name", "mx.dest.example", "--json").stdout)["findings"]}, resolver_validates="warning")
    t[("25.2.0.192.in-addr.arpa", PTR)] = [wire("other.example")]
    t[("dest.example", MX)] = [struct.pack(">H", 10) + wire("elsewhere.example")]
    found = examine(config, "dns")
    grades(found, host_reverse="warning", domain_mx="warning")
    need(found["domain_mx"][0]["records"] == ["dest.example. IN MX 10 mx.dest.example."] and found["host_reverse"][0]["records"] == ["25.2.0.192.in-addr.arpa. IN PTR mx.dest.example."], "the records to publish are printed")
    del t[("mx.dest.example", A)]
    grades(examine(config, "dns", 1), host_address="failure")
    server.how = "servfail"
    grades(examine(config, "dns", 1), resolver_answers="warning")
    server.how = "silent"
    began = time.time()
    done = doctor(config, "--only", "dns", "--json", code=1)
    need(json.loads(done.stdout)["findings"][0]["grade"] == "failure" and "no answer in time" in done.stdout, "a silent resolver is a failure, told after %.0f s" % (time.time() - began))
    server.how = ""
    t[("mx.dest.example", A)] = [bytes([192, 0, 2, 25])]


def records(config, server, pair):
    found = examine(config, "records")
    grades(found, domain_spf="warning", domain_dmarc="warning", domain_mta_sts="warning", domain_tlsrpt="warning", host_tlsa="warning")
    key = subprocess.run(["openssl", "x509", "-in", pair[0], "-noout", "-pubkey"], check=True, capture_output=True).stdout
    digest = hashlib.sha256(subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True, capture_output=True).stdout)
    need(found["host_tlsa"][0]["records"] == ["_25._tcp.mx.dest.example. IN TLSA 3 1 1 " + digest.hexdigest()], "TLSA 3 1 1 as openssl computes it")
    lines = found["domain_mta_sts"][0]["records"]
    need(lines[0].startswith('_mta-sts.dest.example. IN TXT "v=STSv1; id=2') and lines[-4:] == ["version: STSv1", "mode: testing", "mx: mx.dest.example", "max_age: 604800"], "the MTA-STS record and the policy file")
    t = server.table
    t[("dest.example", TXT)] = [text("v=spf1 mx -all"), text("unrelated")]
    t[("_dmarc.dest.example", TXT)] = [text("v=DMARC1; p=reject")]
    t[("_mta-sts.dest.example", TXT)] = [text("v=STSv1; id=1")]
    t[("_smtp._tls.dest.example", TXT)] = [text("v=TLSRPTv1; rua=mailto:a@dest.example")]
    t[("_25._tcp.mx.dest.example", TLSA)] = [b"\3\1\1" + digest.digest()]
    grades(examine(config, "records"), domain_spf="ok", domain_dmarc="ok", domain_mta_sts="ok", domain_tlsrpt="ok", host_tlsa="ok")
    t[("dest.example", TXT)].append(text("v=spf1 a -all"))
    t[("_25._tcp.mx.dest.example", TLSA)] = [b"\3\1\1" + bytes(32)]
    grades(examine(config, "records", 1), domain_spf="failure", host_tlsa="failure", domain_dmarc="ok")


def files(config, folder, pair, state):
    grades(examine(config, "certificates"), tls_offered="ok", certificate_pair="ok", certificate_dates="ok", certificate_chain="warning", certificate_name="ok", certificate_key="ok")
    os.chmod(pair[1], 0o600)
    grades(examine(config, "permissions"), state_dir_mode="skipped", key_mode="ok", certificate_mode="ok")
    os.mkdir(state, 0o700)
    grades(examine(config, "permissions"), state_dir_mode="ok")
    os.chmod(state, 0o755), os.chmod(pair[1], 0o644), os.chmod(pair[0], 0o666)
    found = examine(config, "permissions", 1)
    grades(found, state_dir_mode="failure", key_mode="failure", certificate_mode="failure")
    need(found["key_mode"][0]["records"] == ["chmod o-rwx " + pair[1]], "and the command that mends it: " + found["key_mode"][0]["records"][0])
    os.chmod(state, 0o700), os.chmod(pair[1], 0o600), os.chmod(pair[0], 0o644)
    os.mkdir(state + "/ledger")
    segment = state + "/ledger/2020-01-01.000.log"
    open(segment, "w").close()
    os.utime(segment, (time.time() - 60,) * 2)
    grades(examine(config, "clock"), clock_ledger="ok")
    os.utime(segment, (time.time() + 86400,) * 2)
    grades(examine(config, "clock", 1), clock_ledger="failure")
    os.unlink(segment)
    before = sorted(os.listdir(state))
    found = examine(config, "disk")
    grades(found, disk_free="ok", disk_inodes="ok")
    need(sorted(os.listdir(state)) == before, "the disk was timed (%s) and nothing is left" % found["disk_sync"][0]["evidence"])
    grades(examine(config, "limits"), descriptors="ok")
    # Only this process and its children get a lower limit.
    low = subprocess.run(["sh", "-c", 'ulimit -n 300; exec "$@"', "sh", BINARY, "doctor", "-c", config, "--only", "limits", "--json"], capture_output=True, text=True, timeout=30)
    finding = json.loads(low.stdout)["findings"][0]
    need(finding["grade"] == "warning" and finding["records"] == ["LimitNOFILE=712"], "300 descriptors for 100 sessions: " + finding["evidence"])


def ports(config, port):
    grades(examine(config, "ports"), port="ok")
    with socket.create_server(("127.0.0.1", port)):
        found = examine(config, "ports", 1)
        grades(found, port="failure")
        need("python3 (pid %d)" % os.getpid() in found["port"][0]["evidence"], "who holds it: " + found["port"][0]["evidence"])


def table(config):
    done = doctor(config)
    rows = [l for l in done.stdout.split("\n") if l.startswith(("  ok ", "  warning ", "  failure ", "  skipped "))]
    need(len(rows) > 15 and len({len(l) - len(l[11:].lstrip()) for l in rows}) == 1, "the table is lined up: %d rows" % len(rows))
    japanese = doctor(config, "--lang", "ja").stdout
    need("良好" in japanese and "証明書の期限" in japanese and "Certificate dates" not in japanese, "and speaks Japanese")
    for words, code in ((["--only", "nonsense"], 2), (["--probe-rcpt", "user@elsewhere.example"], 2), (["--probe-rcpt", "no address"], 2), (["--mailbox", "/tmp"], 2), (["--lang", "xx"], 2)):
        doctor(config, *words, code=code)
    doctor(config + ".absent", code=2)


def main():
    with Folder() as folder:
        server, sink, port = Dns(), Sink(), free_port()
        pair, state = self_signed(folder, "mx.dest.example"), os.path.join(folder, "state")
        config = os.path.join(folder, "sekisho.toml")
        tls = 'tls_certificate = "%s"\ntls_key = "%s"' % pair

        def write(tls):
            with open(config, "w") as out:
                out.write(CONFIG % {"state": state, "port": port, "tls": tls, "dns": server.port, "sink": sink.port})
        write(tls)
        dns(config, server, pair)
        records(config, server, pair)
        files(config, folder, pair, state)
        ports(config, port)
        table(config)
        write("")
        grades(examine(config, "certificates"), tls_offered="warning")
        other = self_signed(folder, "other.example")
        write('tls_certificate = "%s"\ntls_key = "%s"' % other)
        grades(examine(config, "certificates"), certificate_name="warning")
        write('tls_certificate = "%s"\ntls_key = "%s"' % (pair[0], other[1]))
        done = doctor(config, "--json", code=1)
        need("does not match certificate" in done.stderr and "does not match" in json.loads(done.stdout)["problems"][0]["message"], "a pair that does not fit is told with file and line")


main()
