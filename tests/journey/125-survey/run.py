#!/usr/bin/python3
"""`sekisho survey` through a real unbound fed by a real nsd: 2,000 names, some of which never answer, answer SERVFAIL, lie, or have
4,000 records. It is killed with -9 again and again and goes on; what it found is what a run without any kill finds. The controls: without
the faults nothing fails; a damaged or a foreign result file is refused, not read over.
"""
import csv
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

from lab import BINARY, Folder, free_port, need, skip, until

COUNT = 2000
FAULTS = ("silent", "servfail", "lying")
REASONS = ("timeout", "servfail", "refused", "other_code", "too_many_records", "malformed")


class FaultyServer:
    """An authority for silent.jp, servfail.jp and lying.jp; the last answers a question that nobody asked."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            if b"\x08servfail" in query.lower():
                self.socket.sendto(query[:2] + struct.pack(">HHHHH", 0x8402, 1, 0, 0, 0) + query[12:].split(b"\0\0\x29")[0], peer)
            elif b"\x05lying" in query.lower():
                other = b"\x05other\x02jp\0\0\x10\0\x01"
                text = b"\x0ev=spf1 +all   "
                self.socket.sendto(query[:2] + struct.pack(">HHHHH", 0x8400, 1, 1, 0, 0) + other + b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, 15) + text[:15], peer)


def zone_text():
    lines = ["$ORIGIN jp.", "$TTL 300", "@ SOA ns.jp. root.jp. 1 3600 600 86400 300", "@ NS ns.jp.", "ns A 127.0.0.1"]
    names = []
    for i in range(COUNT):
        kind = ("co.", "ac.", "ne.", "")[i % 4]
        name = "n%d.%sjp" % (i, kind)
        names.append(name)
        at = name[:-3]
        if i % 10:  # every tenth does not exist
            lines.append("%s MX %s" % (at, "0 ." if i % 7 == 0 else "10 mx.jp."))
        if i % 3 == 1 and i % 10:
            lines.append('%s TXT "v=spf1 ip4:192.0.2.0/24 %sall"' % (at, "-~?+"[i % 4]))
        if i % 5 == 1:
            lines.append('_dmarc.%s TXT "v=DMARC1; p=%s"' % (at, ("none", "quarantine", "reject")[i % 3]))
        if i % 50 == 1:
            lines.append('_domainkey.%s TXT "o=~"' % at)
    many = "\n".join('many TXT "%03x"' % n for n in range(4000))
    return "\n".join(lines) + "\n" + many + "\n", names


def wait_answer(port):
    """Until the server answers with an address for ns.jp: a port is open before its zones are read."""
    query = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\x02ns\x02jp\0\0\1\0\1"
    end = time.time() + 20
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        while time.time() < end:
            try:
                client.sendto(query, ("127.0.0.1", port))
                reply = client.recv(4096)
                if reply[3] & 15 == 0 and reply[7]:
                    return
            except OSError:
                pass
            time.sleep(0.05)
    raise RuntimeError("port %d does not answer" % port)


class Resolver:
    def __init__(self, folder):
        zone, self.names = zone_text()
        self.faulty = FaultyServer()
        self.nsd_port, self.port = free_port(), free_port()
        with open(folder + "/jp.zone", "w") as out:
            out.write(zone)
        with open(folder + "/nsd.conf", "w") as out:
            out.write('server:\n ip-address: 127.0.0.1@%d\n username: ""\n chroot: ""\n zonesdir: "%s"\n pidfile: "%s/nsd.pid"\n database: ""\n'
                      ' xfrdfile: "%s/xfrd"\n zonelistfile: "%s/zl"\n rrl-ratelimit: 0\n logfile: "%s/nsd.log"\n'
                      'remote-control:\n control-enable: no\nzone:\n name: jp\n zonefile: jp.zone\n' % ((self.nsd_port,) + (folder,) * 5))
        stubs = "".join('stub-zone:\n name: "%s.jp"\n stub-addr: 127.0.0.1@%d\n stub-prime: no\n' % (z, self.faulty.port) for z in FAULTS)
        with open(folder + "/unbound.conf", "w") as out:
            out.write('server:\n interface: 127.0.0.1\n port: %d\n username: ""\n chroot: ""\n directory: "%s"\n pidfile: "%s/unbound.pid"\n use-syslog: no\n'
                      ' logfile: "%s/unbound.log"\n do-daemonize: no\n do-not-query-localhost: no\n module-config: "iterator"\n do-ip6: no\n'
                      ' num-queries-per-thread: 4096\n outgoing-range: 4096\nremote-control:\n control-enable: no\n'
                      'stub-zone:\n name: "jp"\n stub-addr: 127.0.0.1@%d\n stub-prime: no\n%s' % (self.port, folder, folder, folder, self.nsd_port, stubs))
        self.processes = [subprocess.Popen(["nsd", "-d", "-c", folder + "/nsd.conf"])]
        wait_answer(self.nsd_port)
        self.processes.append(subprocess.Popen(["unbound", "-d", "-c", folder + "/unbound.conf"]))
        wait_answer(self.port)

    def stop(self):
        for p in self.processes:
            p.terminate()
        for p in self.processes:
            p.wait()


def command(listed, state, resolver, *more):
    return [BINARY, "survey", listed, "--state", state, "--resolver", "127.0.0.1:%d" % resolver.port, "--timeout-ms", "700", "--json", *more]


def said(path):
    """What each name said, without how often it was asked."""
    with open(path) as rows:
        return {r["domain"]: {k: v for k, v in r.items() if k not in ("domain", "tries")} for r in csv.DictReader(rows)}


def main():
    for tool in ("nsd", "unbound"):
        if not shutil.which(tool):
            skip(tool + " is not installed")
    with Folder() as folder:
        resolver = Resolver(folder)
        try:
            journey(folder, resolver)
        finally:
            resolver.stop()


def journey(folder, resolver):
    listed, whole, often = folder + "/list.txt", folder + "/whole", folder + "/often"
    bad = ["x.%s.jp" % z for z in FAULTS] + ["many.jp"]
    lines = ["\ufeff# names of a test"] + resolver.names[:1000] + ["this is no name", ""] + bad + ["N1.AC.JP."] + resolver.names[1000:] + ["192.0.2.1"]
    with open(listed, "w") as out:
        out.write("\r\n".join(lines))
    began = time.time()
    first = subprocess.run(command(listed, whole, resolver, "--names", folder + "/whole.csv", "--html", folder + "/page.html"), capture_output=True, timeout=120)
    took = time.time() - began
    data = json.loads(first.stdout)
    print("%d names in %.1f s" % (data["names"], took))
    if first.returncode or not data["done"]:
        print(first.returncode, first.stderr.decode()[-500:], first.stdout.decode()[:300])
    need(first.returncode == 0 and data["done"] and data["names"] == COUNT + 4 and data["asked"] == COUNT + 4, "every name is answered or told as failed")
    need(data["garbage"] == [{"line": 1002, "text": "this is no name"}, {"line": len(lines), "text": "192.0.2.1"}], "garbage is told with its lines")
    need(b"list.txt:1002:" in first.stderr and data["duplicates"] == 1, "on stderr too; the name that stands twice is counted once")
    found = said(folder + "/whole.csv")
    for name in bad:
        need(any(v in REASONS for v in found[name].values()), "%s failed, with its reason: %s" % (name, sorted(set(found[name].values()))))
    need(found["many.jp"]["spf"] == "too_many_records" and found["many.jp"]["mx"] == "none", "4,000 records are told as such, the other columns are asked")
    need(not any(v in ("valid", "pass") for v in found["x.lying.jp"].values()), "no record is taken from a liar")
    failed = [n for n, row in found.items() if any(v in REASONS for v in row.values())]
    need(sorted(failed) == sorted(bad), "no other name failed")
    expected = sum(1 for i in range(COUNT) if i % 3 == 1 and i % 10)
    need(data["classes"][-1]["columns"]["spf"].get("valid") == expected, "SPF records are counted: %d" % expected)
    need("<svg" in open(folder + "/page.html").read(), "the page has pictures")

    rounds, kills = random.Random(5), 0
    before = 0
    while True:
        process = subprocess.Popen(command(listed, often, resolver, "--names", folder + "/often.csv", "--rate", "1500"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if kills < 6:  # somewhere behind the start, which takes its time with sanitizers
            until(lambda: process.poll() is not None or (os.path.exists(often + "/results") and os.path.getsize(often + "/results") > before), 20)
            time.sleep(rounds.uniform(0, 0.4))
        try:
            process.communicate(timeout=0 if kills < 6 else 60)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            size = os.path.getsize(often + "/results")
            need(size >= before, "kill %d: %d octets kept" % (kills, size))
            if kills == 3:  # as if the kill had come in the middle of a line
                size -= 5
                os.truncate(often + "/results", size)
            before = size
    need(kills >= 3 and process.returncode == 0, "killed %d times, then done" % kills)
    often_found = said(folder + "/often.csv")
    for rows in (found, often_found):  # the resolver tells of a silent server by silence or, once it has given up, by SERVFAIL: its timing, not ours
        rows["x.silent.jp"] = {column: "no answer" if value in ("timeout", "servfail") else value for column, value in rows["x.silent.jp"].items()}
    other = {name: (row, often_found.get(name)) for name, row in found.items() if often_found.get(name) != row}
    need(often_found == found, "what it found is what the run without a kill found%s" % ("" if not other else ", but: %s" % other))

    stopped = subprocess.Popen(command(listed, folder + "/stop", resolver, "--rate", "300"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    stopped.send_signal(signal.SIGINT)
    text = stopped.communicate(timeout=10)
    need(stopped.returncode == 3 and b"goes on from there" in text[1] and not json.loads(text[0])["done"], "SIGINT: stops, says how to go on")

    report = subprocess.run([BINARY, "survey", "report", whole, "--compare", often, "--json"], capture_output=True, timeout=60)
    need(report.returncode == 0 and json.loads(report.stdout)["classes"] == data["classes"] and len(json.loads(report.stdout)["earlier"]) == 1, "the report needs no DNS")
    with open(folder + "/other.txt", "w") as out:
        out.write("n1.ac.jp\n")
    other = subprocess.run(command(folder + "/other.txt", whole, resolver), capture_output=True, timeout=60)
    need(other.returncode == 2 and b"another list" in other.stderr, "another list is refused")
    other = subprocess.run(command(listed, whole, resolver, "--only", "spf"), capture_output=True, timeout=60)
    need(other.returncode == 2 and b"other questions" in other.stderr, "other questions are refused")
    control = subprocess.run(command(folder + "/other.txt", folder + "/control", resolver), capture_output=True, timeout=60)
    need(control.returncode == 0 and json.loads(control.stdout)["failed"] == 0, "control: a good name alone does not fail")
    with open(whole + "/results", "r+b") as out:
        out.seek(500)
        octet = out.read(1)
        out.seek(500)
        out.write(bytes([octet[0] ^ 1]))
    damaged = subprocess.run([BINARY, "survey", "report", whole], capture_output=True, timeout=60)
    need(damaged.returncode == 2 and b"damaged at octet" in damaged.stderr, "control: a damaged file is refused, and says where")


main()
