"""Upgrades without a refused connection: the next server takes the doors over, or a service manager keeps them. Clients never stop meanwhile."""
import os
import shutil
import socket
import subprocess
import time

from lab import NEXT_HOP, ZONE, Client, Folder, Sekisho, Sink, free_port, message, need, until, wait_port
from load import DROPPED, REFUSED, Load, ids_of, over_a_restart


def take_over(gate):
    """The next server; the old one is waited for."""
    old, gate.process = gate.process, gate.launch("--take-over")
    need(old.wait(40) == 0, "the old server has ended in order")
    return old


def nothing_lost(load, sink):
    need(load.counts[REFUSED] == 0 and load.counts[DROPPED] == 0, "no connection was refused and none dropped without a word: %s" % load.counts)
    need(not load.odd, "and nothing else happened: %s" % load.odd[:3])
    arrived = ids_of(sink.mails)
    need(load.acked <= set(arrived), "all %d acknowledged mails arrived" % len(load.acked))
    need(len([i for i in arrived if i in load.acked]) == len(load.acked), "each of them once")


def under_load(gate, sink):
    load = Load(gate.port)
    until(lambda: len(load.acked) > 20, 20, "the load runs")
    for _ in range(3):
        take_over(gate)
        taken = len(load.acked)
        until(lambda: len(load.acked) > taken + 20, 30, "the new server takes mail")
    load.stop()
    nothing_lost(load, sink)
    need(gate.json("ledger", "verify")["verified"], "one ledger, written by four servers in turn, verifies")
    events = [r["event"] for r in gate.json("ledger", "show", "--limit", "100000")["records"]]
    need(events.count("started") == 4 and events.count("stopped") == 3, "with the start of each and the end of three")
    until(lambda: gate.log_text().count("took_over") == 3 and gate.log_text().count("handing_over") == 3, 10, "and the log tells it")


def successor_dies(gate):
    """The old server waits for a transaction; meanwhile its successor is killed."""
    busy = Client(gate.port)
    for line in ("EHLO client.example", "MAIL FROM:<a@sender.example>", "RCPT TO:<user@dest.example>"):
        busy.say(line)
    before = gate.log_text().count("handing_over gates_count=1")
    successor = gate.launch("--take-over")
    until(lambda: gate.log_text().count("handing_over gates_count=1") > before, 10, "a successor has come")
    waiting = socket.create_connection(("127.0.0.1", gate.port), 5)
    waiting.settimeout(0.5)
    try:
        early = waiting.recv(100)
    except TimeoutError:
        early = None
    need(early is None, "who comes between the two waits and is not refused: %r" % early)
    successor.kill()
    successor.wait()
    waiting.settimeout(10)
    need(waiting.recv(100)[:4] == b"220 ", "when the successor dies the old server serves on")
    until(lambda: gate.process.poll() is None and "taken_back" in gate.log_text(), 10, "and says so")
    need(busy.say("DATA")[:3] == "354" and busy.say(message(message_id="between@sender.example") + ".")[:3] == "250", "the transaction never noticed")
    need(busy.send(message(message_id="behind@sender.example"))[:3] == "250", "nor does the session end")
    need(gate.run("trace", "--message-id", "between@sender.example").returncode == 0, "the control socket still answers")
    busy.close()


def new_doors(gate):
    other = free_port()
    text = open(gate.config).read()
    with open(gate.config, "w") as out:
        out.write(text.replace('listen = ["127.0.0.1:%d"]' % gate.port, 'listen = ["127.0.0.1:%d", "127.0.0.1:%d"]' % (gate.port, other)))
    take_over(gate)
    for port in gate.port, other:
        wait_port(port, 20, gate.process, greeted=True)
    need(True, "the successor has a config of its own: a door of the old and a new one")


def nobody_there(folder, sink):
    gate = Sekisho(folder, NEXT_HOP, zone=ZONE, name="alone", sink=sink.port)
    gate.stop()
    gate.process = gate.launch("--take-over")
    wait_port(gate.port, 20, gate.process, greeted=True)
    until(lambda: "nobody_to_take_over" in gate.log_text(), 10, "where nobody serves, --take-over is a start")
    need(gate.stop() == 0, "and ends like one")


class Manager:
    """A service manager's part: it holds the listening socket and starts servers with it, as descriptor 3."""

    def __init__(self, gate):
        self.gate, self.socket = gate, socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", gate.port))
        self.socket.listen(500)

    def launch(self):
        script = 'exec 3<&%d; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=mx; exec "$0" "$@"' % self.socket.fileno()
        self.gate.log = open(os.path.join(self.gate.folder, self.gate.name + ".log"), "ab")
        self.gate.process = subprocess.Popen(["/bin/sh", "-c", script, self.gate.binary, "serve", "-c", self.gate.config], pass_fds=[self.socket.fileno()],
                                             stdout=self.gate.log, stderr=self.gate.log)


def handed_in(folder, sink):
    gate = Sekisho(folder, NEXT_HOP, zone=ZONE, name="handed", sink=sink.port)
    gate.stop()
    manager = Manager(gate)
    manager.launch()
    wait_port(gate.port, 20, gate.process, greeted=True)
    load = Load(gate.port, name="handed")
    for _ in range(3):
        taken = len(load.acked)
        until(lambda: len(load.acked) > taken + 10, 20)
        need(gate.stop() == 0, "the service manager stops the server")
        time.sleep(0.3)
        manager.launch()
    load.stop()
    nothing_lost(load, sink)
    gate.stop()
    with open(gate.config) as text:
        other = text.read().replace('listen = ["127.0.0.1:%d"]' % gate.port, 'listen = ["127.0.0.1:%d"]' % free_port())
    with open(gate.config, "w") as out:
        out.write(other)
    manager.launch()
    need(gate.process.wait(20) == 2 and "127.0.0.1:%d (mx) was handed in by the service manager, but mx.listen does not name it" % gate.port in gate.log_text(),
         "a socket that the config does not name is an error that names it")


def activated(folder, sink):
    tool = shutil.which("systemd-socket-activate")
    if not tool:
        return print("SKIP: systemd-socket-activate is not here (package systemd)")
    gate = Sekisho(folder, NEXT_HOP, zone=ZONE, name="activated", sink=sink.port)
    gate.stop()
    gate.process = gate.launch(before=(tool, "-l", "127.0.0.1:%d" % gate.port, "--fdname=mx"))
    until(lambda: "Listening on" in gate.log_text(), 10)
    need("ready" not in gate.log_text().rsplit("Listening on", 1)[1], "systemd-socket-activate listens, no server runs yet")
    client = Client(gate.port)
    need(client.greeting[:3] == "220", "the first client starts it and is served")
    need(client.send(message(message_id="activated@sender.example"))[:3] == "250", "with its mail")
    client.close()
    need(gate.stop() == 0, "and it ends in order")


def main():
    with Folder() as folder:
        sink = Sink()
        with Sekisho(folder, NEXT_HOP, zone=ZONE, sink=sink.port, server="threads = 2") as gate:
            under_load(gate, sink)
            successor_dies(gate)
            counts = over_a_restart(gate)
            need(counts[REFUSED] > 0, "control: a plain stop and start refuses connections: %s" % counts)
            new_doors(gate)
        nobody_there(folder, sink)
        handed_in(folder, sink)
        activated(folder, sink)


main()
