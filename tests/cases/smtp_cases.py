#!/usr/bin/python3
"""The SMTP cases of ../shared/cases against the release binary, judged from inside too: CPU and memory of the server from /proc, events
from its metrics and its ledger, what reached the next hop octet by octet. After each case a good mail must pass.

usage: smtp_cases.py [--all] [--slow] [--only REGEX] [--cases DIR]
  without --all   only cases that need this look inside (CPU, memory, events) and the groups bomb and slow
  --slow          also those that take minutes

Cases that need a listener or an extension we do not have are skipped, by name. exit: 0 all pass, 1 some fail, 77 no cases here
"""
import argparse
import base64
import glob
import gzip
import io
import json
import os
import re
import socket
import ssl
import struct
import sys
import time
import zipfile
import zlib

from lab import ROOT, SHARED, Client, Folder, Sekisho, Sink, message, need, release_binary, skip, until

INSIDE = {"cpu_ms_max", "rss_growth_max_mib", "event_any"}
# What a case calls an event, in our metrics and in the session's record of the ledger.
LEDGER_FIELD = {"dha": "directory_harvest", "early_talker": "early_talker", "unauth_pipelining": "unauthorised_pipelining"}
NO_SUCH_ROOM = {"mime_too_deep": "no room reads the MIME tree yet, so nothing can be too deep for it"}
HEADER = b"From: sender@sender.example\r\nMIME-Version: 1.0\r\n"


def unpacked_mebibytes(count):
    for _ in range(count):
        yield b"\0" * (1 << 20)


def generated(part):
    """The long parts, made here so that the case file stays small."""
    kind = part["gen"]
    if kind == "mime_nest":
        levels = (b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(part["depth"]))
        return HEADER + b"".join(levels) + b"\r\nx\r\n"
    if kind == "rfc822_nest":
        return HEADER + b"Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=z\r\n\r\n--z\r\n" * part["depth"] + b"\r\nx\r\n"
    if kind == "rfc2231":
        count = part["n"]
        return HEADER + b"Content-Type: text/plain" + b"".join(b";\r\n name*%d*=a%%20b" % (i * 7919 % count) for i in range(count)) + b"\r\n\r\nx\r\n"
    if kind == "boundary_prefix":
        named = [b"a" * (i + 1) for i in range(min(part["n"], 60))]
        return (HEADER + b"".join(b"Content-Type: multipart/mixed; boundary=" + n + b"\r\n\r\n--" + n + b"\r\n" for n in named)
                + b"".join(b"--" + b"a" * (61 + i % 59) + b"\r\n" for i in range(part["n"])))
    if kind == "pkcs7_nest":
        inner = b"x\r\n"
        for _ in range(min(part["depth"], 40)):
            if len(inner) < 3_000_000:
                inner = (b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                         + base64.encodebytes(inner).replace(b"\n", b"\r\n"))
        return HEADER + inner
    packed = io.BytesIO()
    if kind == "zip_bomb":
        name = b"application/zip; name=a.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.txt", "w") as inside:
            for block in unpacked_mebibytes(part["mib"]):
                inside.write(block)
    elif kind == "gzip_report":
        name = b"application/gzip; name=a!b!1!2.xml.gz"
        with gzip.GzipFile(fileobj=packed, mode="w") as archive:
            archive.write(b"<?xml version='1.0'?><feedback>")
            for block in unpacked_mebibytes(part["mib"]):
                archive.write(b" " * len(block))
    else:
        raise KeyError("a case wants %r, which this runner cannot make" % kind)
    text = base64.encodebytes(packed.getvalue()).replace(b"\n", b"\r\n")
    return HEADER + b"Content-Type: " + name + b"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\n" + text


def octets(parts):
    out = b""
    for part in parts:
        if isinstance(part, str):
            out += part.encode("latin-1")
        elif "b64" in part:
            out += base64.b64decode(part["b64"])
        elif "rep" in part:
            out += octets(part["rep"][:1]) * part["rep"][1]
        else:
            out += generated(part)
    return out


