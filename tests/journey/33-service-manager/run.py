"""What is told to the service manager (sd_notify), a watchdog that only live loops feed, and the units in etc/systemd."""
import ctypes
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from lab import BINARY, NEXT_HOP, ROOT, ZONE, Folder, Sekisho, Sink, need, until

PTRACE_CONT, PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 7, 17, 0x4206, 0x4207


class Manager:
    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.told = []

    def hear(self, seconds=0.0):
        """All that was told until then."""
        end = time.time() + seconds
        while True:
            self.socket.settimeout(max(end - time.time(), 0.01))
            try:
                self.told.append((time.monotonic(), dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))))
            except TimeoutError:
                if time.time() >= end:
                    return self.told

    def wait(self, key, seconds=15):
        """The first message with the key behind those asked for before; they are forgotten with it."""
        end = time.time() + seconds
        while time.time() < end:
            self.hear(0.05)
            for i, (_, words) in enumerate(self.told):
                if key in words:
                    del self.told[:i + 1]
                    return words
        raise AssertionError("%s did not come; heard: %s" % (key, self.told))


def dialogue(folder, sink, address, name):
    manager = Manager(address)
    gate = Sekisho(folder, NEXT_HOP, zone=ZONE, name=name, sink=sink.port, env={"NOTIFY_SOCKET": address})
    ready = manager.wait("READY")
    need(ready["READY"] == "1" and ready["MAINPID"] == str(gate.process.pid) and ready["STATUS"] == "takes mail", "READY=1 by %s" % address.replace(folder, ""))
    before = time.monotonic_ns() // 1000
    gate.process.send_signal(signal.SIGHUP)
    reloading = manager.wait("RELOADING")
    need(before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000, "RELOADING=1 with the time of it")
    need(manager.wait("READY")["STATUS"] == "takes mail", "and READY=1 behind it")
    good = open(gate.config).read()
    with open(gate.config, "a") as out:
        out.write("\nbogus = 1\n")
    gate.process.send_signal(signal.SIGHUP)
    manager.wait("RELOADING")
    need("refused" in manager.wait("READY")["STATUS"], "STATUS tells that a reload was refused")
    with open(gate.config, "w") as out:
        out.write(good)
    need(not any("WATCHDOG" in words for _, words in manager.hear(0.5)), "nobody asked for a watchdog, none is fed")
    gate.process.send_signal(signal.SIGTERM)
    need(manager.wait("STOPPING")["STATUS"] == "lets transactions end", "STOPPING=1")
    gate.process.wait(20)


def pings(manager, seconds):
    del manager.told[:]
    return len([1 for _, words in manager.hear(seconds) if "WATCHDOG" in words])


def thread_named(pid, name):
    for path in glob.glob("/proc/%d/task/*/comm" % pid):
        if open(path).read().strip() == name:
            return int(path.split("/")[4])


def watchdog(folder, sink):
    address = os.path.join(folder, "watchdog")
    manager = Manager(address)
    with Sekisho(folder, NEXT_HOP, zone=ZONE, name="watched", sink=sink.port, server="threads = 2", env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}) as gate:
        manager.wait("READY")
        count = pings(manager, 2)
        need(count >= 4, "a watchdog of 1 s hears %d pings in 2 s" % count)
        libc, loop = ctypes.CDLL(None, use_errno=True), thread_named(gate.process.pid, "loop-1")
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(PTRACE_SEIZE, loop, None, None) != 0:
            return print("SKIP: this machine lets nobody trace a thread, so no loop can be held up")
        libc.ptrace(PTRACE_INTERRUPT, loop, None, None)
        os.waitpid(loop, 0x40000000)  # __WALL
        try:
            pings(manager, 1.5)  # what was sent before the stall was noticed is heard first
            count = pings(manager, 2)
            need(count == 0, "one loop of two stands still: no ping any more, the manager would act: %d" % count)
            until(lambda: "loop_stalled loop=1" in gate.log_text(), 10, "and the log names it")
        finally:  # a traced thread that nobody lets go outlives even SIGKILL
            libc.ptrace(PTRACE_DETACH, loop, None, None)
        need(until(lambda: pings(manager, 0.5) >= 1, 10), "control: it goes on, and so do the pings")


def units(folder):
    tool = shutil.which("systemd-analyze")
    if not tool:
        return print("SKIP: systemd-analyze is not here (package systemd)")
    names = []
    for path in sorted(glob.glob(os.path.join(ROOT, "etc/systemd/*"))):
        text = open(path).read()
        name = os.path.join(folder, os.path.basename(path))
        with open(name, "w") as out:
            out.write(text.replace("/usr/bin/sekisho", BINARY))
        names.append(name)
    need([os.path.basename(n) for n in names] == ["sekisho.service", "sekisho.socket"], "etc/systemd has a service and a socket unit")
    done = subprocess.run([tool, "verify", "--man=no", *names], capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "sekisho" in line]
    need(done.returncode == 0 and not ours, "systemd-analyze verify: %s" % (ours or "nothing to say"))
    bad = os.path.join(folder, "bad.service")
    with open(bad, "w") as out:
        out.write(open(names[0]).read().replace("ExecStart=", "ExecStrat="))
    done = subprocess.run([tool, "verify", "--man=no", bad], capture_output=True, text=True)
    need("ExecStrat" in done.stderr, "control: it would have found a misspelt key")
    done = subprocess.run([tool, "security", "--no-pager", "--offline=yes", names[0]], capture_output=True, text=True)
    score = re.search(r"exposure level[^:]*: ([\d.]+)", done.stdout)
    need(score and float(score[1]) <= 1.5, "systemd-analyze security: exposure %s (0 is best, 10 worst)" % (score and score[1]))


def main():
    with Folder() as folder:
        sink = Sink()
        dialogue(folder, sink, os.path.join(folder, "notify"), "path")
        dialogue(folder, sink, "@sekisho-journey-%d" % os.getpid(), "abstract")
        watchdog(folder, sink)
        units(folder)


main()
