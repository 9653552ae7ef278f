#!/usr/bin/python3
"""Metrics move with what happens, and only loopback can read them.

Each number is read before and after: accepted, refused and deferred mails, SPF and DMARC results, sessions, octets, outcomes, histograms,
ledger records. The format is what Prometheus reads. Nothing of a mail (an address, a domain, a subject) stands in the page.
"""
import http.client
import re
import socket
import subprocess

from lab import COMMANDS, Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, free_port, message, need, until

REFUSE = []


def send(gate, **words):
    client = Client(gate.port)
    reply = client.send(message(**{k: v for k, v in words.items() if k in ("author", "body", "message_id")}), mail_from=words.get("mail_from", "a@sender.example"), rcpts=words.get("rcpts", ("user@dest.example",)))
    client.close()
    return reply


def moved(gate, before, name, by, what):
    until(lambda: gate.metrics().get(name, 0) - before.get(name, 0) == by, seconds=5)
    now = gate.metrics()
    need(now.get(name, 0) - before.get(name, 0) == by, "%s: %s moved by %d" % (what, name, by))


def numbers(gate):
    start = gate.metrics()
    need(send(gate).startswith("250"), "a good mail")
    for name in ('sekisho_mails_total{action="accept"}', 'sekisho_spf_total{result="pass"}', 'sekisho_dmarc_total{result="pass"}', 'sekisho_dkim_total{result="none"}', 'sekisho_outcomes_total{outcome="delivered"}', "sekisho_road_seconds_count", "sekisho_transfer_seconds_count"):
        moved(gate, start, name, 1, "good mail")
    need(gate.metrics()["sekisho_received_bytes_total"] > start.get("sekisho_received_bytes_total", 0) + 200, "octets are counted")
    need(gate.metrics()["sekisho_mail_bytes_total"] > start.get("sekisho_mail_bytes_total", 0) + 100, "octets of mails are counted")
    need(gate.metrics()["sekisho_ledger_records"] > start.get("sekisho_ledger_records", 0), "ledger records are counted")
    before = gate.metrics()
    need(send(gate, author="b@forged.example", mail_from="b@forged.example").startswith("550"), "a forged mail")
    for name in ('sekisho_mails_total{action="reject"}', 'sekisho_spf_total{result="fail"}', 'sekisho_dmarc_total{result="fail"}', 'sekisho_refusals_total{code="dmarc_fail"}'):
        moved(gate, before, name, 1, "forged mail")
    moved(gate, before, 'sekisho_outcomes_total{outcome="delivered"}', 0, "forged mail")
    before = gate.metrics()
    need(send(gate, rcpts=("x@elsewhere.example",)).startswith("550") and send(gate, rcpts=("nobody@dest.example",)).startswith("550"), "a relay try and an unknown recipient")
    moved(gate, before, 'sekisho_refusals_total{code="relay_denied"}', 1, "relay")
    moved(gate, before, 'sekisho_refusals_total{code="recipient_unknown"}', 1, "unknown recipient")
    moved(gate, before, 'sekisho_mails_total{action="accept"}', 0, "control: neither is a mail")
    before = gate.metrics()
    REFUSE.append("451 4.3.0 later")
    need(send(gate).startswith("451"), "a next hop that wants it later")
    REFUSE.clear()
    moved(gate, before, 'sekisho_outcomes_total{outcome="temporary"}', 1, "451 of the next hop")
    before = gate.metrics()
    held = [Client(gate.port) for _ in range(3)]
    until(lambda: gate.metrics()["sekisho_sessions"] - before["sekisho_sessions"] == 3, what="three open sessions")
    for client in held:
        client.close()
    until(lambda: gate.metrics()["sekisho_sessions"] == before["sekisho_sessions"], what="and none again")
    moved(gate, before, 'sekisho_sessions_total{end="quit"}', 3, "three sessions ended by QUIT")


def page(gate):
    connection = http.client.HTTPConnection("127.0.0.1", gate.metrics_port, timeout=5)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    text = answer.read().decode()
    need(answer.status == 200 and answer.getheader("Content-Type", "").startswith("text/plain"), "text/plain: %s" % answer.getheader("Content-Type"))
    helped, typed = set(re.findall(r"(?m)^# HELP (\S+) \S", text)), set(re.findall(r"(?m)^# TYPE (\S+) (?:counter|gauge|histogram)$", text))
    lines = [l for l in text.split("\n") if l and not l.startswith("#")]
    need(lines and all(re.match(r'^sekisho_[a-z_]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? [-+0-9.eE]+(Inf|NaN)?$', l) for l in lines), "every line is a sample of ours")
    families = {re.sub(r"_(bucket|sum|count)$", "", re.match(r"\w+", l)[0]) if "seconds" in l else re.match(r"\w+", l)[0] for l in lines}
    need(families <= helped and families <= typed, "each family has HELP and TYPE")
    need(not re.search(r"sender\.example|forged\.example|dest\.example|Hello|@", text), "no address and no content in the page")
    for request, want in ((("GET", "/secret"), 404), (("POST", "/metrics"), 405), (("GET", "/metrics/../../etc/passwd"), 404)):
        connection = http.client.HTTPConnection("127.0.0.1", gate.metrics_port, timeout=5)
        connection.request(*request)
        need(connection.getresponse().status == want, "%s %s is refused" % request)
    raw = socket.create_connection(("127.0.0.1", gate.metrics_port))
    raw.sendall(b"\x16\x03\x01" + b"\0" * 200 + b"\r\n\r\n")
    raw.close()
    need(gate.metrics(), "rubbish does not harm it")


def loopback(folder, gate):
    mine = [w for w in subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split() if ":" not in w and not w.startswith("127.")]
    for address in mine[:1]:
        try:
            socket.create_connection((address, gate.metrics_port), 2).close()
            need(False, "the metrics answer at " + address)
        except OSError:
            need(True, "nobody listens for metrics at " + address)
    if not mine:
        print("this machine has only loopback: only the setting is tried")
    config = gate.config.replace(".toml", "-open.toml")
    text = open(gate.config).read().replace('listen = "127.0.0.1:%d"' % gate.metrics_port, 'listen = "0.0.0.0:%d"' % free_port())
    open(config, "w").write(text)
    line = 1 + [l.startswith('listen = "0.0.0.0') for l in text.split("\n")].index(True)
    for words, code in ((("config", "check", config), 1), (("serve", "-c", config), 2)):
        done = subprocess.run([COMMANDS, *words], capture_output=True, timeout=30)
        need(done.returncode == code and b"%s:%d: metrics.listen: " % (config.encode(), line) in done.stderr and b"loopback" in done.stderr, "%s: metrics at 0.0.0.0 are an error of line %d" % (words[0], line))


def main():
    with Folder() as folder:
        sink = Sink(answer=lambda verb, argument, session: REFUSE[0] if REFUSE and verb == "DOT" else None)
        with Sekisho(folder, NEXT_HOP, ZONE, sink=sink.port) as gate:
            numbers(gate)
            page(gate)
            loopback(folder, gate)


main()