class Unfit(Exception):
    """This case needs what we do not offer."""


class Stop(Exception):
    """The dialogue cannot go on."""


class Process:
    """What the server costs."""

    def __init__(self, pid):
        self.pid = pid

    def cpu_ms(self):
        fields = open("/proc/%d/stat" % self.pid).read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")

    def _kib(self, name):
        return int(re.search(r"^%s:\s+(\d+) kB" % name, open("/proc/%d/status" % self.pid).read(), re.M)[1])

    def begin(self):
        with open("/proc/%d/clear_refs" % self.pid, "w") as out:
            out.write("5")  # the high-water mark of the resident set begins anew
        self.cpu_before, self.rss_before = self.cpu_ms(), self._kib("VmRSS")

    def end(self):
        return self.cpu_ms() - self.cpu_before, max(0, self._kib("VmHWM") - self.rss_before) / 1024


class Dialogue:
    def __init__(self, case, port):
        self.case, self.port, self.faults, self.transcript, self.saved = case, port, [], [], {}
        self.socket, self.input, self.closed, self.slow_s = None, b"", False, 0.0
        self.said = ""

    def run(self):
        try:
            for step in self.case["steps"]:
                getattr(self, "do_" + step["op"])(step)
        except Stop:
            pass
        except (OSError, ssl.SSLError) as lost:
            self.faults.append("%s: %s" % (type(lost).__name__, lost))
        finally:
            if self.socket:
                self.socket.close()

    def receive(self, seconds):
        self.socket.settimeout(max(seconds, 0.01))
        try:
            got = self.socket.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            return
        except OSError:
            got = b""
        self.closed |= not got
        self.input += got

    def lines(self):
        while b"\n" in self.input:
            line, self.input = self.input.split(b"\n", 1)
            text = line.rstrip(b"\r").decode("latin-1")
            self.transcript.append(text)
            yield text

    def reply(self, seconds):
        got, end = [], time.monotonic() + seconds
        while True:
            for line in self.lines():
                got.append(line)
                if len(line) < 4 or line[3] != "-":
                    return got
            if self.closed or time.monotonic() > end:
                return got
            self.receive(end - time.monotonic())

    def do_connect(self, step):
        if step["listener"] != "mx":
            raise Unfit("no listener " + step["listener"])
        self.socket = socket.socket()
        # An address of its own for each case, so that one's penalty is not another's.
        number = zlib.crc32(self.case["id"].encode())
        self.socket.bind(("127.%d.%d.%d" % (16 + (number >> 16) % 200, (number >> 8) % 256, 1 + number % 250), 0))
        if step.get("rcvbuf"):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, step["rcvbuf"])
        self.socket.connect(("127.0.0.1", self.port))
        if step.get("early"):
            self.socket.sendall(step["early"].encode("latin-1"))

    def do_send(self, step):
        data = octets(step["data"])
        self.said = data[:40].decode("latin-1")
        try:
            if step.get("drain"):
                for at in range(0, len(data), 4096):
                    self.socket.settimeout(5)
                    self.socket.sendall(data[at:at + 4096])
                    self.receive(0.001)
            else:
                self.socket.settimeout(3 if step.get("no_read") else 20)
                self.socket.sendall(data)
        except OSError as lost:
            # A server that hangs up on a bomb while it is still being sent does well; the next step judges its reply.
            if not (step.get("may_fail") or step.get("drain") or step.get("no_read") or len(data) > 65536):
                raise lost

    def do_send_slow(self, step):
        data, size, begun = octets(step["data"]), step.get("chunk", 1), time.monotonic()
        for at in range(0, len(data), size):
            try:
                self.socket.sendall(data[at:at + size])
            except OSError:
                break
            self.receive(step["interval_ms"] / 1000)
            if self.closed or time.monotonic() - begun > 330:
                break
        self.slow_s = time.monotonic() - begun

    def do_expect(self, step):
        got = self.reply(step.get("timeout_ms", 8000) / 1000)
        last = got[-1] if got else ""
        if not got and self.closed and step.get("or_close"):
            return
        if self.said.startswith("EHLO") and "CHUNKING" in self.case.get("requires", []) and not any("CHUNKING" in l for l in got):
            raise Unfit("CHUNKING is not offered")
        if not re.match("(?:%s)" % step["code"], last):
            self.faults.append("wanted %s, got %r%s" % (step["code"], last, " and the end" if self.closed else ""))
            raise Stop
        if step.get("match") and not any(step["match"] in l for l in got):
            raise Unfit("no " + step["match"])
        if step.get("not_match") and any(step["not_match"] in l for l in got):
            self.faults.append("offers " + step["not_match"])
        if step.get("save"):
            self.saved[step["save"]] = got
        if step.get("same_text_as") and self.saved.get(step["same_text_as"]) != got:
            self.faults.append("another text than " + step["same_text_as"])

    def do_collect(self, step):
        end = time.monotonic() + 60
        while not self.closed and time.monotonic() < end:
            before = len(self.input)
            self.receive(step["idle_ms"] / 1000)
            if len(self.input) == before:
                break
        list(self.lines())

    def do_starttls(self, step):
        got = self.reply(5)
        if not got or not got[-1].startswith("220"):
            if not step.get("or_refused"):
                self.faults.append("no 220 to STARTTLS: %r" % got)
            raise Stop
        if self.input:
            self.faults.append("octets in the clear behind the 220")
        self.input = b""
        self.socket.settimeout(10)
        self.socket = ssl._create_unverified_context().wrap_socket(self.socket)
        if self.case["expect"].get("tls_first_bytes_empty"):
            self.receive(1)
            if self.input:
                self.faults.append("an injected command is answered inside TLS: %r" % self.input[:60])

    def do_half_close(self, step):
        self.socket.shutdown(socket.SHUT_WR)

    def do_reset(self, step):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def do_sleep(self, step):
        time.sleep(step["ms"] / 1000)

    def do_expect_close(self, step):
        end = time.monotonic() + step["within_ms"] / 1000
        while not self.closed and time.monotonic() < end:
            self.receive(0.5)
        if not self.closed:
            self.faults.append("still open after %d ms" % step["within_ms"])


