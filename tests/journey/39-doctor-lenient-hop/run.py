#!/usr/bin/python3
"""The doctor's probes against a next hop that takes exactly one wrong end of data for the true one: that variant is told and no other, for
every variant there is. A strict one is the control. A hop that is only slow is not called strict; one that changes mail on the way, that
takes everybody, that runs what stands in BDAT, that closes early is found out. A Maildir next hop gives its mail back.
"""
import json
import os
import re
import socket
import subprocess
import threading
import time

from lab import COMMANDS, Folder, NEXT_HOP, free_port, need

ENDS = {"<LF>.<LF>": b"\n.\n", "<LF>.<CR><LF>": b"\n.\r\n", "<CR><LF>.<LF>": b"\r\n.\n", "<CR>.<CR>": b"\r.\r", "<CR>.<CR><LF>": b"\r.\r\n", "<CR><LF>.<CR>": b"\r\n.\r", "<LF>.<CR>": b"\n.\r",
        "<CR>.<LF>": b"\r.\n", "<LF><LF>.<CR><LF>": b"\n\n.\r\n", "<CR><CR><LF>.<CR><CR><LF>": b"\r\r\n.\r\r\n", "<CR><LF><NUL>.<CR><LF>": b"\r\n\0.\r\n", "<CR><LF>.<NUL><CR><LF>": b"\r\n.\0\r\n",
        "<CR><LF>.<VT><CR><LF>": b"\r\n.\v\r\n", "<CR><LF>.<SP><CR><LF>": b"\r\n. \r\n"}
TRUE = b"\r\n.\r\n"


class Hop:
    """Ends data at the true end or at `also`; stores mail in a Maildir after `change`."""

    def __init__(self, maildir, also=b"", change=lambda mail: mail, dot_s=0.0, rcpt=lambda address: address.endswith("user@dest.example"), bdat_runs=False):
        self.maildir, self.also, self.change, self.dot_s, self.rcpt, self.bdat_runs, self.mails = maildir, also, change, dot_s, rcpt, bdat_runs, 0
        for part in ("new", "cur", "tmp"):
            os.makedirs(os.path.join(maildir, part), exist_ok=True)
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def keep(self, octets):
        self.mails += 1
        name = os.path.join(self.maildir, "new", "%d.%d" % (self.port, self.mails))
        with open(name + ".part", "wb") as out:
            out.write(b"Return-Path: <>\nReceived: by lenient hop\n" + self.change(octets))
        os.rename(name + ".part", name)

    def serve(self, client):
        buffer = b""

        def until(*ends):
            nonlocal buffer
            while True:
                found = [(buffer.find(e), e) for e in ends if e and buffer.find(e) >= 0]
                if found:
                    at, end = min(found, key=lambda pair: (pair[0], -len(pair[1])))
                    taken, buffer = buffer[:at], buffer[at + len(end):]
                    return taken
                more = client.recv(4096)
                if not more:
                    raise OSError("gone")
                buffer += more

        say = lambda line: client.sendall(line.encode() + b"\r\n")
        try:
            say("220 lenient ESMTP")
            while True:
                line = until(b"\r\n").decode("latin-1")
                verb = line[:4].upper()
                if verb == "EHLO":
                    say("250-lenient\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 SIZE 100000000")
                elif verb == "RCPT":
                    say("250 2.1.5 ok" if self.rcpt(re.search("<(.*)>", line)[1]) else "550 5.1.1 nobody here")
                elif verb == "DATA":
                    say("354 go")
                    data = until(TRUE, self.also)
                    time.sleep(self.dot_s)
                    self.keep(re.sub(rb"(?m)^\.", b"", data).replace(b"\r\n", b"\n") + b"\n")
                    say("250 2.0.0 taken")
                elif verb == "BDAT":
                    size = int(line.split()[1])
                    while len(buffer) < size:
                        buffer += client.recv(4096)
                    if self.bdat_runs:
                        until(TRUE)
                    else:
                        buffer = buffer[size:]
                    say("250 2.0.0 taken")
                elif verb == "QUIT":
                    say("221 bye")
                    client.close()
                    return
                else:
                    say("250 2.0.0 ok")
        except OSError:
            client.close()


