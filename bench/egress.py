#!/usr/bin/python3
"""CPU per mail of the road out with a DKIM signature (RSA-2048, relaxed/relaxed), ours and the peer in one go, to one smtp-sink.

peer:      smtp-source -> Postfix (milter opendkim signs, client smtp) -> smtp-sink
ours:      smtp-source -> Postfix (no milter, client lmtp) -> sekisho egress (signs, MX from an overlay, ledger on disk) -> smtp-sink
unsigned:  smtp-source -> Postfix (no milter, client smtp) -> smtp-sink: what Postfix takes without any of it

usage: bench/egress.py [--mails N] [--sessions C] [--rounds R] [--binary FILE]
CPU is that of the server's processes from /proc, user and system. "all" is Postfix and what stands beside it; "parts" are those that differ: the peer's smtp client
and opendkim, our lmtp client and egress. Before the rounds one mail goes through each, and its signature is verified. Rounds are interleaved, medians are printed,
of the CPU and of its ratio to the peer in the same round. Postfix and smtp-source keep their connections as they do by default; its processes live through all rounds.
"""
import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

from servers import cpu_by_name, lab, sbin, start_sink

from postfix import Postfix

ROOT = pathlib.Path(__file__).resolve().parent.parent
parser = argparse.ArgumentParser()
parser.add_argument("--mails", type=int, default=2000)
parser.add_argument("--sessions", type=int, default=4)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--binary", default=str(ROOT / "build/release/sekisho"))
options = parser.parse_args()

TEXT = ("From: a@sender.example\nTo: user@dest.example\nSubject: bench\nDate: Thu, 15 Jan 2026 00:00:00 +0000\nMessage-ID: <bench@sender.example>\n\n"
        + "A line of some sixty-odd characters, as mails have many of.\n" * 66)
EGRESS = """
[egress]
listen = ["127.0.0.1:%(egress)d"]
port = %(sink)d
tls = "off"
mx_networks = ["127.0.0.0/8"]
[[signing_key]]
domain = "sender.example"
selector = "s1"
key_file = "%(key)s"
"""
# Its processes serve all rounds, so that what each kind costs can be told; and no wait for a queue that is full.
KEPT = {"max_use": "1000000", "max_idle": "1000s", "smtpd_client_connection_count_limit": "0", "smtpd_relay_restrictions": "permit_mynetworks, reject", "append_dot_mydomain": "no",
        "qmgr_message_active_limit": "40000", "in_flow_delay": "0"}
PARTS = {"peer": ("smtp", "opendkim"), "ours": ("lmtp", "sekisho"), "unsigned": ("smtp",)}


def waiting(queue):
    return sum(len(files) for part in ("maildrop", "incoming", "active", "deferred") for _, _, files in os.walk(os.path.join(queue, part)))


def send(port, mails, mail_file, queue):
    began = time.time()
    subprocess.run([sbin("smtp-source"), "-s", str(options.sessions), "-m", str(mails), "-f", "a@sender.example", "-t", "user@dest.example", "-M", "mail.sender.example", "-F", mail_file,
                    "inet:127.0.0.1:%d" % port], check=True, capture_output=True, timeout=600)
    while waiting(queue):
        if time.time() - began > 300:
            raise RuntimeError("%d mails are still in the queue %s" % (waiting(queue), queue))
        time.sleep(0.05)
    return time.time() - began


class Server:
    def __init__(self, name, postfix, others=()):
        self.name, self.postfix, self.others = name, postfix, others
        self.queue = postfix.base + "/queue"

    def roots(self):
        return [int(open(self.queue + "/pid/master.pid").read())] + [process.pid for process in self.others]

    def measure(self, mail_file):
        before = cpu_by_name(self.roots())
        wall = send(self.postfix.port, options.mails, mail_file, self.queue)
        time.sleep(0.3)
        after = cpu_by_name(self.roots())
        cost = {name: (after[name] - before.get(name, 0)) / options.mails for name in after}
        return {"all": sum(cost.values()), "parts": sum(cost.get(part, 0) for part in PARTS[self.name]), "by name": cost, "rate": options.mails / wall}


def make_key(folder):
    import base64
    key = os.path.join(folder, "s1.pem")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    os.chmod(key, 0o600)
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    record = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()
    return key, 's1._domainkey.sender.example. 300 IN TXT "%s" "%s"\n' % (record[:200], record[200:])