def judge_outside(expect, dialogue, mails, faults):
    transcript = "\n".join(dialogue.transcript)
    if len(mails) > expect.get("delivered_max", len(mails)) or len(mails) < expect.get("delivered_min", 0):
        faults.append("%d mails delivered, from %s" % (len(mails), [m["mail_from"] for m in mails]))
    faults += ["an envelope from %s was delivered" % m["mail_from"] for m in mails if m["mail_from"].lower() in expect.get("forbid_mail_from", [])]
    if expect.get("relayed_no_bare_cr_lf") and any(re.search(rb"(?<!\r)\n|\r(?!\n)|\0", m["data"]) for m in mails):
        faults.append("a bare CR or LF went to the next hop")
    if "relayed_body_exact" in expect and mails and mails[0]["data"].split(b"\r\n\r\n", 1)[1] != expect["relayed_body_exact"].encode("latin-1"):
        faults.append("the body was changed")
    domains = expect.get("relayed_rcpt_only_domains")
    faults += ["relayed to " + r for m in mails for r in m["rcpts"] if domains and r.rsplit("@", 1)[-1].lower() not in domains]
    for name, pattern in expect.get("relayed_header_not_match", {}).items():
        faults += ["%s: %s was relayed" % (name, pattern) for m in mails if re.search(r"(?im)^%s:.*%s" % (name, pattern), m["data"].decode("latin-1"))]
    for name, count in expect.get("relayed_header_count", {}).items():
        faults += ["%s stands there otherwise than %d times" % (name, count) for m in mails if len(re.findall(r"(?im)^%s:" % name, m["data"].split(b"\r\n\r\n")[0].decode("latin-1"))) != count]
    faults += ["no reply matches " + p for p in expect.get("transcript_must", []) if not re.search(p, transcript, re.M)]
    faults += ["a reply matches " + p for p in expect.get("transcript_not", []) if re.search(p, transcript, re.M)]
    if "transcript_last_not" in expect and dialogue.transcript and re.match(expect["transcript_last_not"], dialogue.transcript[-1]):
        faults.append("the last reply is %r" % dialogue.transcript[-1])
    if len(dialogue.transcript) > expect.get("transcript_max_replies", 10 ** 9) + 10:
        faults.append("%d replies" % len(dialogue.transcript))
    for code, most in expect.get("max_reply_count", {}).items():
        if sum(l.startswith(code) for l in dialogue.transcript) > most:
            faults.append("more than %d times %s" % (most, code))
    for code, least in expect.get("min_reply_count", {}).items():
        if sum(l.startswith(code) for l in dialogue.transcript) < least:
            faults.append("fewer than %d times %s" % (least, code))
    if dialogue.slow_s > expect.get("closed_within_s", 10 ** 9):
        faults.append("open for %d s" % dialogue.slow_s)


