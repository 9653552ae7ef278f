#!/usr/bin/python3
"""256 descriptors and 1,000 clients: no crash, each client gets its greeting or a 421, and those that hold sessions are served.

The control is a server with enough descriptors, which greets all of them. When the crowd has gone, mail flows as before. Then the harder case: the limit is
lowered while the server runs, so that accept() itself fails: the descriptor in reserve keeps it answering, and the log says so.
"""
import resource
import socket
import subprocess
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, release_binary, until

CROWD, FEW = 1000, 256


def crowd(gate, count, held):
    """Opens connections; gives the first line of each (220, 421, or nothing: hung up on or still waiting)."""
    sockets = []
    for _ in range(count):
        s = socket.socket()
        s.settimeout(5)
        s.connect(("127.0.0.1", gate.port))
        sockets.append(s)
    lines = []
    for s in sockets:
        try:
            lines.append(s.recv(200)[:3].decode())
        except (TimeoutError, ConnectionError) as how:
            lines.append(type(how).__name__)
        (held if lines[-1] == "220" else []).append(s)
    for s, line in zip(sockets, lines):
        if line != "220":
            s.close()
    return lines


def kinds(lines):
    return {k: lines.count(k) for k in sorted(set(lines))}


def works(gate, what, word):
    client = Client(gate.port)
    reply = client.send(message(message_id=word + "@sender.example")) if client.greeting.startswith("220") else client.greeting
    client.close()
    need(reply.startswith("250"), "%s: %s" % (what, reply))


def deliver(held, count):
    """Some of those who hold a session send a mail over it."""
    taken = 0
    for s in held[:count]:
        client = Client.__new__(Client)
        client.socket, client.stream = s, s.makefile("rb")
        taken += client.send(message(message_id="held%d@sender.example" % taken)).startswith("250")
    return taken


def descriptors(gate):
    return len(subprocess.run(["ls", "/proc/%d/fd" % gate.process.pid], capture_output=True, text=True).stdout.split())


def enough(folder, sink):
    with Sekisho(folder, NEXT_HOP, ZONE, name="enough", sink=sink.port) as gate:
        held = []
        lines = crowd(gate, CROWD, held)
        need(kinds(lines) == {"220": CROWD}, "control: with enough descriptors all are greeted: %r" % kinds(lines))
        for s in held:
            s.close()


def few(folder, sink):
    with Sekisho(folder, NEXT_HOP, ZONE, name="few", wrap=("prlimit", "--nofile=%d:%d" % (FEW, FEW)), sink=sink.port) as gate:
        works(gate, "%d descriptors, nobody else: taken" % FEW, "first")
        idle, held = descriptors(gate), []
        lines = crowd(gate, CROWD, held)
        need(set(lines) == {"220", "421"} and lines.count("220") >= 50, "%d clients: %r; none is left without an answer" % (CROWD, kinds(lines)))
        need(descriptors(gate) <= FEW - 20, "%d of %d descriptors are in use: there is room for the next hop and the disk" % (descriptors(gate), FEW))
        need(deliver(held, 20) == 20, "twenty of those greeted deliver a mail while the others hold their sessions")
        need(gate.metrics()["sekisho_sessions_turned_away"] == lines.count("421"), "the metrics count those turned away")
        until(lambda: "sessions_full" in gate.log_text(), seconds=4, what="the log says so once: %d" % gate.log_text().count("sessions_full"))
        for s in held:
            s.close()
        until(lambda: gate.metrics()["sekisho_sessions"] == 0, what="the crowd is gone")
        works(gate, "mail flows as before", "after")
        until(lambda: descriptors(gate) <= idle + 12, what="and the descriptors are given back: %d" % descriptors(gate))


def lowered(folder, sink):
    """Below what is open already, accept() fails with EMFILE. Not with sanitizers: UBSan needs a descriptor to look at an object."""
    with Sekisho(folder, NEXT_HOP, ZONE, name="lowered", binary=release_binary(), sink=sink.port) as gate:
        works(gate, "with enough descriptors: taken", "one")
        held = []
        crowd(gate, 30, held)
        resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, (descriptors(gate), resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE)[1]))
        before = time.monotonic()
        lines = crowd(gate, 50, held)
        took = time.monotonic() - before
        need("TimeoutError" not in lines and took < 5, "no descriptor left: 50 clients are hung up on at once, none waits: %r in %.1f s" % (kinds(lines), took))
        until(lambda: "descriptors_short" in gate.log_text(), seconds=4, what="the log says descriptors_short")
        need(deliver(held[:30], 5) >= 0 and gate.process.poll() is None, "the server lives")
        resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, (4096, resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE)[1]))
        for s in held:
            s.close()
        until(lambda: gate.metrics().get("sekisho_sessions") == 0, what="the limit is raised again, the sessions end")
        works(gate, "and mail flows", "two")


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with Folder() as folder:
        sink = Sink()
        for part in (enough, few, lowered):
            part(folder, sink)


main()
