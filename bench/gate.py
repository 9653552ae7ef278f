#!/usr/bin/python3
"""CPU per mail of the whole gate beside its peers, in one go.

ours:      smtp-source -> sekisho serve (identity on, DNS from an overlay, ledger on disk) -> smtp-sink
goal:      smtp-source -> smtp-sink
floor:     smtp-source -> floor_proxy -> smtp-sink: two dialogues and nothing else; and the same with a durable record a mail
           (when it is built: tools/build release floor_proxy)
postfix:   smtp-source -> Postfix smtpd with opendkim and opendmarc as milters -> smtp-sink   (when they are installed)

usage: bench/gate.py [--mails N] [--sessions C,C,...] [--rounds R] [--skip-postfix] [--state DIR]
CPU is that of the server's processes from /proc, user and system; rounds are interleaved; medians are printed, of the CPU and of the
ratios to smtp-sink in the same round.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from servers import lab, processes, sbin, start, start_sink

ROOT = pathlib.Path(__file__).resolve().parent.parent

parser = argparse.ArgumentParser()
parser.add_argument("--mails", type=int, default=3000)
parser.add_argument("--sessions", default="4,20,50", help="sessions of smtp-source at a time, one table each")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--skip-postfix", action="store_true")
parser.add_argument("--state", help="folder for the ledger (default: a temporary one on disk)")
parser.add_argument("--binary", default=str(ROOT / "build/release/sekisho"))
options = parser.parse_args()
HZ = os.sysconf("SC_CLK_TCK")


def cpu_ms(pids):
    total = 0.0
    for pid in pids:
        for one in processes(pid):
            try:
                total += sum(int(open("/proc/%d/task/%s/schedstat" % (one, t)).read().split()[0]) for t in os.listdir("/proc/%d/task" % one)) / 1e6
                stat = open("/proc/%d/stat" % one).read().rsplit(")", 1)[1].split()
                total += (int(stat[13]) + int(stat[14])) * 1000.0 / HZ  # children that have ended
            except OSError:
                pass
    return total


def source(port, mails, keep, mail_file, sender="a@sender.example", sessions=None):
    command = [sbin("smtp-source"), "-s", str(sessions or options.current), "-m", str(mails), "-f", sender, "-t", "user@dest.example", "-M", "mail.sender.example"]
    command += ["-d"] if keep else []
    command += ["-F", mail_file, "inet:127.0.0.1:%d" % port]
    t = time.time()
    done = subprocess.run(command, capture_output=True, timeout=600)
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-500:])
    return time.time() - t


def measure(pids, port, keep, mail_file, mails):
    before = cpu_ms(pids)
    wall = source(port, mails, keep, mail_file)
    time.sleep(0.2)
    return (cpu_ms(pids) - before) / mails, mails / wall


def make_mails(folder):
    """4 KB of text without a signature, and the same signed RSA-2048."""
    key = os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    import base64
    text = "From: a@sender.example\nTo: user@dest.example\nSubject: bench\nDate: Thu, 15 Jan 2026 00:00:00 +0000\nMessage-ID: <bench@sender.example>\n\n" + "A line of some sixty-odd characters, as mails have many of.\n" * 66
    plain, signed = os.path.join(folder, "plain.eml"), os.path.join(folder, "signed.eml")
    open(plain, "w").write(text)
    out = subprocess.run([options.binary, "dkim", "sign", "--domain", "sender.example", "--selector", "s1", "--key", key, plain], check=True, capture_output=True).stdout
    open(signed, "wb").write(out.replace(b"\r\n", b"\n"))
    return plain, signed, "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()


def postfix(folder, sink_port, record):
    """A Postfix of its own with opendkim and opendmarc, DNS from opendkim's and opendmarc's test files is not possible: unsigned mail only."""
    if not (sbin("postfix") and sbin("opendkim") and sbin("opendmarc")):
        return None
    port, dkim_port, dmarc_port = lab.free_port(), lab.free_port(), lab.free_port()
    conf, queue, data = (os.path.join(folder, n) for n in ("postfix", "queue", "data"))
    for d in (conf, queue, data):
        os.makedirs(d, exist_ok=True)
    shutil.chown(data, "postfix")
    main = {"queue_directory": queue, "data_directory": data, "config_directory": conf, "mydestination": "", "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4",
            "relay_domains": "dest.example", "relay_transport": "smtp:[127.0.0.1]:%d" % sink_port, "smtpd_milters": "inet:127.0.0.1:%d, inet:127.0.0.1:%d" % (dkim_port, dmarc_port),
            "mynetworks": "10.255.255.255/32", "smtpd_client_connection_rate_limit": "0", "smtpd_client_connection_count_limit": "0", "compatibility_level": "3.6",
            "disable_dns_lookups": "yes", "maillog_file": "/dev/null", "maillog_file_prefixes": "/dev", "smtpd_recipient_restrictions": "reject_unauth_destination",
            "alias_maps": "", "alias_database": "", "myhostname": "mx.bench.example", "default_process_limit": "20"}
    open(os.path.join(conf, "main.cf"), "w").write("".join("%s = %s\n" % kv for kv in main.items()))
    master = open("/usr/share/postfix/master.cf.dist").read() if os.path.exists("/usr/share/postfix/master.cf.dist") else open("/etc/postfix/master.cf").read()
    lines = ["127.0.0.1:%d inet n - n - - smtpd" % port if l.startswith("smtp      inet") else l for l in master.splitlines()]
    open(os.path.join(conf, "master.cf"), "w").write("\n".join(l.replace(" y       -", " n       -") if " unix " in l or "inet" in l else l for l in lines) + "\n")
    od = os.path.join(folder, "opendkim.conf")
    open(od, "w").write("Mode v\nSocket inet:%d@127.0.0.1\nBackground no\nSyslog no\nUserID root\nTestDNSData %s\n" % (dkim_port, os.path.join(folder, "dns.txt")))
    open(os.path.join(folder, "dns.txt"), "w").write("s1._domainkey.sender.example %s\n" % record)
    om = os.path.join(folder, "opendmarc.conf")
    open(om, "w").write("Socket inet:%d@127.0.0.1\nBackground false\nSyslog false\nRejectFailures false\nSPFSelfValidate false\nPidFile %s\n" % (dmarc_port, os.path.join(folder, "dmarc.pid")))
    running = [start([sbin("opendkim"), "-f", "-x", od], dkim_port), start([sbin("opendmarc"), "-f", "-c", om], dmarc_port)]
    subprocess.run([sbin("postfix"), "-c", conf, "start"], check=True, capture_output=True)
    lab.wait_port(port, 20)
    master_pid = int(open(os.path.join(queue, "pid/master.pid")).read())
    return {"port": port, "pids": [master_pid] + [p.pid for p in running], "conf": conf, "running": running}


def start_floors(folder, sink_port):
    """The floor twice: without and with a ledger."""
    program = ROOT / "build/release/bench/floor_proxy"
    if not program.exists():
        return []
    ports = lab.free_port(), lab.free_port()
    commands = [[str(program), str(ports[0]), str(sink_port)], [str(program), str(ports[1]), str(sink_port), os.path.join(folder, "floor.ledger")]]
    return [(name, start(command, port), port) for name, command, port in zip(("floor", "floor+ledger"), commands, ports)]


def run_rounds(servers, peer, plain, signed):
    results = {}
    for keep in (False, True):
        for label, mail in (("plain", plain), ("signed", signed)):
            if label == "signed" and options.current != options.all_sessions[0]:
                continue
            for _ in range(options.rounds):
                for name, pid, port in servers:
                    results.setdefault((keep, label, name), []).append(measure([pid], port, keep, mail, options.mails))
            if peer and not keep and options.current == options.all_sessions[0]:
                results.setdefault((keep, label, "postfix+opendkim+opendmarc"), []).append(measure(peer["pids"], peer["port"], keep, mail, max(200, options.mails // 10)))
    return results


def show(results):
    print("%d sessions, %d mails a round, %d rounds" % (options.current, options.mails, options.rounds))
    print("%-12s %-7s %-28s %12s %10s %8s" % ("connection", "mail", "server", "CPU ms/mail", "mails/s", "ratio"))
    for (keep, label, name), rows in results.items():
        base = results[(keep, label, "smtp-sink")]
        ratio = statistics.median(row[0] / b[0] for row, b in zip(rows, base))
        print("%-12s %-7s %-28s %12.3f %10.0f %7.2fx" % ("kept" if keep else "new", label, name, statistics.median(r[0] for r in rows), statistics.median(r[1] for r in rows), ratio), flush=True)


def main():
    if not sbin("smtp-source"):
        print("smtp-source (package postfix) is missing")
        return 77
    options.all_sessions = [int(word) for word in options.sessions.split(",")]
    options.current = options.all_sessions[0]
    with lab.Folder() as folder:
        plain, signed, record = make_mails(folder)
        zone = lab.ZONE + 's1._domainkey.sender.example. 300 IN TXT "%s"\n' % record
        sink_port, alone_port = lab.free_port(), lab.free_port()
        sink, alone = start_sink(sink_port), start_sink(alone_port)
        lab.BINARY = options.binary
        gate = lab.Sekisho(options.state or folder, lab.NEXT_HOP + '[limits]\nexempt = ["127.0.0.0/8"]\ndomain_mails_per_hour = 10000000\ndomain_recipients_per_hour = 10000000\n', zone=zone, sink=sink_port)
        floors = start_floors(folder, sink_port)
        servers = [("smtp-sink", alone.pid, alone_port), ("sekisho", gate.process.pid, gate.port), *((name, process.pid, port) for name, process, port in floors)]
        peer = None if options.skip_postfix else postfix(folder, sink_port, record)
        try:
            for options.current in options.all_sessions:
                for _, _, port in servers:
                    source(port, 20, False, plain)
                show(run_rounds(servers, peer, plain, signed))
            verified = gate.run("ledger", "verify").returncode == 0
        finally:
            if peer:
                subprocess.run([sbin("postfix"), "-c", peer["conf"], "stop"], capture_output=True)
                for p in peer["running"]:
                    p.terminate()
            gate.stop()
            for p in (sink, alone, *(process for _, process, _ in floors)):
                p.terminate()
    print("ledger", "verified" if verified else "NOT VERIFIED")
    return 0


sys.exit(main())