def event_count(gate, name):
    return gate.metrics().get('sekisho_session_events_total{event="%s"}' % name, 0)


def ledger_tells(gate, field, since):
    records = gate.json("ledger", "show", "--from-seq", str(since), "--limit", "1000")["records"]
    return any(f["name"] == field and f["value"] not in ("0", "no", "false", "") for r in records if r["event"] == "session" for f in r["fields"])


def judge_inside(gate, expect, cpu_ms, rss_mib, events_before, seq_before, faults, notes):
    if cpu_ms > expect.get("cpu_ms_max", cpu_ms):
        faults.append("%d ms of CPU, at most %d" % (cpu_ms, expect["cpu_ms_max"]))
    if rss_mib > expect.get("rss_growth_max_mib", rss_mib):
        faults.append("%.1f MiB more memory, at most %d" % (rss_mib, expect["rss_growth_max_mib"]))
    for name in expect.get("event_any", []):
        if name in NO_SUCH_ROOM:
            notes.append("event %s is not judged: %s" % (name, NO_SUCH_ROOM[name]))
        elif not until(lambda: event_count(gate, name) > events_before[name], seconds=5):
            faults.append("the metrics do not count " + name)
        elif name in LEDGER_FIELD and not until(lambda: ledger_tells(gate, LEDGER_FIELD[name], seq_before), seconds=5):
            faults.append("no session record of the ledger tells " + LEDGER_FIELD[name])


def good_mail(gate, source):
    client = Client(gate.port, source=source)
    reply = client.greeting if not client.greeting.startswith("220") else client.send(message(author="sender@sender.example", message_id="good@sender.example"), mail_from="sender@sender.example")
    client.close()
    return reply


def run(gate, sink, case):
    """(result, faults, notes, cpu_ms, rss_mib)"""
    expect, notes = case["expect"], []
    process = Process(gate.process.pid)
    events = {n: event_count(gate, n) for n in expect.get("event_any", [])}
    seq = gate.json("ledger", "verify")["last_seq"] + 1 if events else 0
    here = len(sink.mails)
    process.begin()
    dialogue = Dialogue(case, gate.port)
    try:
        dialogue.run()
    except Unfit as why:
        return "skip", [str(why)], notes, 0, 0
    until(lambda: len(sink.mails) - here >= max(1, expect.get("delivered_min", 0)), seconds=0.5)
    cpu_ms, rss_mib = process.end()
    faults = dialogue.faults
    judge_outside(expect, dialogue, list(sink.mails)[here:], faults)
    judge_inside(gate, expect, cpu_ms, rss_mib, events, seq, faults, notes)
    if gate.process.poll() is not None:
        return "fail", faults + ["the server is gone"], notes, cpu_ms, rss_mib
    reply = good_mail(gate, "127.250.0.%d" % (1 + zlib.crc32(case["id"].encode()) % 250))
    if not reply.startswith("250"):
        faults.append("a good mail afterwards: " + reply)
    return "fail" if faults else "pass", faults, notes, cpu_ms, rss_mib


