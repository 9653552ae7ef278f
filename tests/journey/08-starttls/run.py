#!/usr/bin/python3
"""STARTTLS on both sides. Towards the client: offered, used, written into Received and the trail, and nothing said in the clear before
it counts afterwards. Towards the next hop: used where offered, in the clear where TLS fails and may, never where it must not.
A certificate and a key that do not belong together end the start with both files named.
"""
import os
import socket
import ssl
import subprocess
import threading

from lab import COMMANDS, Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, self_signed

TLS = 'tls_certificate = "%s"\ntls_key = "%s"'


def client_side(gate, sink):
    client = Client(gate.port)
    need("STARTTLS" in [line[4:] for line in client.say("EHLO c.example").split("\n")], "EHLO offers STARTTLS")
    need(client.say("STARTTLS now").startswith("501"), "STARTTLS with an argument: 501 (RFC 3207 section 4)")
    client.say("MAIL FROM:<ghost@sender.example>")
    client.say("RCPT TO:<bob@dest.example>")
    need(client.starttls().startswith("220"), "STARTTLS: 220 and a handshake")
    need(client.socket.version() in ("TLSv1.2", "TLSv1.3"), "TLS 1.2 or better: " + client.socket.version())
    need(client.say("RCPT TO:<alice@dest.example>").startswith("503"), "the transaction from before is forgotten (RFC 3207 section 4.2)")
    offer = client.say("EHLO c.example")
    need("STARTTLS" not in offer and "SIZE" in offer, "inside TLS STARTTLS is not offered again")
    need(client.say("STARTTLS").startswith("50"), "nor taken")
    reply = client.send(message(message_id="tls@sender.example"))
    need(reply.startswith("250"), "a mail inside TLS: " + reply)
    client.close()
    data = sink.wait(1)[0]["data"]
    need(sink.mails[0]["mail_from"] == "a@sender.example" and b"with ESMTPS id" in data and b"TLSv1." in data.split(b"\r\nFrom:")[0], "Received says ESMTPS and the TLS version")
    need("TLSv1." in gate.story("tls@sender.example")["events"][0]["client"]["tls"], "so does the trail")
    client = Client(gate.port)
    need(client.send(message(message_id="clear@sender.example")).startswith("250"), "a mail in the clear is taken as well")
    client.close()
    need(b"with ESMTP id" in sink.wait(2)[1]["data"] and gate.story("clear@sender.example")["events"][0]["client"]["tls"] == "", "and says so")


def injection(gate, sink):
    """RFC 3207 section 6: what comes in one packet with STARTTLS was not protected and is thrown away."""
    before = len(sink.mails)
    client = Client(gate.port)
    client.say("EHLO c.example")
    client.socket.sendall(b"STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<evil@sender.example>\r\nRCPT TO:<user@dest.example>\r\nDATA\r\n")
    answer = client.reply()
    answered = b""
    try:
        if answer[:3] == "220":
            client.socket.settimeout(2)
            client.stream.close()
            client.socket = ssl._create_unverified_context().wrap_socket(client.socket)
            client.socket.sendall(b"NOOP\r\n")
            answered = client.socket.recv(4096)
    except OSError as gone:
        answered = b""
        print("the session ended: %s" % gone)
    need(not answered or (answered.count(b"\r\n") == 1 and answered[:3] in (b"250", b"421")), "injected commands are not answered inside TLS: %r" % answered)
    client.socket.close()
    need(len(sink.mails) == before, "nothing of them is delivered")
    client = Client(gate.port)
    client.say("EHLO c.example")
    need(client.say("STARTTLS").startswith("220"), "a client that then speaks no TLS")
    client.socket.sendall(b"MAIL FROM:<evil@sender.example>\r\nRCPT TO:<user@dest.example>\r\n")
    client.socket.settimeout(10)
    try:
        left = client.socket.recv(4096)
    except OSError:
        left = b""
    need(not left.startswith(b"250"), "gets no SMTP reply: %r" % left[:20])
    client.socket.close()
    need(Client(gate.port).greeting.startswith("220"), "the server lives")