def start_opendkim(folder, key):
    at, conf = os.path.join(folder, "opendkim.socket"), os.path.join(folder, "opendkim.conf")
    with open(conf, "w") as out:
        out.write("Mode s\nSocket local:%s\nUMask 000\nBackground no\nSyslog no\nUserID root\nDomain sender.example\nSelector s1\nKeyFile %s\nCanonicalization relaxed/relaxed\n"
                  "SignatureAlgorithm rsa-sha256\nInternalHosts 127.0.0.1\nRequireSafeKeys no\n" % (at, key))
    process = subprocess.Popen([sbin("opendkim"), "-f", "-x", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not lab.until(lambda: os.path.exists(at)):
        process.terminate()
        raise RuntimeError("opendkim did not open its socket")
    return process, "unix:" + at


def prove(servers, mail_file, zone_file, sink_port):
    """One mail through each, into a sink that keeps it: signed where it should be, and well."""
    sink = lab.Sink(port=sink_port)
    for server in servers:
        sink.mails.clear()
        send(server.postfix.port, 1, mail_file, server.queue)
        seen = json.loads(subprocess.run([options.binary, "dkim", "verify", "--json", "--zone", zone_file, "-"], input=sink.mails[0]["data"], capture_output=True).stdout)
        if [s["result"] for s in seen] != ([] if server.name == "unsigned" else ["pass"]):
            raise RuntimeError("%s: the signature is %s" % (server.name, seen))
    for client in list(sink.open):  # kept connections: the real sink takes their place
        client.shutdown(socket.SHUT_RDWR)
    sink.close()


def show(found):
    print("%d sessions, %d mails a round, %d rounds; CPU ms a mail, ratio to the peer in the same round" % (options.sessions, options.mails, options.rounds))
    print("%-9s %10s %7s %12s %7s %9s  %s" % ("server", "all", "ratio", "parts", "ratio", "mails/s", "by program"))
    for name, rows in found.items():
        ratios = [statistics.median(row[key] / base[key] for row, base in zip(rows, found["peer"])) for key in ("all", "parts")]
        middle = {key: statistics.median(row[key] for row in rows) for key in ("all", "parts", "rate")}
        programs = {p: statistics.median(row["by name"].get(p, 0) for row in rows) for p in sorted({p for row in rows for p in row["by name"]})}
        told = ", ".join("%s %.3f" % pair for pair in sorted(programs.items(), key=lambda pair: -pair[1]) if pair[1] >= 0.005)
        print("%-9s %10.3f %6.2fx %12.3f %6.2fx %9.0f  %s" % (name, middle["all"], ratios[0], middle["parts"], ratios[1], middle["rate"], told), flush=True)


def main():
    missing = [name for name in ("smtp-source", "postfix", "opendkim") if not sbin(name)]
    if missing or os.geteuid() != 0:
        print("needs root and the packages postfix and opendkim; missing: " + (", ".join(missing) or "root"))
        return 77
    lab.BINARY = options.binary
    with lab.Folder() as folder:
        key, zone = make_key(folder)
        mail_file, sink_port, egress_port = os.path.join(folder, "mail"), lab.free_port(), lab.free_port()
        with open(mail_file, "w") as out:
            out.write(TEXT)
        zone += "dest.example. 300 IN MX 10 mx.dest.example.\nmx.dest.example. 300 IN A 127.0.0.1\n"
        to_sink = "smtp:[127.0.0.1]:%d" % sink_port
        opendkim, milter = start_opendkim(folder, key)
        try:
            with lab.Sekisho(folder, lab.NEXT_HOP + EGRESS, zone, sink=sink_port, egress=egress_port, key=key, binary=options.binary) as gate, \
                    Postfix(folder, "peer", dict(KEPT, default_transport=to_sink, smtpd_milters=milter)) as peer, \
                    Postfix(folder, "ours", dict(KEPT, default_transport="lmtp:inet:127.0.0.1:%d" % egress_port)) as ours, \
                    Postfix(folder, "unsigned", dict(KEPT, default_transport=to_sink)) as unsigned:
                servers = [Server("peer", peer, [opendkim]), Server("ours", ours, [gate.process]), Server("unsigned", unsigned)]
                prove(servers, mail_file, os.path.join(folder, "gate.zone"), sink_port)
                sink = start_sink(sink_port)
                try:
                    for server in servers:
                        send(server.postfix.port, 100, mail_file, server.queue)
                    found = {server.name: [] for server in servers}
                    for _ in range(options.rounds):
                        for server in servers:
                            found[server.name].append(server.measure(mail_file))
                    show(found)
                finally:
                    sink.terminate()
                print("ledger", "verified" if gate.run("ledger", "verify").returncode == 0 else "NOT VERIFIED")
        finally:
            opendkim.terminate()
    return 0


sys.exit(main())
