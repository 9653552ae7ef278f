"""SIGTERM: doors close, idle sessions get 421, transactions end; server.drain_ms bounds it, a second signal ends it at once."""
import re
import signal
import socket
import time

from lab import NEXT_HOP, ZONE, Client, Folder, Sekisho, Sink, message, need, until


def begun(port, *lines):
    client = Client(port)
    for line in ("EHLO client.example", *lines):
        client.say(line)
    return client


MAIL = ("MAIL FROM:<a@sender.example>", "RCPT TO:<user@dest.example>")


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return True


def in_order(folder, sink):
    gate = Sekisho(folder, NEXT_HOP, zone=ZONE, sink=sink.port)
    idle, middle, writing = begun(gate.port), begun(gate.port, *MAIL), begun(gate.port, *MAIL, "DATA")
    writing.socket.sendall(b"Subject: half\r\n")
    gate.process.send_signal(signal.SIGTERM)
    need(idle.reply()[:9] == "421 4.3.2", "a session between transactions gets its 421 at once")
    need(until(lambda: refused(gate.port), 5), "nobody is let in any more")
    need(gate.process.poll() is None, "while transactions are under way")
    writing.socket.sendall(message(message_id="writing@sender.example").encode() + b".\r\n")
    need(writing.reply()[:3] == "250" and writing.reply()[:9] == "421 4.3.2", "data under way are taken, then the session ends")
    need(middle.say("DATA")[:3] == "354", "a transaction before DATA goes on too")
    need(middle.say(message(message_id="middle@sender.example") + ".")[:3] == "250" and middle.reply()[:9] == "421 4.3.2", "to its end")
    started = time.time()
    need(gate.process.wait(10) == 0 and time.time() - started < 5, "then the server ends with 0")
    need(len(sink.mails) == 2, "both mails have arrived")
    shown = gate.json("ledger", "show", "--limit", "1000")
    stopped = [r for r in shown["records"] if r["event"] == "stopped"]
    need(len(stopped) == 1 and stopped[0]["fields"][0]["value"] == "signal", "the ledger's last word is stopped")
    need(gate.json("ledger", "verify")["verified"], "and it verifies")
    need("stopping reason=signal grace_ms=30000" in gate.log_text() and "sessions_left" not in gate.log_text(), "the log has it")


def bounded(folder, sink):
    gate = Sekisho(folder, NEXT_HOP, zone=ZONE, name="bounded", sink=sink.port, server="drain_ms = 1500")
    stuck = begun(gate.port, *MAIL)
    started = time.time()
    gate.process.send_signal(signal.SIGTERM)
    code, took = gate.process.wait(20), time.time() - started
    need(code == 0 and 1.3 < took < 6, "a transaction that does not end holds the server for server.drain_ms: %.1f s" % took)
    need(re.search("sessions_left sessions_count=1", gate.log_text()), "and what was left is told")
    need(stuck.reply()[:3] in ("421", ""), "its client is told to come again")


def second_word(folder, sink):
    gate = Sekisho(folder, NEXT_HOP, zone=ZONE, name="second", sink=sink.port)
    stuck = begun(gate.port, *MAIL)
    gate.process.send_signal(signal.SIGTERM)
    until(lambda: refused(gate.port), 5)
    time.sleep(1.5)
    need(gate.process.poll() is None, "control: one signal waits for the transaction")
    gate.process.send_signal(signal.SIGTERM)
    started = time.time()
    need(gate.process.wait(10) == 0 and time.time() - started < 4, "a second one ends at once: %.1f s" % (time.time() - started))
    need(stuck.reply()[:3] in ("421", ""), "its client is told to come again")
    until(lambda: "stopping reason=\"second signal\" grace_ms=0" in gate.log_text(), 10, "the log knows why")
    need(gate.json("ledger", "verify")["verified"], "the ledger is closed in order all the same")


def main():
    with Folder() as folder:
        for one in in_order, bounded, second_word:
            one(folder, Sink())


main()
