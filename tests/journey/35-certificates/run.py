#!/usr/bin/python3
"""Certificates while the gate runs. Chosen by the name the client asks for, RSA and ECDSA side by side, TLS 1.2 and 1.3 only, no
renegotiation. New files are shown within a second, sessions under way go on; half a pair, a cut file, a wrong or expired one is refused
with the file's name and the old one stays. The end of each is told in the log and in the metrics.
"""
import hashlib
import os
import re
import shutil
import ssl
import subprocess
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, until


def make(folder, name, names, days=30, rsa=0, start=None):
    """A certificate signed by itself; days may be given as a fraction."""
    certificate, key = os.path.join(folder, name + ".crt"), os.path.join(folder, name + ".key")
    kind = ["-newkey", "rsa:%d" % rsa] if rsa else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(["openssl", "req", "-new", *kind, "-nodes", "-subj", "/CN=" + names[0], "-keyout", key, "-out", key + ".csr",
                    "-addext", "subjectAltName=" + ",".join("DNS:" + n for n in names)], check=True, capture_output=True)
    stamp = lambda t: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(t))
    ca = os.path.join(folder, name + "-ca")
    os.makedirs(ca, exist_ok=True)
    open(ca + "/index", "w").close()
    open(ca + "/serial", "w").write("01\n")
    with open(ca + "/cnf", "w") as out:
        out.write("[ca]\ndefault_ca=a\n[a]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\ncopy_extensions=copyall\nunique_subject=no\n[p]\ncommonName=supplied\n" % (ca, ca, ca))
    now = time.time()
    subprocess.run(["openssl", "ca", "-batch", "-config", ca + "/cnf", "-selfsign", "-keyfile", key, "-in", key + ".csr", "-out", certificate, "-notext",
                    "-startdate", stamp(start or now - 7200), "-enddate", stamp(now + days * 86400)], check=True, capture_output=True)
    shutil.rmtree(ca)
    return certificate, key


def fingerprint(path):
    return subprocess.run(["openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha256"], check=True, capture_output=True, text=True).stdout.strip().split("=")[1]


def shown(port, name=None, *words):
    """What openssl s_client sees: fingerprint, protocol, cipher and its whole talk."""
    command = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-starttls", "smtp", *(["-servername", name] if name else ["-noservername"]), *words]
    done = subprocess.run(command, input="QUIT\r\n", capture_output=True, text=True, timeout=20)
    pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", done.stdout, re.S)
    print_of = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=pem[0], capture_output=True, text=True).stdout.strip().split("=")[1] if pem else None
    protocol = re.search(r"Protocol *: *(\S+)|New, (TLSv1\.\d)", done.stdout)
    return print_of, (protocol[1] or protocol[2]) if protocol else None, done.stdout + done.stderr


def quick_look(port):
    """The fingerprint shown to a client that knows ECDSA, without a new process."""
    client = Client(port)
    client.say("EHLO c.example"), client.say("STARTTLS")
    context = ssl._create_unverified_context()
    context.set_ciphers("ECDSA")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    client.stream.close()
    secure = context.wrap_socket(client.socket, server_hostname="mx.a.example")
    digest = hashlib.sha256(secure.getpeercert(True)).hexdigest().upper()
    secure.close()
    return ":".join(digest[i:i + 2] for i in range(0, 64, 2))


