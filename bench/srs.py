#!/usr/bin/python3
"""SRS over the socket: sekisho's mediator and postsrsd, both by tcp_table, ours by socketmap too, in one go.

usage: bench/srs.py [--questions N] [--rounds R] [--binary FILE]
One question is forward or reverse, half of each, of addresses that differ. `one by one` waits for each answer, as Postfix does; `pipelined` has 64 under way. CPU
is that of the server's processes from /proc; rounds are interleaved; medians are printed. postsrsd makes a process a connection, so a round has one connection
for each direction. Answers are checked: a round with a wrong one is no round.
"""
import argparse
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from servers import lab, processes

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/support"))
from forwarder import CONFIG, netstring  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
parser = argparse.ArgumentParser()
parser.add_argument("--questions", type=int, default=20000)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--binary", default=str(ROOT / "build/release/sekisho"))
options = parser.parse_args()


def cpu_us(pid):
    total = 0.0
    for one in processes(pid):
        for task in os.listdir("/proc/%d/task" % one):
            total += int(open("/proc/%d/task/%s/schedstat" % (one, task)).read().split()[0]) / 1e3
    return total


class Line:
    """One connection: questions as octets, answers counted by their end."""

    def __init__(self, port, end):
        self.socket, self.end = socket.create_connection(("127.0.0.1", port)), end
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, questions):
        self.socket.sendall(b"".join(questions))
        said = b""
        while said.count(self.end) < len(questions):
            more = self.socket.recv(1 << 20)
            if not more:
                raise RuntimeError("hung up on after %r" % said[-100:])
            said += more
        return said.split(self.end)[:-1]


class Server:
    def __init__(self, name, pid, forward_port, reverse_port, socketmap=False):
        self.name, self.pid, self.ports, self.socketmap = name, pid, (forward_port, reverse_port), socketmap

    def question(self, direction, address):
        if self.socketmap:
            return netstring(direction + " " + address)
        return ("get %s\n" % address).encode()

    def address(self, answer):
        return answer.split(b"OK " if self.socketmap else b"200 ", 1)[-1].decode()

    def lines(self):
        end = b"," if self.socketmap else b"\n"
        return Line(self.ports[0], end), Line(self.ports[1], end)

    def round(self, senders, batch):
        """CPU and time a question; every address goes there and back."""
        forward, reverse = self.lines()
        forward.ask([self.question("forward", "warm@up.example")])
        cpu, started, wrong = cpu_us(self.pid), time.time(), 0
        for at in range(0, len(senders), batch):
            some = senders[at:at + batch]
            made = [self.address(a) for a in forward.ask([self.question("forward", s) for s in some])]
            back = [self.address(a) for a in reverse.ask([self.question("reverse", m) for m in made])]
            wrong += sum(b != s for b, s in zip(back, some))
        seconds, cpu = time.time() - started, cpu_us(self.pid) - cpu
        forward.socket.close(), reverse.socket.close()
        if wrong:
            raise RuntimeError("%s: %d of %d did not come back" % (self.name, wrong, len(senders)))
        return cpu / (2 * len(senders)), 2 * len(senders) / seconds


def main():
    if not shutil.which("postsrsd", path="/usr/sbin"):
        lab.skip("the package postsrsd is not installed")
    folder = tempfile.mkdtemp(prefix="sekisho-bench-srs-")
    secret = folder + "/secret"
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
        out.write("a secret that both of them have\n")
    port, tcp_forward, tcp_reverse, peer_forward, peer_reverse = (lab.free_port() for _ in range(5))
    gate = lab.Sekisho(folder, CONFIG, lab.ZONE, binary=options.binary, sink=1, port=port, tcp_forward=tcp_forward, tcp_reverse=tcp_reverse, secret=secret, more="")
    peer = subprocess.Popen(["/usr/sbin/postsrsd", "-4", "-s" + secret, "-dsrs.example", "-f%d" % peer_forward, "-r%d" % peer_reverse], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lab.wait_port(peer_forward, 10, peer)
    servers = [Server("sekisho, socketmap", gate.process.pid, port, port, True), Server("sekisho, tcp_table", gate.process.pid, tcp_forward, tcp_reverse),
               Server("postsrsd 1.10, tcp_table", peer.pid, peer_forward, peer_reverse)]
    senders = ["user%d@customer%d.example" % (i, i % 977) for i in range(options.questions // 2)]
    print("%d questions a round, %d rounds (median)" % (2 * len(senders), options.rounds))
    print("%-12s %-26s %14s %14s %8s" % ("", "server", "CPU us/question", "questions/s", "CPU"))
    try:
        for how, batch in (("one by one", 1), ("pipelined", 64)):
            found = {s.name: [] for s in servers}
            for _ in range(options.rounds):
                for server in servers:
                    found[server.name].append(server.round(senders, batch))
            base = statistics.median(c for c, _ in found[servers[-1].name])
            for server in servers:
                cpu, rate = (statistics.median(x) for x in zip(*found[server.name]))
                print("%-12s %-26s %14.2f %14.0f %7.2fx" % (how, server.name, cpu, rate, cpu / base))
    finally:
        peer.terminate()
        peer.wait()
        gate.stop()
        shutil.rmtree(folder, ignore_errors=True)


main()
