#!/usr/bin/python3
"""The hours of a sender whose DNS fails go on over a restart; a loop that was held is seen in the metrics and told in the log.

policy.temperror_max_s is 6 s here. The control: without its file the wait begins anew.
"""
import os
import signal
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, until

FAILING = ";!servfail failing.example.\n"
CONFIG = NEXT_HOP + "[policy]\ntemperror_max_s = 6\n"


def mail(gate):
    client = Client(gate.port)
    reply = client.send(message(author="a@failing.example"), mail_from="a@failing.example")
    client.close()
    return reply


def restart(folder, sink):
    with Sekisho(folder, CONFIG, ZONE + FAILING, sink=sink.port) as gate:
        reply = mail(gate)
        need(reply.startswith("451 4.4.3"), "the DNS fails: " + reply)
        first = time.time()
        gate.stop()
        file = os.path.join(gate.state, "temperrors")
        text = open(file).read()
        need("127.0.0.0 failing.example" in text and os.stat(file).st_mode & 0o777 == 0o600, "it is remembered: " + text.strip())
        gate.start()
        need(mail(gate).startswith("451"), "and is still too young after the restart")
        time.sleep(max(0.0, first + 7 - time.time()))
        reply = mail(gate)
        need(reply.startswith("250"), "6 s after the first try, most of them before the restart, it is 'not proven': " + reply)
        gate.stop()
        os.unlink(file)
        gate.start()
        need(mail(gate).startswith("451"), "the control: without the file it begins anew")


def lag(folder, sink):
    with Sekisho(folder, NEXT_HOP, ZONE, sink=sink.port, name="lag") as gate:
        need("sekisho_loop_lag_seconds" in gate.metrics(), "the lag of the loops is a metric")
        time.sleep(0.3)
        os.kill(gate.process.pid, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(gate.process.pid, signal.SIGCONT)
        seen = until(lambda: max(gate.metrics()["sekisho_loop_lag_seconds"], 0) or None, 10)
        need(seen >= 0.7, "a second in which nothing ran is seen: %.3f s" % seen)
        until(lambda: "loop_lag" in gate.log_text(), what="and told in the log")


with Folder() as folder:
    sink = Sink()
    restart(folder, sink)
    lag(folder, sink)
