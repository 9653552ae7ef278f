#!/usr/bin/python3
"""The road out with a real Postfix: its queue hands mail to our egress over LMTP, we sign, look up MX and relay to the world. What the company
writes verifies with Mail::DKIM and our own check; and whatever the world says - refusal, delay of one recipient, hang-up after the dot, nobody
at home, null MX - is exactly what the queue knows: sent, bounced with the remote's words, or deferred. Nothing is lost, nothing is invented.
"""
import json
import os
import re
import smtplib
import subprocess

from lab import COMMANDS, Client, Folder, NEXT_HOP, Sekisho, Sink, free_port, need, until
from postfix import Postfix

EGRESS = """
[egress]
listen = ["127.0.0.1:%(egress)d"]
port = %(world)d
tls = "off"
mx_networks = ["127.0.0.0/8"]
timeout_ms = 3000
dot_timeout_ms = 3000
[[signing_key]]
domain = "own.example"
selector = "s1"
key_file = "%(key)s"
[[signing_key]]
domain = "own.example"
selector = "ed"
key_file = "%(ed)s"
"""
PERL = r"""
use strict; use warnings; use Mail::DKIM::Verifier; use Mail::DKIM::DNS; no warnings 'redefine';
package RR; sub type { 'TXT' } sub txtdata { $ENV{RECORD} } sub char_str_list { ($ENV{RECORD}) } sub answer { my $s = shift; ($s) } sub header { $_[0] } sub rcode { 'NOERROR' }
package main;
*Mail::DKIM::DNS::query = sub { return (bless {}, 'RR') };
*Mail::DKIM::DNS::query_async = sub { my ($d, $t, %c) = @_; return sub { ($c{Callbacks}{Success} || sub { @_ })->(bless {}, 'RR') } };
my $v = Mail::DKIM::Verifier->new; local $/; my $m = <STDIN>; $v->PRINT($m); $v->CLOSE;
print join(' ', map { $_->selector . '=' . $_->result } $v->signatures), "\n";
"""


def answers(verb, argument, session):
    if verb == "RCPT" and "<nobody@" in argument:
        return "550 5.1.1 nobody lives here"
    if verb == "RCPT" and "<slow@" in argument:
        return "450 4.2.1 the mailbox sleeps"
    if verb == "DOT" and "hangup@" in argument:
        return "close"
    if verb == "DOT" and "spam@" in argument:
        return "554 5.7.1 we do not like it"
    return None


def submit(postfix, number, rcpts, sender="joe@own.example", extra="", author="joe@own.example"):
    with smtplib.SMTP("127.0.0.1", postfix.port) as client:
        client.sendmail(sender, rcpts, "From: Joe <%s>\r\nTo: many@dest.example\r\nSubject: mail %s\r\nMessage-ID: <%s@own.example>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n%s\r\nbody of %s\r\n"
                        % (author, number, number, extra, number))


def with_id(sink, number):
    return [m for m in sink.mails if ("<%s@own.example>" % number).encode() in m["data"].split(b"\r\n\r\n")[0]]


def key_record(path):
    der = subprocess.run("openssl pkey -in %s -pubout -outform DER | base64 -w0" % path, shell=True, capture_output=True, text=True).stdout
    return der


def line_for(postfix, address):
    """The last word of Postfix's log on this recipient."""
    lines = re.findall(r"to=<%s>.*?status=(\w+) \((.*)\)\n" % re.escape(address), postfix.log_text())
    return lines[-1] if lines else None


