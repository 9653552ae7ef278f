#!/usr/bin/python3
"""`sekisho init`: the config it prints passes `config check`, its lines stand in a real Postfix, and a mail passes through both; a foreign recipient does not."""
import json
import os
import subprocess

from lab import BINARY, COMMANDS, Client, Folder, free_port, message, need, until, wait_port
from postfix import Postfix

ZONE = """$ORIGIN .
sender.example. 300 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"
sender.example. 300 IN A 127.0.0.1
"""


def init(*words, check=0):
    done = subprocess.run([COMMANDS, "init", *words, "--json"], capture_output=True, timeout=60)
    need(done.returncode == check, "init %s: exit %d: %s" % (" ".join(words), done.returncode, done.stderr[-300:]))
    return json.loads(done.stdout) if done.stdout else None


def pieces(answer):
    return {p["name"]: p["lines"] for s in answer["steps"] for p in s["files"]}


def seen(answer):
    return " | ".join(x["en"] for s in answer["steps"] for x in s["seen"])


def main():
    with Folder() as folder:
        zone, main_cf, out = folder + "/zone", folder + "/main.cf", folder + "/setup"
        open(zone, "w").write(ZONE)
        open(main_cf, "w").write("# a comment\nmyhostname = mx.dest.example\nmydomain =\n  dest.example\nmynetworks = 127.0.0.0/8\n")
        words = ["--main-cf", main_cf, "--zone", zone]
        first = init(*words)
        need((first["mta"], first["host"], first["domain"]) == ("postfix", "mx.dest.example", "dest.example"), "host and domain out of main.cf: %r" % first["domain"])
        need(any("v=spf1 mx ~all" in line for line in pieces(first)["zone.add"]) and any("v=DMARC1; p=none" in line for line in pieces(first)["zone.add"]), "known records to copy")
        open(zone, "a").write("\n".join(pieces(first)["zone.add"]) + "\n")
        need(init(*words) == dict(init(*words)) and "zone.add" not in pieces(init(*words)) and "already there: dest.example: v=spf1 mx" in seen(init(*words)), "run again: what is published is said, not asked for")
        open(main_cf, "a").write("mynetworks = 0.0.0.0/0\n")
        need("open relay" in seen(init(*words)) and "open relay" not in seen(first), "an open relay is told")
        need("DAEMON_OPTIONS(`Port=10026, Addr=127.0.0.1, Name=MTA')dnl" in pieces(init("--mta", "sendmail", "--domain", "dest.example", "--zone", zone))["sendmail.mc.add"], "lines for Sendmail")
        listen, hop = free_port(), free_port()
        made = init(*words, "--listen", "127.0.0.1:%d" % listen, "--next-hop", "127.0.0.1:%d" % hop, "--state-dir", folder + "/state", "--write", out)
        need(sorted(os.listdir(out)) == ["main.cf.add", "master.cf.add", "sekisho.toml", "sign.txt"], "the folder: %r" % os.listdir(out))
        init(*words, "--write", out, check=2)  # never over what is there
        init("--listen", "here", check=2)
        for bad in (("--domain", "-x.example"), ("--domain", "--help"), ("--domain", "dest.example", "--host", "mx-.example"), ("--domain", "dest.example", "--state-dir", "/var/\x1b[31m")):
            init(*bad, "--zone", zone, check=2)  # options in a line to type, octets in a config
        init("--domain", "a b", check=2)
        config = out + "/sekisho.toml"
        checked = subprocess.run([COMMANDS, "config", "check", config], capture_output=True, timeout=60)
        need(checked.returncode == 0, "config check: %s" % (checked.stdout + checked.stderr)[-400:])
        postfix = Postfix(folder, "mta", {"virtual_mailbox_domains": "dest.example"}, ["user@dest.example"])
        try:
            with open(postfix.conf + "/master.cf", "a") as master:
                master.write("".join(line.replace(" n - y - - ", " n - n - - ") + "\n" for line in pieces(made)["master.cf.add"]))
            with open(postfix.conf + "/main.cf", "a") as main_file:
                main_file.write("".join(line + "\n" for line in pieces(made)["main.cf.add"]))
            postfix.command("postfix", "reload")
            wait_port(hop)
            log = open(folder + "/serve.log", "ab")
            served = folder + "/served.toml"  # the same with the test's DNS
            open(served, "w").write(open(config).read() + '\n[dns]\nzone_file = "%s"\n' % zone)
            server = subprocess.Popen([BINARY, "serve", "-c", served], stdout=log, stderr=log)
            try:
                wait_port(listen, 30, server, greeted=True)
                client = Client(listen)
                answer = client.send(message())
                need(answer.startswith("250"), "a mail passes Sekisho and Postfix: " + answer)
                foreign = client.send(message(), rcpts=("x@elsewhere.example",))
                need(foreign[:1] == "5", "nobody relays: " + foreign)
                nobody = client.send(message(), rcpts=("nobody@dest.example",))
                need(nobody[:1] == "5", "nobody's mailbox is refused at once: " + nobody)
                client.close()
                delivered = postfix.mail + "/user@dest.example/new"
                until(lambda: os.path.isdir(delivered) and os.listdir(delivered), 10, "and it lies in the mailbox")
            finally:
                server.terminate()
                server.wait(45)
        finally:
            postfix.stop()


if __name__ == "__main__":
    main()
