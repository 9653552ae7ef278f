"""Started by root with server.user: binds a port of root's, becomes that user for good, locks itself in - and still does all of its work."""
import glob
import os
import pwd
import re
import socket
import subprocess

from lab import BINARY, NEXT_HOP, ROOT, ZONE, Client, Folder, Sekisho, Sink, message, need, self_signed, skip, until

RELEASE = os.path.join(ROOT, "build/release/sekisho")
USER = "nobody"
MAILDIR = """
[[next_hop]]
name = "folder"
kind = "maildir"
folder = "%(mail)s"
[[local_domain]]
name = "folder.example"
next_hop = "folder"
check = "any"
"""


def port_of_root():
    for port in range(600, 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    skip("no port below 1024 is free")


class Gate(Sekisho):
    def start(self):
        text = open(self.config).read()
        if not getattr(self, "moved", False):
            new = port_of_root()
            with open(self.config, "w") as out:
                out.write(text.replace("127.0.0.1:%d" % self.port, "127.0.0.1:%d" % new))
            self.port, self.moved = new, True
        super().start()


def statuses(pid):
    for path in glob.glob("/proc/%d/task/*/status" % pid):
        yield dict(line.rstrip("\n").split(":\t", 1) for line in open(path) if ":\t" in line)


def who_we_are(gate, user, caged):
    all_of = list(statuses(gate.process.pid))
    need(len(all_of) > 4, "%d threads" % len(all_of))
    for status in all_of:
        wrong = [k for k in ("Uid", "Gid") if status[k].split() != [str(user.pw_uid if k == "Uid" else user.pw_gid)] * 4]
        wrong += [k for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[k], 16) != 0]
        wrong += [k for k, want in (("NoNewPrivs", "1"), ("Seccomp", "2")) if caged and status[k] != want]
        if wrong:
            raise AssertionError("thread %s: %s" % (status["Name"], {k: status[k] for k in wrong}))
    need(True, "every thread is %s, without a capability%s" % (user.pw_name, ", under seccomp and with no_new_privs" if caged else ""))
    mine = [os.path.join(top, name) for top, folders, files in os.walk(gate.state) for name in folders + files]
    foreign = [path for path in mine if os.lstat(path).st_uid != user.pw_uid]
    need(len(mine) > 10 and not foreign, "all %d files of the state are its own: %s" % (len(mine), foreign[:3]))


def work(gate, sink, mail):
    client = Client(gate.port)
    client.say("EHLO client.example")
    need(client.starttls()[:3] == "220", "TLS")
    need(client.send(message(message_id="caged@sender.example"))[:3] == "250" and sink.wait(1), "a mail passes to the next hop")
    need(client.send(message(message_id="folder@sender.example"), rcpts=("user@folder.example",))[:3] == "250", "another into a Maildir")
    client.close()
    need(glob.glob(mail + "/folder.example/user/new/*"), "where it lies")
    gate.story("--message-id", "caged@sender.example")
    need(gate.json("ledger", "verify")["verified"], "the ledger verifies")
    need("sekisho_mails_total" in "".join(gate.metrics()), "metrics are served")


def reloads(gate, folder):
    with open(gate.config, "a") as out:
        out.write("[limits]\nip_sessions = 40\n")
    with open(os.path.join(folder, "gate.zone"), "a") as out:
        out.write("later.example. 300 IN A 127.0.0.1\n")
    gate.run("reload", check=0)
    until(lambda: gate.log_text().count("config_loaded") == 1, 10, "a reload reads config, zone and certificates inside the cage")
    before = open(gate.config).read()
    with open(out_of_reach(), "w") as out:
        out.write("user\n")
    try:
        with open(gate.config, "w") as out:
            out.write(before.replace('check = "table"', 'check = "table"\nrecipients_file = "%s"' % out_of_reach()))
        done = gate.run("reload", check=2)
        need(b"recipients_file" in done.stderr and b"needs a restart" in done.stderr, "a file out of its reach is refused, with the reason")
    finally:
        os.unlink(out_of_reach())
        with open(gate.config, "w") as out:
            out.write(before)


def out_of_reach():
    return "/root/sekisho-people-%d" % os.getpid()


def refusals(folder, sink, user):
    def started(name, prepare=lambda state: None, user_name=USER, before=()):
        base = os.path.join(folder, name)
        os.mkdir(base)
        os.chmod(base, 0o755)
        state = os.path.join(base, "state")
        prepare(state)
        config = os.path.join(base, "config.toml")
        with open(config, "w") as out:
            out.write('[server]\nhost = "mx.sekisho.example"\nstate_dir = "%s"\nuser = "%s"\n[mx]\nlisten = ["127.0.0.1:0"]\n' % (state, user_name) + NEXT_HOP % {"sink": sink.port})
        done = subprocess.run([*before, BINARY, "serve", "-c", config], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr

    def of_root(state):
        os.makedirs(state + "/ledger")
        os.chown(state, user.pw_uid, user.pw_gid)
    code, said = started("foreign", of_root)
    need(code == 2 and "/ledger does not belong to nobody" in said and "chown -R nobody: " in said, "a state of root's is refused: " + said.strip())
    code, said = started("unknown", user_name="no-such-user")
    need(code == 2 and 'server.user: there is no user "no-such-user"' in said, said.strip())
    code, said = started("root", user_name="root", before=("timeout", "--preserve-status", "4"))
    need(code == 0 and " ready " in said and "runs_as_root" in said, "control: root stays root when asked to: " + said.strip())
    code, said = started("other", user_name="daemon", before=("setpriv", "--reuid=%d" % user.pw_uid, "--regid=%d" % user.pw_gid, "--clear-groups"))
    need(code == 2 and "only root can become daemon" in said, said.strip())


def main():
    if os.geteuid() != 0:
        skip("only root can give up its rights")
    user = pwd.getpwnam(USER)
    with Folder() as folder:
        sink = Sink()
        refusals(folder, sink, user)
        certificate = self_signed(folder, "mx.sekisho.example")
        for path in certificate:
            os.chmod(path, 0o644)
        mail = os.path.join(folder, "mail")
        words = {"server": 'user = "%s"' % USER, "mx": 'tls_certificate = "%s"\ntls_key = "%s"' % certificate, "sink": sink.port, "mail": mail, "zone": ZONE}
        binary = RELEASE if os.path.exists(RELEASE) else BINARY
        with Gate(folder, NEXT_HOP + MAILDIR, binary=binary, **words) as gate:
            caged = "built with sanitizers" not in gate.log_text()
            if not caged:
                print("SKIP: build/release/sekisho is not there; a sanitized build is not caged, so only the rights are looked at")
            who_we_are(gate, user, caged)
            log = gate.log_text()
            need("user_changed user=nobody" in log and "runs_as_root" not in log, "the log tells who it is")
            if caged:
                landlock = re.search(r"sandboxed landlock=(\w+) seccomp=on", log)
                need(landlock, "and that it is caged (Landlock %s)" % (landlock and landlock[1]))
                if landlock[1] != "on":
                    print("SKIP: " + re.search("not_sandboxed.*", log)[0])
            work(gate, sink, mail)
            if caged and landlock[1] == "on":
                reloads(gate, folder)
            who_we_are(gate, user, caged)
        words["server"] += '\nsandbox = "off"'
        with Gate(folder, NEXT_HOP + MAILDIR, name="open", binary=binary, **words) as gate:
            status = next(statuses(gate.process.pid))
            need(status["Seccomp"] == "0" and "not_sandboxed reason=\"server.sandbox is off\"" in gate.log_text(), "control: server.sandbox = \"off\" leaves it open, and is told")


main()