def selected(options):
    for path in sorted(glob.glob(os.path.join(options.cases, "*.json"))):
        if os.path.basename(path) == "auth.json":
            continue  # accounts
        for case in json.load(open(path)):
            if case.get("kind") != "smtp" or not re.search(options.only, case["id"]) or (case.get("slow") and not options.slow):
                continue
            if options.all or INSIDE & set(case["expect"]) or case["group"] in ("bomb", "slow") or options.only != ".":
                yield case


def controls(gate, sink):
    """The judge itself: a case that wants the impossible must fail, by each of its eyes."""
    plain = {"id": "control", "group": "control", "steps": [{"op": "connect", "listener": "mx"}, {"op": "expect", "code": "220"}]}
    for expect, cry in (({"event_any": ["dha"]}, "do not count dha"), ({"delivered_min": 1}, "0 mails delivered"), ({"transcript_must": ["^999"]}, "no reply matches")):
        result, faults, _, _, _ = run(gate, sink, dict(plain, expect=expect))
        need(result == "fail" and any(cry in f for f in faults), "negative control: %s" % "; ".join(faults))
    bulk = dict(plain, steps=plain["steps"] + [{"op": "send", "data": ["EHLO x\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<user@dest.example>\r\nDATA\r\n"]}, {"op": "sleep", "ms": 100}, {"op": "send", "data": [{"rep": ["a" * 76 + "\r\n", 80000]}]}, {"op": "sleep", "ms": 300}], expect={"rss_growth_max_mib": 1, "cpu_ms_max": 0})
    result, faults, _, cpu_ms, rss = run(gate, sink, bulk)
    need(result == "fail" and any("more memory" in f for f in faults), "negative control: 6 MB in one session are seen: %d ms, %.1f MiB" % (cpu_ms, rss))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--only", default=".")
    parser.add_argument("--cases", default=os.path.join(SHARED, "cases"))
    options = parser.parse_args()
    if not os.path.isdir(options.cases):
        skip("no cases at " + options.cases)
    counts = {"pass": 0, "fail": 0, "skip": 0}
    with Folder() as folder:
        sink = Sink()
        text = open(os.path.join(ROOT, "etc/cases.toml")).read()
        text = re.sub(r'"(cases/[a-z.]+)"', lambda m: '"%s/etc/%s"' % (ROOT, m[1]), text)
        gate = Cases(folder, text, sink)
        with gate:
            controls(gate, sink)
            for case in selected(options):
                begun = time.monotonic()
                result, faults, notes, cpu_ms, rss = run(gate, sink, case)
                counts[result] += 1
                print("%-4s %-14s %5.1f s %5d ms CPU %6.1f MiB  %s" % (result, case["id"], time.monotonic() - begun, cpu_ms, rss, "; ".join(faults + notes) or case["title"]), flush=True)
            need(gate.json("ledger", "verify")["verified"], "the ledger verifies")
    print("%(pass)d pass, %(fail)d fail, %(skip)d are skipped" % counts)
    return 1 if counts["fail"] or not counts["pass"] else 0


class Cases(Sekisho):
    """The set-up of the cases, etc/cases.toml, at ports of its own."""

    def __init__(self, folder, text, sink):
        self.text, self.sink = text, sink.port
        super().__init__(folder, "", "", name="cases", binary=release_binary())

    def start(self):
        state, sink = self.state, self.sink
        text = self.text.replace("127.0.0.1:2525", "127.0.0.1:%d" % self.port).replace("127.0.0.1:2590", "127.0.0.1:%d" % self.metrics_port)
        text = text.replace("127.0.0.1:2600", "127.0.0.1:%d" % sink).replace('"../var/cases/state"', '"%s"' % state)
        with open(self.config, "w") as out:
            out.write(text)
        super().start()


if __name__ == "__main__":
    sys.exit(main())
