"""What journeys share: a running sekisho with a config of its own, a strict SMTP/LMTP sink, ports, zones, and a plain client.

Every server listens on loopback with a port of its own; everything lies in one temporary folder that goes away at the end.
"""
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program(*names):
    """The first that is named in the environment and there. With SEKISHO_SANITIZED=all only SEKISHO counts (tools/nightly)."""
    paths = [os.environ.get(name, "") for name in names if name == "SEKISHO" or os.environ.get("SEKISHO_SANITIZED") != "all"]
    return next((path for path in paths if os.path.exists(path)), os.path.join(ROOT, "build/release/sekisho"))


# Servers, and what reads octets that a stranger wrote: under ctest the program with sanitizers, but for the journeys whose subject are
# peers, commands or times (tests/CMakeLists.txt names them). COMMANDS is what is asked beside a server (trace, config check ...): a
# program with sanitizers needs ten times as long to start.
BINARY = program("SEKISHO_QUICK", "SEKISHO")
COMMANDS = program("SEKISHO_COMMANDS", "SEKISHO")
SHARED = os.path.join(os.path.dirname(ROOT), "shared")


def skip(why):
    print("SKIP: " + why)
    sys.exit(77)


def release_binary():
    """For what sanitizers do not bear: preloaded libraries, limits of memory, times."""
    path = os.environ.get("SEKISHO_RELEASE", os.path.join(ROOT, "build/release/sekisho"))
    if not os.path.exists(path):
        skip("build/release/sekisho is not built (tools/build release sekisho)")
    return path


def free_port():
    """A port that nobody has, for TCP and UDP; below those the kernel gives to clients, or one of them might take it before its server does."""
    while True:
        port = random.randint(12000, 32000)
        try:
            with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
                return port
        except OSError:
            continue


def wait_port(port, seconds=20, process=None, greeted=False):
    """Until the port is open; greeted: until somebody says a first octet (a port is open before its server stands)."""
    end = time.time() + seconds
    while time.time() < end:
        if process is not None and process.poll() is not None:
            raise RuntimeError("process ended with %d before port %d opened" % (process.returncode, port))
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as client:
                client.settimeout(max(end - time.time(), 0.1))
                if not greeted or client.recv(1):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError("port %d did not open in %d s" % (port, seconds))


def need(ok, what):
    if not ok:
        raise AssertionError(what)
    print("ok: " + what)


def until(question, seconds=10, what=None):
    """Asks until the answer is true; gives that answer."""
    end = time.time() + seconds
    while True:
        answer = question()
        if answer or time.time() > end:
            if what:
                need(answer, what)
            return answer
        time.sleep(0.05)


