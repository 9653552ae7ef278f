#!/usr/bin/python3
"""TLS towards the next hop, by setting: encrypt takes anybody's certificate but never clear text; required wants proof - a name vouched for
by a CA, or a pinned key - and nothing leaves without it. Negative control: the same next hop with the right proof gets the mail.
"""
import hashlib
import os
import subprocess

from lab import COMMANDS, Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, self_signed


def pin(certificate):
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True, capture_output=True).stdout
    return hashlib.sha256(der).hexdigest()


def body(tls):
    return NEXT_HOP.replace('kind = "smtp"', 'kind = "smtp"\n' + tls)


def main():
    with Folder() as folder:
        pair, other = self_signed(folder, "hop.example"), self_signed(folder, "other.example")
        secure, clear = Sink(tls=pair), Sink()
        right, wrong = pin(pair[0]), pin(other[0])
        cases = [("encrypt", 'tls = "encrypt"', secure, True, ""),
                 ("encrypt, not offered", 'tls = "encrypt"', clear, False, "STARTTLS"),
                 ("required, its CA and name", 'tls = "required"\ntls_name = "hop.example"\ntls_ca_file = "%s"' % pair[0], secure, True, ""),
                 ("required, another name", 'tls = "required"\ntls_name = "mx.example"\ntls_ca_file = "%s"' % pair[0], secure, False, "ostname mismatch"),
                 ("required, another CA", 'tls = "required"\ntls_name = "hop.example"\ntls_ca_file = "%s"' % other[0], secure, False, "self-signed"),
                 ("required, the system's CAs", 'tls = "required"\ntls_name = "hop.example"', secure, False, "self-signed"),
                 ("required, its key pinned", 'tls = "required"\ntls_pins = ["%s", "%s"]' % (wrong, right), secure, True, ""),
                 ("required, another key pinned", 'tls = "required"\ntls_pins = ["%s"]\ntls_name = "hop.example"' % wrong, secure, False, ""),
                 ("required, not offered", 'tls = "required"\ntls_pins = ["%s"]' % right, clear, False, "STARTTLS")]
        for i, (what, tls, sink, taken, why) in enumerate(cases):
            before = len(sink.mails)
            with Sekisho(folder, body(tls), ZONE, name="gate%d" % i, sink=sink.port) as gate:
                client = Client(gate.port)
                reply = client.send(message())
                client.close()
            got = sink.mails[before:]
            if taken:
                need(reply.startswith("250") and len(got) == 1 and got[0]["tls"], "%s: delivered inside TLS" % what)
            else:
                need(reply[:1] == "4" and why in reply and not got, "%s: %s, nothing left" % (what, reply))
        config = os.path.join(folder, "bad.toml")
        for tls, said in (('tls = "required"', "required proves who the next hop is"), ('tls = "required"\ntls_pins = ["abc"]', "is not a SHA-256 in 64 hex digits"),
                          ('tls = "required"\ntls_name = "hop.example"\ntls_ca_file = "absent.pem"', "absent.pem: No such file"), ('tls = "always"', "allowed: off|opportunistic|encrypt|required")):
            with open(config, "w") as out:
                out.write('[server]\nhost = "mx.sekisho.example"\nstate_dir = "s"\n[mx]\nlisten = ["127.0.0.1:0"]\n' + body(tls) % {"sink": 1})
            done = subprocess.run([COMMANDS, "config", "check", config], capture_output=True, text=True, timeout=30)
            need(done.returncode == 1 and said in done.stderr, "%s: %s" % (tls.replace("\n", ", "), done.stderr.strip()))


main()
