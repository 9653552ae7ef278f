#!/usr/bin/python3
"""A wall clock that is 400 days ahead or 30 days behind (libfaketime, steady clock untouched): at a start, while running, and back.

Mail is judged and taken; the ledger's days follow, its chain holds, no story is lost: retention does not believe a clock that leaps, says
so, and takes nothing; receipts of refusals still open. The control: days that pass one by one are unlinked when they are over.
"""
import base64
import hashlib
import os
import re
import subprocess
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, release_binary, skip, until

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
LEDGER = "\n[ledger]\nretention_days = 3\n"
DAY = 86400


class Clocked:
    """A server whose wall clock stands `days` from ours."""

    def __init__(self, folder, sink):
        self.folder, self.sink, self.gate, self.file = folder, sink, None, os.path.join(folder, "clock")

    def set(self, days):
        with open(self.file + ".new", "w") as out:
            out.write("%+dd\n" % days)
        os.rename(self.file + ".new", self.file)

    def start(self, days):
        self.set(days)
        if self.gate is None:
            env = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.file, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}
            self.gate = Sekisho(self.folder, NEXT_HOP + LEDGER, ZONE + KEY, binary=release_binary(), env=env, sink=self.sink.port)
        else:
            self.gate.start()
        return self.gate

    def stop(self):
        if self.gate.stop() != 0:
            raise AssertionError("serve ended with %d" % self.gate.process.returncode)

    def segments(self):
        return sorted(f[:10] for f in os.listdir(os.path.join(self.gate.state, "ledger")) if f.endswith(".log"))


KEY = ""


def day(days):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * DAY))


def send(gate, word, octets=None, author="a@sender.example"):
    client = Client(gate.port)
    reply = client.send(octets or message(message_id=word + "@sender.example", author=author), mail_from=author)
    client.close()
    return reply


def signed(folder, word, t, x):
    """A mail with a signature that says when it was made and when it is over (RFC 6376, RFC 8463; canonicalization simple)."""
    text = message(message_id=word + "@sender.example").encode()
    head, body = text.split(b"\r\n\r\n", 1)
    field = "DKIM-Signature: v=1; a=ed25519-sha256; d=sender.example; s=s; t=%d; x=%d; h=From; bh=%s; b=" % (t, x, base64.b64encode(hashlib.sha256(body).digest()).decode())
    data = os.path.join(folder, "digest")
    with open(data, "wb") as out:
        out.write(hashlib.sha256(re.search(rb"From: [^\r]*\r\n", head)[0] + field.encode()).digest())
    made = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", os.path.join(folder, "dkim.pem"), "-in", data], check=True, capture_output=True).stdout
    return field.encode() + base64.b64encode(made) + b"\r\n" + text


def told(gate, words):
    return [w for w in words if gate.run("trace", "--message-id", w + "@sender.example", "--json").returncode == 0]


def healthy(gate, words, what):
    report = gate.json("ledger", "verify")
    need(report["verified"], "%s: the ledger verifies: %s" % (what, report["problems"]))
    need(told(gate, words) == list(words), "%s: each of %d mails still has its story" % (what, len(words)))


def walk(clock):
    """Days one by one: what is over goes, what is not stays."""
    words = []
    for days in range(-6, 1):
        gate = clock.start(days)
        word = "day%d" % (days + 6)
        need(send(gate, word).startswith("250"), "day %s: taken" % day(days))
        words.append(word)
        until(lambda: clock.segments()[-1] == day(days), what="its segment is %s" % day(days))
        clock.stop()
    gate = clock.start(0)
    until(lambda: clock.segments() == [day(d) for d in range(-3, 1)], what="control: retention_days = 3: days before %s are unlinked, one by one" % day(-3))
    healthy(gate, words[-4:], "today")
    return words[-4:]


def receipt(gate):
    refused = send(gate, "refused", author="b@forged.example")
    need(refused.startswith("550"), "a refusal: " + refused)
    return re.search(r"\[(\w+)\]", refused)[1]


def opens(gate, code, what):
    done = gate.run("receipt", code)
    need(done.returncode == 0, "%s: the receipt opens: %s" % (what, (done.stdout + done.stderr).decode().strip().replace("\n", " ")[:90]))


def leap(clock, words, code, days, restart):
    what = "clock %+d days, %s" % (days, "at a start" if restart else "while running")
    before = clock.segments()
    if restart:
        clock.stop()
        clock.start(days)
    else:
        clock.set(days)
    gate = clock.gate
    word = "leap%d%s" % (abs(days), "start" if restart else "run")
    need(send(gate, word).startswith("250"), what + ": taken")
    words.append(word)
    need(send(gate, "no", author="b@forged.example").startswith("550 5.7.26"), what + ": what is forged is still refused")
    if restart:
        until(lambda: set(before) <= set(clock.segments()), what=what + ": nothing is unlinked: %s" % ", ".join(clock.segments()))
        if days > 0:
            until(lambda: "clock_doubted" in gate.log_text(), what=what + ": the log says: " + (re.findall("clock_doubted.*", gate.log_text()) or [""])[-1])
    need(set(before) <= set(clock.segments()), what + ": all days are there")
    healthy(gate, words, what)
    opens(gate, code, what)


def signatures(folder, clock, sink):
    """x= and t= against a clock that is wrong: over, or not begun; never a refusal of what SPF proves."""
    def result(word):
        data = [m["data"].decode("latin-1") for m in sink.mails if word in m["data"].decode("latin-1")][-1]
        return re.search(r"dkim=(\w+)", re.sub(r"\r\n[ \t]+", " ", data))[1]
    now = time.time()
    for days, want in ((0, "pass"), (400, "policy"), (-30, "policy")):
        clock.set(days)
        word = "x%+d" % days
        reply = send(clock.gate, word, signed(folder, word, now - 60, now + 7 * DAY))
        need(reply.startswith("250") and result(word) == want, "a signature from now for 7 days, clock %+d days: taken, dkim=%s" % (days, result(word)))
    clock.set(0)


def main():
    global KEY
    if not os.path.exists(FAKETIME):
        skip("libfaketime is not here (package libfaketime)")
    with Folder() as folder:
        key = os.path.join(folder, "dkim.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
        der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        KEY = 's._domainkey.sender.example. 300 IN TXT "v=DKIM1; k=ed25519; p=%s"\n' % base64.b64encode(der[-32:]).decode()
        sink = Sink()
        clock = Clocked(folder, sink)
        words = walk(clock)
        code = receipt(clock.gate)
        signatures(folder, clock, sink)
        for days, restart in ((400, False), (0, True), (400, True), (0, True), (-30, False), (-30, True), (0, True)):
            leap(clock, words, code, days, restart)
        clock.stop()


main()
