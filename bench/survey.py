#!/usr/bin/python3
"""`sekisho survey --only spf` against dnsperf: the same TXT questions through a cold unbound fed by nsd, the peer in the same go.

usage: bench/survey.py [--names N] [--rounds N] [--binary build/release/sekisho]
Prints rate, CPU and answered share of both, and the ratios. Every round starts unbound anew, so that nothing is cached.
"""
import argparse
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port):
    end = time.time() + 60
    while time.time() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("port %d did not open" % port)


def measured(command):
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done, time.time() - began, cpu


class Unbound:
    def __init__(self, folder, nsd_port):
        self.port = free_port()
        with open(folder + "/unbound.conf", "w") as out:
            out.write('server:\n interface: 127.0.0.1\n port: %d\n username: ""\n chroot: ""\n directory: "%s"\n pidfile: "%s/unbound.pid"\n use-syslog: no\n'
                      ' logfile: "%s/unbound.log"\n do-daemonize: no\n do-not-query-localhost: no\n module-config: "iterator"\n do-ip6: no\n so-rcvbuf: 0\n'
                      ' num-queries-per-thread: 4096\n outgoing-range: 8192\n rrset-cache-size: 256m\n msg-cache-size: 128m\nremote-control:\n control-enable: no\n'
                      'stub-zone:\n name: "jp"\n stub-addr: 127.0.0.1@%d\n stub-prime: no\n' % (self.port, folder, folder, folder, nsd_port))
        self.process = subprocess.Popen(["unbound", "-d", "-c", folder + "/unbound.conf"])
        wait_port(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--names", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--window", type=int, default=200)
    options.add_argument("--binary", default=os.path.join(ROOT, "build/release/sekisho"))
    options = options.parse_args()
    for tool in ("nsd", "unbound", "dnsperf"):
        if not shutil.which(tool):
            print("SKIP: %s is not installed" % tool)
            sys.exit(77)
    folder = tempfile.mkdtemp(prefix="sekisho-survey-")
    os.chmod(folder, 0o755)
    nsd_port = free_port()
    names = ["n%d.%sjp" % (i, ("co.", "ac.", "ne.", "")[i % 4]) for i in range(options.names)]
    with open(folder + "/jp.zone", "w") as out:
        out.write("$ORIGIN jp.\n$TTL 300\n@ SOA ns.jp. root.jp. 1 3600 600 86400 300\n@ NS ns.jp.\nns A 127.0.0.1\n")
        for i, name in enumerate(names):
            out.write("%s. TXT \"%s\"\n" % (name, "v=spf1 mx -all" if i % 2 else "no policy"))
    with open(folder + "/nsd.conf", "w") as out:
        out.write('server:\n ip-address: 127.0.0.1@%d\n username: ""\n chroot: ""\n zonesdir: "%s"\n pidfile: "%s/nsd.pid"\n database: ""\n xfrdfile: "%s/xfrd"\n'
                  ' zonelistfile: "%s/zl"\n rrl-ratelimit: 0\n logfile: "%s/nsd.log"\nremote-control:\n control-enable: no\nzone:\n name: jp\n zonefile: jp.zone\n'
                  % ((nsd_port,) + (folder,) * 5))
    with open(folder + "/list", "w") as out:
        out.write("\n".join(names))
    with open(folder + "/queries", "w") as out:
        out.write("".join(name + " TXT\n" for name in names))
    nsd = subprocess.Popen(["nsd", "-d", "-c", folder + "/nsd.conf"])
    rates, cpus = [], []
    try:
        wait_port(nsd_port)
        time.sleep(2)  # the port is open before the zone is read
        for turn in range(options.rounds):
            got = {}
            for who in (("dnsperf", "survey") if turn % 2 else ("survey", "dnsperf")):
                with Unbound(folder, nsd_port) as unbound:
                    if who == "survey":
                        done, seconds, cpu = measured([options.binary, "survey", folder + "/list", "--state", folder + "/state%d" % turn, "--only", "spf", "--json",
                                                       "--per-domain", "1000", "--per-authority", "0", "--window", str(options.window), "--resolver", "127.0.0.1:%d" % unbound.port])
                        said = json.loads(done.stdout)
                        answered = said["answered"] / len(names)
                        if said["classes"][-1]["columns"]["spf"]["valid"] != len(names) // 2:
                            sys.exit("survey counted wrongly")
                    else:
                        done, seconds, cpu = measured(["dnsperf", "-s", "127.0.0.1", "-p", str(unbound.port), "-d", folder + "/queries", "-n", "1", "-q", str(options.window)])
                        answered = int(re.search(r"Queries completed:\s+(\d+)", done.stdout).group(1)) / len(names)
                        seconds = float(re.search(r"Run time \(s\):\s+([\d.]+)", done.stdout).group(1))
                got[who] = (len(names) / seconds, cpu)
                print("%-8s %7.0f names/s  %5.2f s CPU  %8.4f %% answered" % (who, len(names) / seconds, cpu, 100 * answered), flush=True)
            rates.append(got["survey"][0] / got["dnsperf"][0])
            cpus.append(got["survey"][1] / got["dnsperf"][1])
        print("rate: %.2fx dnsperf's (median of %d: %s); CPU: %.2fx" % (statistics.median(rates), len(rates), " ".join("%.2f" % r for r in sorted(rates)), statistics.median(cpus)))
    finally:
        nsd.terminate()
        nsd.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()
