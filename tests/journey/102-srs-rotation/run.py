#!/usr/bin/python3
"""The secret is changed while mail is under way, in a server locked into its sandbox: old addresses come back, new ones are made with the new secret,
and a file that cannot be used leaves the old one in force and says why.
"""
import os
import subprocess

from forwarder import SRS, Forwarder
from lab import Folder, need, release_binary, until


def reload(f):
    done = f.gate.run("reload")
    return done.returncode, (done.stdout + done.stderr).decode()


def leaves_as(f, sender):
    before = len(f.sink.mails)
    need(f.send(sender, "alias@fwd.example").startswith("250"), "a mail of %s is taken" % sender)
    return f.sink.wait(before + 1)[-1]["mail_from"]


def comes_back(f, address, to):
    return f.send("", address).startswith("250") and bool(f.arrived(to))


def main():
    binary = release_binary()
    with Folder() as folder, Forwarder(folder, binary=binary) as f:
        until(lambda: "sandboxed" in f.gate.log_text(), 10, "control: the server is in its sandbox")
        first = leaves_as(f, "one@first.example")
        done = subprocess.run([binary, "srs", "rotate", f.secret], capture_output=True, text=True)
        need(done.returncode == 0 and "1 older verify" in done.stdout and "sekisho reload" in done.stdout, "srs rotate: " + done.stdout.split("\n")[0])
        need(os.stat(f.secret).st_mode & 0o777 == 0o600, "the file is still private")
        need(reload(f)[0] == 0, "reload")
        second = leaves_as(f, "two@first.example")
        lines = open(f.secret).read().splitlines()
        for number, line in enumerate(lines):
            with open(os.open(folder + "/only%d" % number, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
                out.write(line + "\n")
        need(f.srs("reverse", second, secret=folder + "/only0") == "two@first.example", "the new secret signs")
        need(f.srs("reverse", first, secret=folder + "/only0") == "exit 1", "control: it has not made the older address")
        need(comes_back(f, first, "one@first.example") and comes_back(f, second, "two@first.example"), "bounces to both come back")
        need(f.gate.metrics().get("sekisho_mediator_old_secret_total", 0) >= 1, "and it is counted that the old secret was needed")
        os.chmod(f.secret, 0o644)
        code, text = reload(f)
        need(code != 0 and "chmod 600" in text and f.gate.config + ":" in text, "a file that everybody reads is refused, with file, line and cure")
        os.rename(f.secret, f.secret + ".away")
        code, text = reload(f)
        need(code != 0 and "srs secret --new" in text, "so is one that is not there")
        need(comes_back(f, leaves_as(f, "three@first.example"), "three@first.example"), "the old secrets stay in force")
        with open(os.open(f.secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            out.write(lines[0] + "\n")
        need(reload(f)[0] == 0, "a file without the old secret is taken")
        need(f.send("", first).startswith("550"), "and what it had made is refused from now on")
        need(f.send("", second).startswith("250"), "what the new one made is not")


main()
