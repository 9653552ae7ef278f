#!/usr/bin/python3
"""Nobody reads the log: standard error is a pipe that is full. The server goes on, counts the lines it lost, and ends in order.

Also: the reader of the pipe goes away, and a log file on a full disk. The control reads its pipe and loses nothing.
"""
import fcntl
import os
import subprocess
import threading
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, skip, until

DEBUG = "\n[log]\nlevel = \"debug\"\n%(file)s\n"


class Piped(Sekisho):
    """Its log is a pipe; `reader` is our end."""

    def start(self):
        self.reader, writer = os.pipe()
        fcntl.fcntl(writer, 1031, 4096)  # F_SETPIPE_SZ: small
        self.process = subprocess.Popen([self.binary, "serve", "-c", self.config], stdout=writer, stderr=writer, env=self.env)
        os.close(writer)
        until(lambda: self.process.poll() is not None or self.answers(), seconds=30)
        if self.process.poll() is not None:
            raise AssertionError("serve ended with %d" % self.process.returncode)

    def answers(self):
        try:
            Client(self.port).close()
            return True
        except OSError:
            return False

    def log_text(self):
        return ""


def send(gate, count):
    client, taken = Client(gate.port), 0
    slowest = 0
    for i in range(count):
        begun = time.monotonic()
        taken += client.send(message(message_id="m%d@sender.example" % i)).startswith("250")
        slowest = max(slowest, time.monotonic() - begun)
        if i % 50 == 49:
            client.close()
            client = Client(gate.port)
    client.close()
    return taken, slowest


def refuse(gate, count):
    """Each refusal is a debug line: the cheapest way to many of them."""
    for _ in range(count // 18):
        client = Client(gate.port)
        client.socket.sendall(b"EHLO c\r\nMAIL FROM:<a@sender.example>\r\n" + b"RCPT TO:<x@elsewhere.example>\r\n" * 18 + b"QUIT\r\n")
        while client.stream.readline():
            pass
        client.socket.close()


def blocked(folder, sink):
    with Piped(folder, NEXT_HOP + DEBUG, ZONE, name="blocked", sink=sink.port, file="") as gate:
        os.set_blocking(gate.reader, False)
        taken, slowest = send(gate, 300)
        need(taken == 300 and slowest < 3, "nobody reads the log: 300 of 300 mails are taken, the slowest in %.2f s" % slowest)
        lost = gate.metrics()["sekisho_log_lines_dropped"]
        print("note: %d lines dropped after 300 mails (the queue holds 8192)" % lost)
        threads = [threading.Thread(target=refuse, args=(gate, 3600)) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        until(lambda: gate.metrics()["sekisho_log_lines_dropped"] > 0, seconds=20, what="lines are dropped and counted: %d" % gate.metrics()["sekisho_log_lines_dropped"])
        taken, slowest = send(gate, 50)
        need(taken == 50, "and mail is still taken")
        text = b""
        end = time.time() + 10
        while time.time() < end and b"lines_dropped" not in text:
            try:
                text += os.read(gate.reader, 1 << 20)
            except BlockingIOError:
                send(gate, 1)
                time.sleep(0.05)
        need(b"lines_dropped lines_count=" in text, "once somebody reads, the log says how many it lost: " + text[text.index(b"lines_dropped"):][:40].decode().split("\n")[0])
        os.set_blocking(gate.reader, True)
        while len(text) < 4096:
            text += os.read(gate.reader, 4096)
        begun = time.monotonic()
        code = gate.stop()  # the pipe is full again or soon will be
        need(code == 0 and time.monotonic() - begun < 10, "it ends in order although the log is blocked: %d after %.1f s" % (code, time.monotonic() - begun))
        os.close(gate.reader)


def hung_up(folder, sink):
    """The reader is gone: writing gives EPIPE, and SIGPIPE must not end us."""
    with Piped(folder, NEXT_HOP + DEBUG, ZONE, name="hungup", sink=sink.port, file="") as gate:
        os.close(gate.reader)
        taken, _ = send(gate, 50)
        need(taken == 50 and gate.process.poll() is None, "the reader of the log is gone: 50 of 50 mails are taken")


def full(folder, sink):
    """A log file on a disk without room."""
    disk = os.path.join(folder, "log-disk")
    os.makedirs(disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        print("note: no tmpfs can be mounted here: the full log disk is not tried")
        return
    try:
        with Sekisho(folder, NEXT_HOP + DEBUG, ZONE, name="full", sink=sink.port, file='file = "%s/sekisho.log"' % disk) as gate:
            with open(os.path.join(disk, "ballast"), "wb") as out:
                try:
                    out.write(b"\0" * (1 << 20))
                except OSError:
                    pass
            taken, _ = send(gate, 50)
            need(taken == 50 and gate.process.poll() is None, "the disk of the log is full: 50 of 50 mails are taken")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def control(folder, sink):
    with Piped(folder, NEXT_HOP + DEBUG, ZONE, name="control", sink=sink.port, file="") as gate:
        read = []
        threading.Thread(target=lambda: [read.append(os.read(gate.reader, 65536)) for _ in iter(int, 1)], daemon=True).start()
        taken, _ = send(gate, 300)
        need(taken == 300 and gate.metrics()["sekisho_log_lines_dropped"] == 0, "control: a log that is read loses no line")
        until(lambda: b"".join(read).count(b"mail_judged") == 300, what="and has all 300")


def main():
    with Folder() as folder:
        sink = Sink()
        for part in (control, blocked, hung_up, full):
            part(folder, sink)


main()