def examine(folder, hop, body=None, words=()):
    config = os.path.join(folder, "c.toml")
    with open(config, "w") as out:
        out.write('[server]\nhost = "mx.sekisho.example"\nstate_dir = "%s/state"\n[mx]\nlisten = ["127.0.0.1:%d"]\n[dns]\nservers = ["127.0.0.1:1"]\n' % (folder, free_port()) + (body or NEXT_HOP % {"sink": hop.port}))
    mailbox = ["--mailbox", hop.maildir] if hop else []
    done = subprocess.run([COMMANDS, "doctor", "-c", config, "--only", "next_hop", "--probe-rcpt", "user@dest.example", "--json", *mailbox, *words], capture_output=True, text=True, timeout=240)
    if not done.stdout:
        raise AssertionError(done.stderr)
    return done.returncode, json.loads(done.stdout)["findings"]


def of(findings, code, grade=None):
    return [f for f in findings if f["code"] == code and (grade is None or f["grade"] == grade)]


def lenient(findings):
    return {f["subject"].split(" ", 1)[1] for f in of(findings, "hop_line_end", "warning")}


def together(jobs):
    """Each job has a folder of its own; all at a time, for most of the time is waiting."""
    results = {}

    def one(place, make, body):
        os.mkdir(place)
        hop = make(place + "/mail") if make else None
        results[place] = (*examine(place, hop, body), hop)
    threads = [threading.Thread(target=one, args=job) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return [results[job[0]] for job in jobs]


def variants(folder):
    found = together([(os.path.join(folder, "v%d" % i), lambda mail, octets=octets: Hop(mail, also=octets), None) for i, octets in enumerate(ENDS.values())])
    for (name, octets), (_, findings, _) in zip(ENDS.items(), found):
        # One wrong end can stand inside another: then both are true.
        want = {other for other, inner in ENDS.items() if octets in inner}
        need(lenient(findings) == want, "a next hop that ends at %s: told of %s" % (name, ", ".join(sorted(lenient(findings))) or "nothing"))


def main():
    with Folder() as folder:
        own = folder + "/own"
        os.mkdir(own)
        maildir = '\n[[next_hop]]\nname = "main"\nkind = "maildir"\nfolder = "%s"\n[[local_domain]]\nname = "dest.example"\nnext_hop = "main"\ncheck = "any"\n' % own
        cases = {"strict": lambda mail: Hop(mail), "slow": lambda mail: Hop(mail, also=b"\n.\n", dot_s=1.6), "changing": lambda mail: Hop(mail, change=lambda text: text.replace(b"X-CASE:no", b"X-Case: no")),
                 "all": lambda mail: Hop(mail, rcpt=lambda address: True), "bdat": lambda mail: Hop(mail, bdat_runs=True), "nobody": lambda mail: Hop(mail, rcpt=lambda address: False), "maildir": None}
        got = dict(zip(cases, together([(os.path.join(folder, name), make, None if make else maildir) for name, make in cases.items()])))
        code, found, strict = got["strict"]
        need(code == 0 and not lenient(found) and len(of(found, "hop_line_end", "ok")) == len(ENDS), "control: a strict next hop: %d variants, none ends a message" % len(ENDS))
        need(of(found, "hop_arrival", "ok") and of(found, "hop_chunking", "ok"), "its mail arrives, its BDAT holds")
        need({f["evidence"] for f in of(found, "hop_content", "warning")} == {"taken, and delivered as it was"} and len(of(found, "hop_content", "warning")) == 3, "bare CR and NUL that arrive as they were: warned")
        need(strict.mails == 5, "five mails were left, all for the recipient that was named: %d" % strict.mails)
        need("<LF>.<LF>" in lenient(got["slow"][1]), "one that takes 1.6 s for each mail is waited for")
        code, found, _ = got["changing"]
        need(code == 1 and "X-CASE:no" in of(found, "hop_arrival", "failure")[0]["evidence"], "one that changes a field: " + of(found, "hop_arrival")[0]["evidence"])
        code, found, _ = got["all"]
        need(code == 1 and of(found, "hop_foreign_rcpt", "failure") and of(found, "hop_random_rcpt", "warning"), "one that takes every recipient")
        code, found, _ = got["bdat"]
        need(code == 1 and of(found, "hop_chunking", "failure"), "one that runs what stands in BDAT: " + of(found, "hop_chunking")[0]["evidence"])
        code, found, _ = got["nobody"]
        need(code == 1 and of(found, "hop_arrival", "failure") and of(found, "hop_line_end", "skipped"), "one that does not take the recipient is not probed further")
        code, found, _ = got["maildir"]
        need(code == 0 and of(found, "hop_arrival", "ok"), "our own Maildir gives the mail back: " + of(found, "hop_arrival")[0]["evidence"])
        variants(folder)


main()