class LyingHop:
    """Offers STARTTLS and then: 'broken' - answers the handshake with rubbish; 'inject' - sends replies in the packet of its 220."""

    def __init__(self, how):
        self.how, self.clear, self.socket = how, Sink(), socket.create_server(("127.0.0.1", 0))
        self.port, self.tried, self.helos = self.socket.getsockname()[1], 0, 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        stream = client.makefile("rb")
        client.sendall(b"220 liar ESMTP\r\n")
        taken, data = b"", None
        for line in stream:
            verb = line[:4].upper()
            if data is not None:
                data += line
                if line == b".\r\n":
                    self.clear.mails.append({"data": data[:-3], "rcpts": [], "mail_from": ""})
                    data = None
                    client.sendall(b"250 2.0.0 Ok: queued as CLEAR1\r\n")
            elif verb == b"EHLO":
                client.sendall(b"250-liar\r\n250-STARTTLS\r\n250 8BITMIME\r\n")
            elif verb == b"STAR":
                self.tried += 1
                client.sendall(b"220 go\r\n" + (b"250-injected\r\n250 AUTH PLAIN\r\n" if self.how == "inject" else b""))
                client.recv(10)
                client.sendall(b"this is no TLS record at all\r\n")
                client.close()
                return
            elif verb == b"DATA":
                data = b""
                client.sendall(b"354 go\r\n")
            else:
                client.sendall(b"250 ok\r\n")


def hop(folder, name, port, tls):
    return Sekisho(folder, NEXT_HOP.replace('kind = "smtp"', 'kind = "smtp"\ntls = "%s"' % tls), ZONE, name=name, sink=port)


def send(gate):
    client = Client(gate.port)
    reply = client.send(message())
    client.close()
    return reply


def next_hop_side(folder, pair):
    secure, clear = Sink(tls=pair), Sink()
    for tls, sink, want, used in (("opportunistic", secure, "250", True), ("encrypt", secure, "250", True), ("off", secure, "250", False), ("opportunistic", clear, "250", False), ("encrypt", clear, "4", None)):
        before = len(sink.mails)
        with hop(folder, "hop-%s-%d" % (tls, sink.port), sink.port, tls) as gate:
            reply = send(gate)
        need(reply.startswith(want), "tls = %s, next hop %s STARTTLS: %s" % (tls, "with" if sink is secure else "without", reply))
        got = sink.mails[before:]
        need((used is None and not got) or (len(got) == 1 and got[0]["tls"] == used), "TLS %s" % {True: "was used", False: "was not used", None: "was missing, so nothing left"}[used])
    for how in ("broken", "inject"):
        liar = LyingHop(how)
        with hop(folder, "liar-may-" + how, liar.port, "opportunistic") as gate:
            need(send(gate).startswith("250") and liar.tried >= 1 and len(liar.clear.mails) == 1, "opportunistic, handshake %s: once more in the clear (RFC 7435)" % how)
        liar = LyingHop(how)
        with hop(folder, "liar-must-" + how, liar.port, "encrypt") as gate:
            need(send(gate)[:1] == "4" and liar.tried >= 1 and not liar.clear.mails, "encrypt, handshake %s: 4xx and nothing in the clear" % how)


def wrong_pair(folder, pair, other):
    config = os.path.join(folder, "pair.toml")
    cases = {"mismatch": (pair[0], other[1], "%s: key does not match certificate %s" % (other[1], pair[0])), "no certificate": (os.path.join(folder, "absent.crt"), pair[1], "absent.crt: No such file"), "no key": (pair[0], os.path.join(folder, "absent.key"), "absent.key: No such file"),
             "a key as certificate": (pair[1], pair[1], pair[1])}
    for what, (certificate, key, named) in cases.items():
        with open(config, "w") as out:
            out.write('[server]\nhost = "mx.sekisho.example"\nstate_dir = "%s/pair-state"\n[mx]\nlisten = ["127.0.0.1:0"]\n%s\n' % (folder, TLS % (certificate, key)) + NEXT_HOP % {"sink": 1})
        line = 1 + open(config).read().split("\n").index('tls_certificate = "%s"' % certificate)
        for words, code in ((("config", "check", config), 1), (("serve", "-c", config), 2)):
            done = subprocess.run([COMMANDS, *words], capture_output=True, timeout=30)
            text = done.stderr.decode()
            need(done.returncode == code and named in text, "%s, %s: exit %d names the file: %s" % (what, words[0], code, text.strip()))
            need("%s:%d:" % (config, line) in text or "%s:%d:" % (config, line + 1) in text, "and the line of the config")


def main():
    with Folder() as folder:
        pair, other = self_signed(folder, "mx.sekisho.example"), self_signed(folder, "other.example")
        sink = Sink()
        with Sekisho(folder, NEXT_HOP, ZONE, mx=TLS % pair, sink=sink.port) as gate:
            client_side(gate, sink)
            injection(gate, sink)
        with Sekisho(folder, NEXT_HOP, ZONE, name="plain", sink=sink.port) as gate:
            client = Client(gate.port)
            need("STARTTLS" not in client.say("EHLO c.example") and client.say("STARTTLS").startswith("50"), "control: without a certificate STARTTLS is neither offered nor taken")
            client.close()
        next_hop_side(folder, pair)
        wrong_pair(folder, pair, other)


main()