with Folder() as folder:
    world = Sink(answer=answers)
    key, ed = os.path.join(folder, "s1.pem"), os.path.join(folder, "ed.pem")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", ed], check=True, capture_output=True)
    os.chmod(key, 0o600), os.chmod(ed, 0o600)
    rsa = "v=DKIM1; k=rsa; p=" + key_record(key)
    raw = subprocess.run("openssl pkey -in %s -pubout -outform DER | tail -c 32 | base64 -w0" % ed, shell=True, capture_output=True, text=True).stdout
    zone = "".join("%s. 300 IN MX 10 mx.%s.\nmx.%s. 300 IN A 127.0.0.1\n" % (d, d, d) for d in ("dest.example", "other.example", "own.example"))
    zone += "null.example. 300 IN MX 0 .\naway.example. 300 IN MX 5 mx.away.example.\nmx.away.example. 300 IN A 127.0.0.9\n"
    zone += "pair.example. 300 IN MX 5 mx1.pair.example.\npair.example. 300 IN MX 10 mx2.pair.example.\nmx1.pair.example. 300 IN A 127.0.0.9\nmx2.pair.example. 300 IN A 127.0.0.1\n"
    zone += "loop.example. 300 IN MX 5 mx.sekisho.example.\nmx.sekisho.example. 300 IN A 127.0.0.1\ntrap.example. 300 IN MX 5 mx.trap.example.\nmx.trap.example. 300 IN A 10.0.0.1\nfault.example. 300 IN A 127.0.0.1\n;!servfail fault.example.\n"
    zone += 's1._domainkey.own.example. 300 IN TXT "%s" "%s"\ned._domainkey.own.example. 300 IN TXT "v=DKIM1; k=ed25519; p=%s"\n' % (rsa[:200], rsa[200:], raw)
    port = free_port()
    with Sekisho(folder, NEXT_HOP + EGRESS, zone, sink=world.port, egress=port, world=world.port, key=key, ed=ed) as gate, \
            Postfix(folder, "queue", {"default_transport": "lmtp:inet:127.0.0.1:%d" % port, "relay_transport": "lmtp:inet:127.0.0.1:%d" % port, "smtpd_relay_restrictions": "permit_mynetworks, reject",
                                      "notify_classes": "", "append_dot_mydomain": "no"}) as postfix:
        submit(postfix, "own1", ["alice@dest.example", "bob@dest.example", "carol@other.example", "dave@pair.example"])
        until(lambda: len(with_id(world, "own1")) == 3, what="one mail for four people goes to three domains, one past a dead first MX")
        for mail in with_id(world, "own1"):
            path = os.path.join(folder, "mail")
            open(path, "wb").write(mail["data"])
            seen = json.loads(subprocess.run([COMMANDS, "dkim", "verify", "--json", "--zone", os.path.join(folder, "gate.zone"), path], capture_output=True).stdout)
            need(sorted((s["selector"], s["result"]) for s in seen) == [("ed", "pass"), ("s1", "pass")], "signed by RSA and Ed25519, our own check passes")
            done = subprocess.run(["perl", "-e", PERL], input=mail["data"], capture_output=True, env=dict(os.environ, RECORD=rsa))
            need(b"s1=pass" in done.stdout, "Mail::DKIM verifies it: %s" % (done.stdout + done.stderr[-200:]).decode())
            done = subprocess.run(["perl", "-e", PERL], input=mail["data"].replace(b"body of", b"body off"), capture_output=True, env=dict(os.environ, RECORD=rsa))
            need(b"s1=fail" in done.stdout, "and would not, had a word been changed")
        until(lambda: (line_for(postfix, "alice@dest.example") or [""])[0] == "sent", what="Postfix knows it is sent")
        need("mx.dest.example[127.0.0.1]" in line_for(postfix, "alice@dest.example")[1] and "queued as SINK" in line_for(postfix, "alice@dest.example")[1], "with the remote's name and words")
        story = gate.story("--message-id", "own1@own.example")
        decided = [e for e in story["events"] if e["event"] == "decided"][0]
        need(decided["road"] == "outbound" and [(c["change"], c["value"]) for c in decided["changes"]] == [("dkim", "own.example")] * 2, "trace tells what was done to it, and why")

        submit(postfix, "mixed", ["alice@dest.example", "nobody@dest.example", "slow@dest.example", "bob@null.example", "carol@away.example", "dave@gone.example",
                                  "erin@loop.example", "frank@fault.example", "gina@trap.example"])
        want = {"alice@dest.example": ("sent", "250"), "nobody@dest.example": ("bounced", "550 5.1.1 nobody lives here"), "slow@dest.example": ("deferred", "450 4.2.1 the mailbox sleeps"),
                "bob@null.example": ("bounced", "5.1.10"), "carol@away.example": ("deferred", "cannot be reached"), "dave@gone.example": ("bounced", "5.1.2"),
                "erin@loop.example": ("bounced", "5.4.6"), "frank@fault.example": ("deferred", "4.4.3"),
                "gina@trap.example": ("bounced", "5.4.4 trap.example: No way to trap.example: its host mx.trap.example is 10.0.0.1 (private)")}
        for address, (status, words) in want.items():
            until(lambda: line_for(postfix, address) and len(with_id(world, "mixed")) == 1, 15)
            got = line_for(postfix, address) or ("nothing", "")
            need(got[0] == status and words in got[1], "%s: %s (%s)" % (address, got[0], got[1][:150]))
        bounce = until(lambda: [m for m in world.mails if m["rcpts"] == ["joe@own.example"]], 10)
        need(bounce and b"nobody lives here" in bounce[0]["data"] and b"nobody@dest.example" in bounce[0]["data"], "the bounce has the remote's words, and went out the same way")

        submit(postfix, "dot", ["hangup@dest.example"]), submit(postfix, "spam", ["spam@other.example"])
        until(lambda: line_for(postfix, "hangup@dest.example") and line_for(postfix, "spam@other.example"), 15)
        need(line_for(postfix, "hangup@dest.example")[0] == "deferred" and "did not confirm" in line_for(postfix, "hangup@dest.example")[1], "a hang-up after the dot is neither sent nor bounced")
        need(line_for(postfix, "spam@other.example")[0] == "bounced" and "554 5.7.1 we do not like it" in line_for(postfix, "spam@other.example")[1], "a refusal after the dot bounces with its words")
        until(lambda: sum(len(json.loads(l)["recipients"]) for l in postfix.queued()) == 4, what="in the queue: the four that are deferred, nobody else")

        # Negative control: an egress that lies. The same world, a relay that says 250 to all: Postfix believes it and nobody is left in the queue.
        liar = Sink(lmtp=True)
        postfix.change(default_transport="lmtp:inet:127.0.0.1:%d" % liar.port)
        submit(postfix, "lie", ["nobody@dest.example"])
        until(lambda: line_for(postfix, "nobody@dest.example")[0] == "sent", what="control: with a relay that lies the same log would say sent")

        # A sender beyond ASCII is found by what he is called.
        utf8 = Client(port)
        utf8.say("LHLO q")
        utf8.say("MAIL FROM:<用户@own.example> SMTPUTF8".encode().decode("latin-1")), utf8.say("RCPT TO:<alice@dest.example>")
        utf8.say("DATA")
        need(utf8.say("From: joe@own.example\r\nMessage-ID: <utf8@own.example>\r\n\r\nx\r\n.").startswith("550 5.6.7"), "the world's host does not take SMTPUTF8")
        utf8.close()
        need(gate.story("--mail-from", "用户@own.example")["events"][0]["mail_from"] == "用户@own.example", "trace finds a UTF-8 sender's outgoing mail")

        stranger = Client(port, source="127.0.0.3")
        need(stranger.greeting.startswith("220") and "LMTP" in stranger.greeting, "the gate speaks LMTP")
        need(stranger.say("EHLO x").startswith("500") and stranger.say("LHLO x").startswith("250"), "and not SMTP")
        stranger.close()
        metrics = gate.metrics()
        need(metrics['sekisho_egress_recipients_total{outcome="unknown"}'] >= 1 and metrics['sekisho_egress_changes_total{change="dkim"}'] >= 2, "the metrics count both")
    with Sekisho(folder, NEXT_HOP + EGRESS.replace("[egress]", '[egress]\nprotocol = "smtp"\nclients = ["127.0.0.7"]'), zone, name="smtp", sink=world.port, egress=port, world=world.port, key=key, ed=ed) as gate:
        other = Client(port)
        need(other.greeting.startswith("554 5.7.1"), "who is not in egress.clients is turned away: " + other.greeting)
        client = Client(port, source="127.0.0.7")
        client.say("EHLO q"), client.say("MAIL FROM:<joe@own.example>")
        need(client.say("RCPT TO:<nobody@dest.example>").startswith("250") and client.say("RCPT TO:<alice@dest.example>").startswith("451 4.5.3"), "over SMTP: one recipient")
        client.say("DATA")
        reply = client.say("From: joe@own.example\r\n\r\nx\r\n.")
        need(reply.startswith("550 5.1.1 ") and "nobody lives here" in reply, "and its true answer: " + reply)
        client.close()
print("ok")
