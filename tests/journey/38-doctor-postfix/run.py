#!/usr/bin/python3
"""`sekisho doctor` before a real Postfix. As Debian ships it, a bare LF ends lines and so messages: told as a warning, with the lines of
main.cf that change it. With those very lines in main.cf everything is well. A marked mail arrives octet for octet.
"""
import json
import os
import subprocess

from lab import COMMANDS, Folder, free_port, need, self_signed
from postfix import Postfix

CONFIG = """[server]
host = "mx.sekisho.example"
state_dir = "%(state)s"
[mx]
listen = ["127.0.0.1:%(port)d"]
message_bytes = 10000000
[dns]
servers = ["127.0.0.1:1"]
[[next_hop]]
name = "main"
kind = "smtp"
address = "127.0.0.1:%(hop)d"
[[local_domain]]
name = "dest.example"
next_hop = "main"
"""


def examine(config, mailbox):
    done = subprocess.run([COMMANDS, "doctor", "-c", config, "--only", "next_hop", "--probe-rcpt", "user@dest.example", "--mailbox", mailbox, "--json"], capture_output=True, text=True, timeout=240)
    answer = json.loads(done.stdout)
    for f in answer["findings"]:
        print("    %-8s %-18s %-34s %s" % (f["grade"], f["code"], f["subject"], f["evidence"][:150]))
    return done.returncode, answer["findings"]


def of(findings, code, grade=None):
    return [f for f in findings if f["code"] == code and (grade is None or f["grade"] == grade)]


def main():
    with Folder() as folder:
        certificate, key = self_signed(folder, "hop.example")
        settings = {"virtual_mailbox_domains": "dest.example", "smtpd_tls_security_level": "may", "smtpd_tls_cert_file": certificate, "smtpd_tls_key_file": key, "message_size_limit": "10240000",
                    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination", "smtpd_client_connection_count_limit": "50"}
        with Postfix(folder, "hop", settings, ("user@dest.example",)) as postfix:
            config, mailbox = os.path.join(folder, "sekisho.toml"), os.path.join(postfix.mail, "user@dest.example")
            with open(config, "w") as out:
                out.write(CONFIG % {"state": os.path.join(folder, "state"), "port": free_port(), "hop": postfix.port})
            print("as shipped:")
            code, found = examine(config, mailbox)
            lenient = of(found, "hop_line_end", "warning")
            need("main <LF>.<LF>" in [f["subject"] for f in lenient], "as shipped, <LF>.<LF> ends a message: warned")
            need(any("ran the commands behind it" in f["evidence"] for f in lenient), "and what stands behind it is run")
            need("main <CR>.<CR>" in [f["subject"] for f in of(found, "hop_line_end", "ok")], "control: not every variant does")
            need(code == 1 and len(of(found, "hop_foreign_rcpt", "failure")) == 1, "it relays for us: a failure, exit 1")
            need(len(of(found, "hop_arrival", "ok")) == 1, "the marked mail arrived octet for octet")
            need(of(found, "hop_tls", "ok")[0]["evidence"].startswith("TLSv1.") and len(of(found, "hop_random_rcpt", "ok")) == 1, "TLS is spoken, unknown recipients are refused")
            need(len(of(found, "hop_content")) == 4 and of(found, "hop_chunking", "ok"), "stray octets and BDAT were tried")
            # What it says is done, line by line.
            lines = [l.split("#")[0].strip() for f in of(found, "hop_content", "warning")[:1] + lenient[:1] + of(found, "hop_foreign_rcpt") for l in f["postfix"]]
            change = dict(l.split("=", 1) for l in lines if "=" in l)
            change = {k.strip(): v.strip() for k, v in change.items()}
            need(change.get("smtpd_forbid_bare_newline") == "normalize" and change.get("smtpd_forbid_bare_newline_exclusions") == "" and change.get("smtpd_relay_restrictions") == "reject_unauth_destination", "the advice, line by line: %r" % change)
            change.pop("mynetworks")  # the other way of two: this machine is the next hop's own
            postfix.change(**change)
            print("as advised:")
            code, found = examine(config, mailbox)
            need(code == 0 and not any(f["grade"] in ("warning", "failure") for f in found), "as advised, only CRLF.CRLF ends a message and nothing else is amiss: exit 0")
            need(len(of(found, "hop_line_end", "ok")) >= 12 and of(found, "hop_foreign_rcpt", "ok") and of(found, "hop_arrival", "ok"), "all variants were tried, foreign recipients are refused, the mail arrives")
            postfix.stop()
            code, found = examine(config, mailbox)
            need(code == 1 and of(found, "hop_reachable", "failure"), "stopped: told as such")


main()
