#!/usr/bin/python3
"""A signing key changes: made, published in a real nsd, switched, overlapped, retired - and the program is killed at every touch of the disk
on the way (strace). It signs only with what is published, makes no second key, and says what to publish. A wrong record, a
missing one and a dead name server change nothing. serve and doctor tell when the published record is not the key that signs; the gate
stands all the same.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from lab import COMMANDS, Client, Folder, NEXT_HOP, Sekisho, Sink, free_port, need, skip, until

MAIL = (b"From: Joe <joe@example.org>\r\nTo: list@lists.example\r\nSubject: a  \r\n\tfolded  subject\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
        b"Message-ID: <1@example.org>\r\n\r\n Hello  there \r\n\r\nbye\r\n")
DAY = 86400


class Nsd:
    def __init__(self, folder):
        self.folder, self.port, self.serial = folder, free_port(), 1
        self.conf = os.path.join(folder, "nsd.conf")
        with open(self.conf, "w") as out:
            out.write("server:\n  ip-address: 127.0.0.1@%d\n  username: \"\"\n  chroot: \"\"\n  database: \"\"\n  zonesdir: \"%s\"\n  pidfile: \"%s/nsd.pid\"\n  logfile: \"%s/nsd.log\"\n"
                      "  xfrdfile: \"%s/xfrd\"\n  zonelistfile: \"%s/zones\"\nremote-control:\n  control-enable: no\n"
                      "zone:\n  name: example.org\n  zonefile: example.org.zone\n" % (self.port, folder, folder, folder, folder, folder))
        self.write([])
        self.process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", self.conf])
        self.wait()

    def write(self, lines):
        self.serial += 1
        with open(os.path.join(self.folder, "example.org.zone"), "w") as out:
            out.write("$ORIGIN example.org.\n@ 300 IN SOA ns hostmaster %d 3600 600 86400 0\n@ 300 IN NS ns\nns 300 IN A 127.0.0.1\nserial 0 IN TXT \"%d!\"\n%s\n" % (self.serial, self.serial, "\n".join(lines)))

    def wait(self):
        name = b"".join(bytes([len(label)]) + label for label in (b"serial", b"example", b"org", b""))

        def there():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.settimeout(1)
                try:
                    asking.sendto(b"\x12\x34\0\0\0\1\0\0\0\0\0\0" + name + b"\0\x10\0\1", ("127.0.0.1", self.port))
                    return b"%d!" % self.serial in asking.recv(2000)
                except OSError:
                    return False
        if not until(there, 10):
            raise AssertionError("nsd does not serve serial %d" % self.serial)

    def publish(self, *lines):
        self.write(lines)
        self.process.send_signal(signal.SIGHUP)
        self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


def program(*words, want=None, stdin=None, wrap=()):
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0" if wrap else os.environ.get("ASAN_OPTIONS", ""))
    done = subprocess.run([*wrap, COMMANDS, *words], input=stdin, capture_output=True, timeout=60, env=env)
    if want is not None and done.returncode != want:
        raise AssertionError("%s: exit %d, wanted %d: %s %s" % (words, done.returncode, want, done.stdout.decode()[-800:], done.stderr.decode()[-800:]))
    return done


def selectors(mail):
    return re.findall(rb"DKIM-Signature:.*?s=([^;]+);", mail.split(b"\r\n\r\n")[0], re.S)


class Operator:
    def __init__(self, folder, nsd):
        self.folder, self.nsd, self.config = folder, nsd, os.path.join(folder, "sign.toml")
        self.keys, self.first = os.path.join(folder, "keys"), os.path.join(folder, "s1.pem")
        subprocess.run(["openssl", "genrsa", "-out", self.first, "2048"], check=True, capture_output=True)
        os.chmod(self.first, 0o600)
        self.write(nsd.port)

    def write(self, port):
        with open(self.config, "w") as out:
            out.write('[server]\nhost = "mx.example.org"\nstate_dir = "state"\n[mx]\nlisten = ["127.0.0.1:0"]\n[dns]\nservers = ["127.0.0.1:%d"]\ntimeout_ms = 1000\n'
                      '[[next_hop]]\nname = "main"\nkind = "smtp"\naddress = "127.0.0.1:2600"\n[[local_domain]]\nname = "example.org"\nnext_hop = "main"\ncheck = "any"\n'
                      '[[signing_key]]\ndomain = "example.org"\nmethods = ["dkim", "domainkeys"]\nselector = "s1"\nkey_file = "s1.pem"\nkey_folder = "keys"\n'
                      '[[signing_key]]\ndomain = "example.org"\nkey_folder = "keys-ed"\n' % port)

    def rotate(self, *words, want=None, wrap=()):
        return program("dkim", "rotate", "-c", self.config, "--json", *words, want=want, wrap=wrap)

    def rotated(self, *words, want):
        document = json.loads(self.rotate(*words, want=want).stdout)
        return document["rotations"]

    def sign(self):
        return program("dkim", "sign", "-c", self.config, "-", stdin=MAIL, want=0).stdout

    def verify(self, mail, command="dkim"):
        return json.loads(program(command, "verify", "--json", "--resolver", "127.0.0.1:%d" % self.nsd.port, "-", stdin=mail).stdout)


def killed_everywhere(operator, words, after, goes_on):
    """Runs rotate from the same folders again and again, killed one touch of the disk later each time; then run again it must go on."""
    if not shutil.which("strace"):
        print("note: strace is not here, nothing is killed")
        return
    folders = [operator.keys, operator.keys + "-ed"]
    saved = [f + ".saved" for f in folders]
    for f, s in zip(folders, saved):
        shutil.rmtree(s, ignore_errors=True)
        if os.path.exists(f):
            shutil.copytree(f, s)
    kills, done_with = 0, set()
    for call, when in [(c, w) for c in ("rename", "fsync") for w in range(1, 40)]:
        if call in done_with:
            continue
        for f, s in zip(folders, saved):
            shutil.rmtree(f, ignore_errors=True)
            if os.path.exists(s):
                shutil.copytree(s, f)
        wrap = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=%s:signal=KILL:when=%d" % (call, when))
        done = operator.rotate(*words, wrap=wrap)
        if done.returncode >= 0 and done.returncode != 137:
            if when == 1:
                print("note: strace cannot kill here:", done.stderr[-200:])
            done_with.add(call)
            continue
        kills += 1
        mails = selectors(operator.sign())
        if not goes_on(mails, operator.rotate(*words)):
            raise AssertionError("killed at %s %d of %s: %s" % (call, when, words, mails))
    need(kills == 0 or kills >= after, "killed %d times, and every time the next run went on" % kills)


with Folder() as folder:
    if not os.path.exists("/usr/sbin/nsd"):
        skip("nsd is not installed")
    with Nsd(folder) as nsd:
        op = Operator(folder, nsd)
        first_record = "v=DKIM1; k=rsa; p=" + subprocess.run("openssl rsa -in %s -pubout -outform DER 2>/dev/null | base64 -w0" % op.first, shell=True, capture_output=True, text=True).stdout
        first_line = 's1._domainkey.example.org. 300 IN TXT "%s" "%s"' % (first_record[:200], first_record[200:])
        nsd.publish(first_line)

        checked = program("config", "check", op.config, want=0)
        need(b"warning: signing_key[1].key_folder: no key signs for example.org yet" in checked.stderr, "config check says that a row has no key yet")
        old_mail = op.sign()
        need(selectors(old_mail) == [b"s1"] and op.verify(old_mail)[0]["result"] == "pass", "the key to begin with signs")

        # Begin: killed at every touch.
        def begun(mails, done):
            rows = json.loads(done.stdout)["rotations"]
            waiting = [r for row in rows for r in row["records"] if r["stage"] == "waiting"]
            return mails == [b"s1"] and done.returncode == 3 and [row["step"] for row in rows] == ["waiting", "waiting"] and len(waiting) == 2

        killed_everywhere(op, (), 12, begun)
        for f in (op.keys, op.keys + "-ed"):
            shutil.rmtree(f, ignore_errors=True)

        rows = op.rotated(want=3)
        need([r["step"] for r in rows] == ["waiting", "waiting"], "two keys wait for their records: exit 3")
        again = op.rotated(want=3)
        records = [row["records"][0] for row in rows]
        need([row["records"][0]["value"] for row in again] == [r["value"] for r in records], "run again, it shows the same keys")
        need(all(os.stat(os.path.join(k, f)).st_mode & 0o077 == 0 for k in (op.keys, op.keys + "-ed") for f in os.listdir(k)), "keys and state are for their owner only")
        need("k=ed25519" not in records[0]["value"] and selectors(op.sign()) == [b"s1"], "the old key goes on signing")
        plain = program("dkim", "rotate", "-c", op.config, want=3).stdout.decode()
        need(records[0]["zone_line"] in plain and records[0]["dig"] in plain and "公開してください" in plain, "the text has the zone line, the dig line and Japanese")

        # The second row shall be Ed25519: its folder is still without a published key, so it may begin anew.
        shutil.rmtree(op.keys + "-ed")
        rows = op.rotated("--algorithm", "ed25519-sha256", want=3)
        records = [row["records"][0] for row in rows]
        need("k=rsa" in records[0]["value"] and "k=ed25519" in records[1]["value"], "RSA and Ed25519 side by side")

        # A wrong record, no name server.
        nsd.publish(first_line, records[0]["zone_line"].replace("p=MII", "p=MIJ"), records[1]["zone_line"])
        rows = op.rotated("--continue", want=1)
        need([r["step"] for r in rows] == ["waiting", "switched"], "another record in the DNS: exit 1; the good one is taken")
        need(selectors(op.sign()) == [b"s1", records[1]["name"].split(".")[0].encode()], "two signatures now, the RSA one by the old key")
        other = os.path.join(folder, "other.zone")
        open(other, "w").write("$ORIGIN .\n" + records[0]["zone_line"].replace("p=MII", "p=MIJ") + "\n")
        need(op.rotated("--continue", "--zone", other, want=1)[0]["records"][0]["published"] == "differs", "--zone is asked instead")
        op.write(free_port())
        need(op.rotated("--continue", want=3)[0]["step"] == "waiting", "a name server that does not answer changes nothing: exit 3")
        op.write(nsd.port)

        # Published: switched, killed at every touch.
        nsd.publish(first_line, *(r["zone_line"] for r in records))

        def switched(mails, done):
            return mails[0] in (b"s1", records[0]["name"].split(".")[0].encode()) and done.returncode == 0 and selectors(op.sign())[0] == records[0]["name"].split(".")[0].encode()

        killed_everywhere(op, ("--continue",), 2, switched)
        op.rotated("--continue", want=0)
        new_mail = op.sign()
        need(selectors(new_mail) == [r["name"].split(".")[0].encode() for r in records], "both new keys sign")
        need([v["result"] for v in op.verify(new_mail)] == ["pass", "pass"], "and verify through nsd")
        need(op.verify(old_mail)[0]["result"] == "pass", "mail signed before still verifies")
        need(b"l=" not in re.findall(rb"DKIM-Signature:.*?b=", new_mail, re.S)[0].replace(b"bh=", b""), "l= is not written")
        dk = program("domainkeys", "sign", "-c", op.config, "-", stdin=MAIL, want=0).stdout
        need(op.verify(dk, "domainkeys")["result"] == "pass", "DomainKeys signs by the same table")

        # The overlap and its end.
        rows = op.rotated("--continue", want=0)
        need(rows[0]["step"] == "overlap" and rows[0]["overlap_until_s"] > time.time() + 6 * DAY, "the old record stays for the overlap")
        later = str(int(time.time()) + 8 * DAY)

        def retired(mails, done):
            return mails[0] != b"s1" and done.returncode == 0 and os.path.exists(op.keys + "/retired/s1.pem")

        killed_everywhere(op, ("--continue", "--now", later), 5, retired)
        op.rotated("--continue", "--now", later, want=0)
        status = op.rotated("--status", want=0)[0]
        gone = [r for r in status["records"] if r["stage"] == "retired"][0]
        need(gone["name"] == "s1._domainkey.example.org" and gone["value"] == "v=DKIM1; p=" and os.path.exists(op.keys + "/retired/s1.pem") and not os.path.exists(op.keys + "/s1.pem"),
             "the old key is retired and lies aside")
        nsd.publish(gone["zone_line"], *(r["zone_line"] for r in records))
        need(op.verify(old_mail)[0]["result"] == "permerror", "and its empty record revokes it")
        need([r["step"] for r in op.rotated("--continue", "--now", later, want=0)] == ["idle", "idle"], "--continue begins nothing")
        checked = program("config", "check", op.config, want=0)
        need(b"signing_key[0].selector: is no longer used" in checked.stderr, "config check says which lines may go")

        # serve and doctor, with a record that is not the key that signs.
        nsd.publish(records[1]["zone_line"])
        keys = '[[signing_key]]\ndomain = "example.org"\nkey_folder = "%s"\n[[signing_key]]\ndomain = "example.org"\nkey_folder = "%s"\n' % (op.keys, op.keys + "-ed")
        sink = Sink()
        with Sekisho(folder, NEXT_HOP + keys, zone=None, dns='servers = ["127.0.0.1:%d"]' % nsd.port, sink=sink.port) as gate:
            until(lambda: "signing_key_unpublished" in gate.log_text(), 10, "serve says that the record of the RSA key is missing, and stands")
            need(gate.log_text().count("signing_key_unpublished") == 1, "the good one is not blamed")
            found = [f for f in gate.json("doctor", "--only", "signing", check=1)["findings"] if f["code"] == "signing_published"]
            need([f["grade"] for f in found] == ["failure", "ok"] and records[0]["value"][:200] in found[0]["records"][0], "doctor shows the record to publish")
            nsd.publish(*(r["zone_line"] for r in records))
            gate.json("doctor", "--only", "signing", check=0)
            os.chmod(os.path.join(op.keys, records[0]["name"].split(".")[0] + ".pem"), 0o644)
            refused = program("config", "check", gate.config, want=1)
            need(b"signing_key[0].key_folder: " in refused.stderr and b"chmod 600" in refused.stderr, "a key that everybody may read is refused, with line and remedy")
            before = gate.log_text().count("config_refused")
            gate.process.send_signal(signal.SIGHUP)
            until(lambda: gate.log_text().count("config_refused") > before, 10, "a reload with it is refused too")
            need(Client(gate.port).say("EHLO c.example")[:3] == "250", "the gate goes on")
print("journey 70: done")