def self_signed(folder, name):
    """A certificate for name, signed by itself, and its key: two PEM files."""
    certificate, key = os.path.join(folder, name + ".crt"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=" + name,
                    "-addext", "subjectAltName=DNS:" + name, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate, key


class Folder:
    """A temporary folder that others may enter (Postfix drops privileges)."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="sekisho-journey-")
        os.chmod(self.path, 0o755)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Sekisho:
    """`sekisho serve` with a config made from text; %(name)s words in it are replaced by keywords and by its own ports."""

    def __init__(self, folder, body, zone="", name="gate", binary=None, env=None, wrap=(), **words):
        self.folder, self.name, self.binary, self.commands = folder, name, binary or BINARY, binary or COMMANDS
        self.port, self.metrics_port = words.pop("gate_port", None) or free_port(), free_port()
        self.state = os.path.join(folder, name + "-state")
        zone_file = os.path.join(folder, name + ".zone")
        if zone is not None:  # without one, dns = 'servers = [...]' says whom to ask
            with open(zone_file, "w", encoding="latin-1") as out:
                out.write("$ORIGIN .\n" + zone)
        self.config = os.path.join(folder, name + ".toml")
        head = ('[server]\nhost = "%s"\nstate_dir = "%s"\n%s\n[mx]\nlisten = ["127.0.0.1:%d"]\n%s\n[metrics]\nlisten = "127.0.0.1:%d"\n'
                '[dns]\n%s\ntimeout_ms = 2000\n' % (words.pop("host", "mx.sekisho.example"), self.state, words.pop("server", ""), self.port, words.pop("mx", ""), self.metrics_port,
                                                     words.pop("dns", 'zone_file = "%s"' % zone_file)))
        with open(self.config, "w") as out:
            out.write(head + body % words if words else head + body)
        self.env, self.wrap = dict(os.environ, **(env or {})), wrap  # wrap: a command that runs the server (exec)
        self.process = None
        self.start()

    def launch(self, *options, before=()):
        """A process of this server, not yet waited for."""
        self.log = open(os.path.join(self.folder, self.name + ".log"), "ab")
        return subprocess.Popen([*self.wrap, *before, self.binary, "serve", "-c", self.config, *options], stdout=self.log, stderr=self.log, env=self.env)

    def start(self):
        self.process = self.launch()
        try:
            wait_port(self.port, 30, self.process, greeted=True)
        except RuntimeError:
            print(self.log_text())
            raise

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(45)  # sessions with an open transaction get 30 s
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("serve did not end within 45 s of signal %d" % how)
        return self.process.returncode

    def log_text(self):
        return open(os.path.join(self.folder, self.name + ".log"), errors="replace").read()

    def run(self, *arguments, check=None, timeout=60):
        done = subprocess.run([self.commands, *arguments, "-c", self.config], capture_output=True, timeout=timeout)
        if check is not None and done.returncode != check:
            raise AssertionError("%s: exit %d, wanted %d: %s %s" % (arguments, done.returncode, check, done.stdout[-500:], done.stderr[-500:]))
        return done

    def json(self, *arguments, check=0):
        return json.loads(self.run(*arguments, "--json", check=check).stdout)

    def story(self, *words, want="outcome"):
        """The newest story that is asked for, once it holds such an event: outcomes are recorded without their own wait."""
        def told():
            stories = json.loads(self.run("trace", *words, "--json").stdout)["stories"]
            return stories[0] if stories and any(e["event"] == want for e in stories[0]["events"]) else None
        story = until(told)
        need(story, "trace %s tells a story with its %s" % (" ".join(words), want))
        return story

    def metrics(self):
        import urllib.request
        text = urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.metrics_port, timeout=5).read().decode()
        return {m[1]: float(m[2]) for m in re.finditer(r"^(sekisho_\S+(?:\{[^}]*\})?) (\S+)$", text, re.M)}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.log_text()[-4000:])
            self.stop(signal.SIGKILL)
            return
        code = self.stop()
        if code != 0:
            print(self.log_text()[-4000:])
            raise AssertionError("serve ended with %d" % code)


class Sink:
    """A strict SMTP or LMTP receiver: keeps what came, says what `answer(verb, argument, session)` says (None: yes, "close": hang up).

    With tls = (certificate, key) it offers STARTTLS. session["tls"] tells whether it is in use, session["commands"] what was said.
    """

    def __init__(self, lmtp=False, answer=None, queue_ids=True, tls=None, port=0, host="127.0.0.1"):
        self.lmtp, self.answer, self.queue_ids, self.tls = lmtp, answer or (lambda verb, argument, session: None), queue_ids, tls
        self.commands, self.open = [], set()
        self.mails, self.sessions, self.lock = [], 0, threading.Lock()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, port))
        self.socket.listen(200)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def _serve(self, client):
        session = {"rcpts": [], "mail_from": None, "tls": False}
        self.open.add(client)
        stream = client.makefile("rb")

        def say(text):
            client.sendall(text.encode() + b"\r\n")

        try:
            say("220 sink ESMTP")
            while True:
                line = stream.readline()
                if not line:
                    return
                need_crlf = line.endswith(b"\r\n")
                text = line.decode("latin-1").rstrip("\r\n")
                verb = text[:4].upper()
                self.commands.append(text)
                reply = self.answer(verb, text[5:], session) if need_crlf else "500 5.5.2 bare LF"
                if reply == "close":
                    return
                if reply:
                    say(reply)
                elif verb in ("EHLO", "LHLO"):
                    say("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n" + ("250-STARTTLS\r\n" if self.tls and not session["tls"] else "") + "250-SIZE 104857600\r\n250 ENHANCEDSTATUSCODES")
                elif verb == "STAR" and self.tls:
                    say("220 2.0.0 go")
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(*self.tls)
                    stream.close()
                    client = context.wrap_socket(client, server_side=True)
                    stream = client.makefile("rb")
                    session.update(tls=True, rcpts=[], mail_from=None)
                elif verb == "MAIL":
                    session.update(mail_from=re.search(r"<(.*?)>", text)[1], rcpts=[])
                    say("250 2.1.0 ok")
                elif verb == "RCPT":
                    session["rcpts"].append(re.search(r"<(.*)>", text)[1])
                    say("250 2.1.5 ok")
                elif verb == "DATA" and not session["rcpts"]:
                    say("503 5.5.1 nobody to send to")
                elif verb == "DATA":
                    say("354 go")
                    data = bytearray()
                    while not (data.endswith(b"\r\n.\r\n") or data == b".\r\n"):
                        more = stream.readline()
                        if not more:
                            return
                        data += more
                    session["data"] = re.sub(rb"(?m)^\.", b"", bytes(data[:-3]))
                    self._finish(session, say)
                elif verb == "QUIT":
                    say("221 2.0.0 bye")
                    return
                elif verb == "RSET":
                    session.update(mail_from=None, rcpts=[])
                    say("250 2.0.0 ok")
                else:
                    say("250 2.0.0 ok")
        except OSError:
            pass
        finally:
            self.open.discard(client)
            stream.close()
            client.close()

    def _finish(self, session, say):
        rcpts = session["rcpts"]
        replies = [self.answer("DOT", rcpt, session) for rcpt in rcpts] if self.lmtp else [self.answer("DOT", ",".join(rcpts), session)]
        taken = [r for r, reply in zip(rcpts, replies) if not reply] if self.lmtp else ([] if replies[0] else rcpts)
        if "close" in replies:
            raise OSError("closing after the dot")
        if taken:
            with self.lock:
                self.mails.append({"mail_from": session["mail_from"], "rcpts": taken, "data": session["data"], "tls": session["tls"]})
                number = len(self.mails)
        for reply in replies:
            say(reply or ("250 2.0.0 Ok: queued as SINK%05d" % number if self.queue_ids else "250 ok"))

    def wait(self, count, seconds=10):
        end = time.time() + seconds
        while time.time() < end and len(self.mails) < count:
            time.sleep(0.02)
        return list(self.mails)


class Client:
    """A plain SMTP client that shows every reply."""

    def __init__(self, port, source=None, greeting=True):
        self.socket = socket.socket()
        self.socket.settimeout(30)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))
        self.stream = self.socket.makefile("rb")
        self.greeting = self.reply() if greeting else None

    def reply(self):
        lines = []
        while True:
            line = self.stream.readline().decode("latin-1")
            lines.append(line.rstrip("\r\n"))
            if len(line) < 4 or line[3] != "-":
                return "\n".join(lines)

    def say(self, text):
        self.socket.sendall(text.encode("latin-1") + b"\r\n")
        return self.reply()

    def starttls(self):
        """STARTTLS, then everything inside TLS (any certificate will do)."""
        answer = self.say("STARTTLS")
        if answer[:3] == "220":
            context = ssl._create_unverified_context()
            self.stream.close()
            self.socket = context.wrap_socket(self.socket)
            self.stream = self.socket.makefile("rb")
        return answer

    def send(self, message, mail_from="a@sender.example", rcpts=("user@dest.example",), helo="client.example"):
        """The whole dialogue; gives the last reply, or the first refusal."""
        for line in ["EHLO " + helo, "MAIL FROM:<%s>" % mail_from] + ["RCPT TO:<%s>" % r for r in rcpts]:
            answer = self.say(line)
            if answer[:1] != "2":
                return answer
        answer = self.say("DATA")
        if answer[:3] != "354":
            return answer
        if isinstance(message, str):
            message = message.encode("latin-1")
        self.socket.sendall(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")
        return self.reply()

    def close(self):
        try:
            self.say("QUIT")
        except OSError:
            pass
        self.stream.close()
        self.socket.close()


def message(author="a@sender.example", message_id="1@sender.example", body="Hello\r\n", **headers):
    extra = "".join("%s: %s\r\n" % (k.replace("_", "-"), v) for k, v in headers.items())
    return ("From: %s\r\nTo: user@dest.example\r\nSubject: test\r\nDate: Thu, 15 Jan 2026 00:00:00 +0000\r\nMessage-ID: <%s>\r\n%s\r\n%s"
            % (author, message_id, extra, body))


ZONE = """sender.example. 300 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"
sender.example. 300 IN MX 10 mail.sender.example.
mail.sender.example. 300 IN A 127.0.0.1
_dmarc.sender.example. 300 IN TXT "v=DMARC1; p=reject"
forged.example. 300 IN TXT "v=spf1 ip4:192.0.2.1 -all"
forged.example. 300 IN A 192.0.2.1
_dmarc.forged.example. 300 IN TXT "v=DMARC1; p=reject"
"""

NEXT_HOP = """
[[next_hop]]
name = "main"
kind = "smtp"
address = "127.0.0.1:%(sink)d"
[[local_domain]]
name = "dest.example"
next_hop = "main"
check = "table"
recipients = ["user", "user2", "alice", "bob"]
"""
