#!/usr/bin/python3
"""The mediator goes away and comes again: Postfix tells its clients to come again and loses nothing. Clients that send rubbish, too much, too slowly or
too many questions at once harm nobody else.
"""
import signal
import socket
import subprocess
import time

from forwarder import Forwarder, netstring, read_netstring
from lab import Folder, need, until


def connect(port):
    client = socket.create_connection(("127.0.0.1", port), 10)
    client.settimeout(10)
    return client, client.makefile("rb")


def ask(f, text):
    client, stream = connect(f.port)
    client.sendall(netstring(text))
    answer = read_netstring(stream)
    client.close()
    return answer


def closed_after(f, octets, word, port=None):
    client, stream = connect(port or f.port)
    try:
        client.sendall(octets)
        said = stream.read()
    except OSError:  # it had more to say than anybody would hear
        said = b"reset"
    client.close()
    need(word in said or said == b"reset", "%r... gets %r and the line is closed" % (octets[:16], said[:60]))


def hostile(f):
    closed_after(f, b"GET / HTTP/1.1\r\n\r\n", b"no netstring")
    closed_after(f, b"99999999999999999999:", b"at most")
    closed_after(f, b"20000:" + b"x" * 100, b"at most")
    closed_after(f, b"007:forward,", b"no netstring")
    closed_after(f, b"3:abcd", b"no netstring")
    closed_after(f, b"get " + b"x" * 10000, b"at%20most", f.tcp_forward)
    for question in ("", "other a@b.example", "forward", "forward ", "forward a@b@c", "forward \0\r\n", "reverse " + "x" * 16000):
        answer = ask(f, question)
        need(answer.startswith(("NOTFOUND ", "PERM ")), "%r gets %s" % (question[:20], answer[:30]))
    client, stream = connect(f.port)
    client.sendall(b"".join(netstring("forward u%d@first.example" % i) for i in range(2000)))
    answers = [read_netstring(stream) for _ in range(2000)]
    need(all(a.startswith("OK SRS0=") and "=u%d@" % i in a for i, a in enumerate(answers)), "2,000 questions at once get 2,000 answers in order")
    client.close()
    slow, stream = connect(f.port)
    slow.sendall(b"30:forw")
    started = time.time()
    need(stream.read() == b"" and 0.5 < time.time() - started < 8, "one that never ends its question is hung up on")
    held = [connect(f.port) for _ in range(20)]
    until(lambda: f.gate.metrics().get('sekisho_mediator_connections_total{end="full"}', 0) >= 1, what="more than connections_count are turned away")
    for client, stream in held:
        stream.close()
        client.close()
    until(lambda: ask(f, "forward a@first.example") is not None, what="and there is room again")
    until(lambda: "mediator_refused" in f.gate.log_text(), 10, "the log says that somebody was refused")


def away(f):
    need(f.send("user@first.example", "alias@fwd.example", "m1").startswith("250"), "control: all is well")
    need(f.arrived("someone@far.example"), "and it left")
    before = len(f.sink.mails)
    f.gate.process.send_signal(signal.SIGKILL)
    f.gate.process.wait()
    reply = f.send("user@first.example", "alias@fwd.example", "m2")
    need(reply[:1] == "4", "without the mediator Postfix says: " + reply)
    time.sleep(1)
    need(len(f.sink.mails) == before, "and sends nothing on")
    f.gate.start()
    until(lambda: f.send("user@first.example", "alias@fwd.example", "m2").startswith("250"), what="it is there again: the client's retry is taken")
    mails = f.sink.wait(before + 1)
    need(len(mails) == before + 1 and mails[-1]["mail_from"].startswith("SRS0="), "and leaves once, rewritten")


def bad_settings(f):
    good = open(f.gate.config).read()
    line = good.split("\n").index("[mediator]")
    for old, new, want in (('srs_domain = "srs.example"', 'srs_domain = "no domain"', "mediator.srs_domain: \"no domain\" is not a domain name"),
                           ('srs_domain = "srs.example"', "", "mediator.srs_domain: is missing"),
                           ('secret_file = "%s"' % f.secret, 'secret_file = "/nowhere/secret"', "srs secret --new"),
                           ('"partner.example"', '"no domain"', "mediator.exclude_domains"),
                           ("listen = [\"127.0.0.1:%d\"]" % f.port, 'listen = ["0.0.0.0:%d"]' % f.port, "no loopback address: set mediator.clients"),
                           ("[mediator]", '[mediator]\nclients = ["0.0.0.0/0"]', "the whole Internet"), ("[mediator]", '[mediator]\nhash_length = 2', "mediator.hash_length")):
        path = f.folder + "/bad.toml"
        need(old in good, "control: the config has " + old[:30])
        with open(path, "w") as out:
            out.write(good.replace(old, new, 1))
        done = subprocess.run([f.binary, "config", "check", "-c", path], capture_output=True, text=True)
        text = done.stdout + done.stderr
        told = [l for l in text.split("\n") if want in l]
        need(done.returncode != 0 and told and told[0].startswith(path + ":"), "config check: " + (told or [text])[0][-110:])
    need(line > 0, "control: there is a mediator in it")


def main():
    with Folder() as folder, Forwarder(folder, more="request_ms = 1000\nconnections_count = 15") as f:
        hostile(f)
        away(f)
        bad_settings(f)


main()