def names_and_versions(gate, a, rsa, wild):
    for name, want in (("mx.a.example", a), ("MX.A.Example", a), (None, a), ("nobody.example", a), ("x.wild.example", wild), ("x.y.wild.example", a)):
        need(shown(gate.port, name)[0] == fingerprint(want[0]), "asking for %s shows %s" % (name, os.path.basename(want[0])))
    for version in ("-tls1_2", "-tls1_3"):
        need(shown(gate.port, "mx.a.example", version)[0] is not None, "%s is spoken" % version)
    for version in ("-tls1", "-tls1_1"):
        need(shown(gate.port, "mx.a.example", version, "-cipher", "ALL:@SECLEVEL=0")[0] is None, "%s is not" % version)
    need(shown(gate.port, "mx.a.example", "-tls1_2", "-cipher", "aRSA")[0] == fingerprint(rsa[0]), "a client that knows only RSA sees the RSA certificate of that name")
    need(shown(gate.port, "mx.a.example", "-tls1_2", "-cipher", "ECDSA")[0] == fingerprint(a[0]), "one that knows ECDSA the other")
    need(shown(gate.port, "mx.a.example", "-tls1_2", "-cipher", "kRSA")[0] is None, "without forward secrecy there is no handshake")
    talk = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % gate.port, "-starttls", "smtp", "-tls1_2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(0.7)
    talk.stdin.write("R\n")
    talk.stdin.flush()
    time.sleep(0.7)
    said = talk.communicate(timeout=20)[0]
    need("RENEGOTIATING" in said and "no renegotiation" in said, "renegotiation is refused")


def refused_is_kept(gate, live, other, folder):
    before = fingerprint(live[0])
    good = [open(path, "rb").read() for path in live]
    new = [open(path, "rb").read() for path in other]
    held = Client(gate.port)
    need(held.say("EHLO c.example") and held.starttls().startswith("220") and held.say("EHLO c.example").startswith("250"), "a session that stays")

    def put(certificate=None, key=None):
        for path, octets in zip(live, (certificate, key)):
            if octets is not None:
                open(path, "wb").write(octets)

    def refuses(what, path, reason):
        marks = gate.log_text().count("tls_refused")
        until(lambda: gate.log_text().count("tls_refused") > marks and path in gate.log_text().split("tls_refused")[-1] and reason in gate.log_text().split("tls_refused")[-1], seconds=3,
              what="%s: refused, and the log names %s: %s" % (what, os.path.basename(path), reason))
        need(shown(gate.port, "mx.a.example", "-tls1_2", "-cipher", "ECDSA")[0] == before, "%s: the old one is shown" % what)

    put(certificate=new[0])
    refuses("half a pair", live[1], "does not match")
    put(certificate=new[0][:len(new[0]) // 2])
    refuses("half a file", live[0], "cut off")
    put(certificate=b"")
    refuses("an empty file", live[0], "no certificate")
    expired = make(folder, "expired", ["mx.a.example"], days=-0.01)
    put(*[open(path, "rb").read() for path in expired])
    refuses("an expired one", live[0], "expired on")
    weak = make(folder, "weak", ["mx.a.example"], rsa=1024)
    put(*[open(path, "rb").read() for path in weak])
    refuses("a weak one", live[1], "1024 bits")
    put(*good)
    time.sleep(0.7)
    # The negative control: the same way with a whole pair is taken, and fast.
    times = []
    for pair, octets in ((other, new), (live, good), (other, new)):
        want = fingerprint(other[0]) if octets is new else before
        began = time.time()
        put(*octets)
        until(lambda: quick_look(gate.port) == want, seconds=5)
        times.append(time.time() - began)
    need(min(times) < 1.0 and max(times) < 3.0, "a whole pair is shown after %s s" % ", ".join("%.2f" % t for t in times))
    need(shown(gate.port, "mx.a.example", "-tls1_2", "-cipher", "ECDSA")[0] == fingerprint(other[0]), "openssl s_client sees it too")
    until(lambda: "tls_loaded" in gate.log_text(), 10, "and the log says so")
    need(held.say("NOOP").startswith("250") and held.send(message(message_id="held@sender.example")).startswith("250"), "the session from before goes on under its old certificate")
    held.close()
    m = gate.metrics()
    need(m["sekisho_tls_certificates_refused_total"] == 5 and m["sekisho_tls_certificates_loaded_total"] >= 1, "metrics count them: 5 refused, %d loaded" % m["sekisho_tls_certificates_loaded_total"])


def resumption(gate, live, other, folder):
    ticket = os.path.join(folder, "ticket")
    words = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % gate.port, "-starttls", "smtp", "-servername", "mx.a.example", "-tls1_2"]
    subprocess.run(words + ["-sess_out", ticket], input="QUIT\r\n", capture_output=True, text=True, timeout=20)
    again = lambda: subprocess.run(words + ["-sess_in", ticket], input="QUIT\r\n", capture_output=True, text=True, timeout=20).stdout
    need("Reused" in again(), "a session ticket opens")
    for path, source in zip(live, other):
        shutil.copy(source, path + ".new")
        os.replace(path + ".new", path)
    until(lambda: shown(gate.port, "mx.a.example", "-tls1_2", "-cipher", "ECDSA")[0] == fingerprint(other[0]), seconds=3, what="replaced by rename")
    need("Reused" not in again(), "after the certificate has changed it opens no more")


def alarms(folder, sink):
    days = {"later": 20, "soon": 13.5, "near": 2.5, "today": 0.5, "gone": -0.5}
    pairs = {name: make(folder, name, [name + ".example"], days=d) for name, d in days.items()}
    tables = "".join('[[tls.certificate]]\ncertificate_file = "%s"\nkey_file = "%s"\n' % pair for pair in pairs.values())
    with Sekisho(folder, tables + NEXT_HOP % {"sink": sink.port}, ZONE, name="alarm") as gate:
        text = until(lambda: gate.log_text() if "tls_expired" in gate.log_text() else None)
        for name, left in (("soon", 13), ("near", 2), ("today", 0)):
            need(re.search(r"tls_expires file=\S*%s.crt name=%s.example days_left_count=%d" % (name, name, left), text), "%s: told, %d days left" % (name, left))
        need(re.search(r"tls_expired file=\S*gone.crt name=gone.example", text), "an expired one does not stop the start, and is an error in the log")
        time.sleep(1)
        need(gate.log_text().count("tls_expires") == 3 and gate.log_text().count("tls_expired") == 1, "each once")
        need("later.crt" not in text.replace("tls_loaded", ""), "control: 20 days are no alarm")
        m = gate.metrics()
        for name, d in days.items():
            value = m['sekisho_tls_certificate_expires_seconds{name="%s.example"}' % name]
            need(abs(value - d * 86400) < 300, "metric of %s: %d s" % (name, value))


def slow_key(folder, sink):
    pair = make(folder, "slow", ["mx.a.example"], rsa=4096)
    with Sekisho(folder, '[[tls.certificate]]\ncertificate_file = "%s"\nkey_file = "%s"\n' % pair + NEXT_HOP % {"sink": sink.port}, ZONE, name="slow") as gate:
        need(shown(gate.port, "mx.a.example")[0] == fingerprint(pair[0]), "RSA 4096: a handshake on threads of its own")
        until(lambda: "tls_slow_key" in gate.log_text(), what="and a word about it in the log")


def only_13(folder, sink, pair):
    with Sekisho(folder, '[tls]\nmin_version = "1.3"\n' + NEXT_HOP % {"sink": sink.port}, ZONE, name="v13", mx='tls_certificate = "%s"\ntls_key = "%s"' % pair) as gate:
        need(shown(gate.port, None, "-tls1_2")[0] is None and shown(gate.port, None, "-tls1_3")[1] == "TLSv1.3", "tls.min_version = 1.3: no TLS 1.2")


def main():
    with Folder() as folder:
        sink = Sink()
        a, rsa = make(folder, "a", ["mx.a.example", "mail.a.example"]), make(folder, "rsa", ["mx.a.example"], rsa=2048)
        wild, other, third = make(folder, "wild", ["*.wild.example"]), make(folder, "other", ["mx.a.example"]), make(folder, "third", ["mx.a.example"])
        tables = "".join('[[tls.certificate]]\ncertificate_file = "%s"\nkey_file = "%s"\n' % pair for pair in (rsa, wild))
        with Sekisho(folder, tables + NEXT_HOP % {"sink": sink.port}, ZONE, mx='tls_certificate = "%s"\ntls_key = "%s"' % a) as gate:
            names_and_versions(gate, a, rsa, wild)
            refused_is_kept(gate, a, other, folder)
            resumption(gate, a, third, folder)
        alarms(folder, sink)
        slow_key(folder, sink)
        only_13(folder, sink, a)


main()
