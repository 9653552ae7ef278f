#!/usr/bin/python3
"""A person's signature: mails signed by `openssl cms -sign` go through the gate, and smime= in Authentication-Results says what it is worth.

The control: a gate without smime.ca_file says nothing about them.
"""
import os
import re
import subprocess

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, need

AUTHOR = "a@sender.example"


def openssl(folder, *arguments):
    return subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True).stdout


def person(folder, name, address):
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
    with open(os.path.join(folder, name + ".ext"), "w") as out:
        out.write("subjectAltName=email:" + address)
    openssl(folder, "x509", "-req", "-in", name + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "10", "-extfile", name + ".ext", "-out", name + ".crt")


def signed(folder, name, message_id, *options):
    mail = openssl(folder, "cms", "-sign", "-in", "text", "-signer", name + ".crt", "-inkey", name + ".key", "-binary", "-crlfeol", *options)
    head = "From: %s\r\nTo: user@dest.example\r\nDate: Thu, 15 Jan 2026 00:00:00 +0000\r\nMessage-ID: <%s>\r\n" % (AUTHOR, message_id)
    return head.encode() + re.sub(rb"\r?\n", b"\r\n", mail)


def send(gate, mail):
    client = Client(gate.port)
    need(client.send(mail).startswith("250"), "it is taken")
    client.close()


def result_of(sink, message_id):
    mail = next(m["data"] for m in sink.mails if b"<%s>" % message_id.encode() in m["data"]).decode()
    field = re.sub(r"\r\n[ \t]+", " ", mail[mail.index("Authentication-Results:"):]).split("\r\n")[0]
    found = re.search(r"smime=[^;]*", field)
    return found[0].strip() if found else ""


def main():
    with Folder() as folder:
        openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=People CA", "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", "ca.key", "-out", "ca.crt")
        person(folder, "alice", AUTHOR)
        person(folder, "bob", "bob@sender.example")
        with open(os.path.join(folder, "text"), "wb") as out:
            out.write(b"Content-Type: text/plain\r\n\r\nHello\r\n")
        sink = Sink()
        serial = openssl(folder, "x509", "-in", "alice.crt", "-noout", "-serial").decode().strip().split("=")[1]
        mails = {"good@x": signed(folder, "alice", "good@x"), "opaque@x": signed(folder, "alice", "opaque@x", "-nodetach"), "bob@x": signed(folder, "bob", "bob@x")}
        mails["changed@x"] = mails["good@x"].replace(b"Hello", b"Jello").replace(b"<good@x>", b"<changed@x>")
        with Sekisho(folder, NEXT_HOP + '[smime]\nca_file = "%s/ca.crt"\n' % folder, ZONE, mx="greet_pause_ms = 0", sink=sink.port) as gate:
            for mail in mails.values():
                send(gate, mail)
            sink.wait(4)
            good = result_of(sink, "good@x")
            need(good.startswith("smime=pass body.smime-part=2 body.smime-identifier=" + AUTHOR) and "body.smime-serial=" + serial in good and 'body.smime-issuer="CN=People CA"' in good, "detached: " + good)
            need(result_of(sink, "opaque@x").startswith("smime=pass body.smime-part=1 "), "opaque: " + result_of(sink, "opaque@x"))
            need(result_of(sink, "bob@x").startswith("smime=policy "), "somebody else's: " + result_of(sink, "bob@x"))
            need(result_of(sink, "changed@x").startswith("smime=fail "), "changed on its way: " + result_of(sink, "changed@x"))
            passed = next(m["data"] for m in sink.mails if b"<good@x>" in m["data"])
            need(passed.endswith(mails["good@x"]), "the mail went on octet for octet")
            story = gate.story("changed@x")["events"][0]
            need(any(a["method"] == "smime" and a["result"] == "fail" and a["domain"] == "sender.example" for a in story["authentication"]), "the trail has the result")
            need(gate.metrics()['sekisho_smime_total{result="pass"}'] == 2, "metrics count it")
            path = os.path.join(folder, "good.eml")
            with open(path, "wb") as out:
                out.write(mails["good@x"])
            check = gate.json("check", "--ip", "127.0.0.1", "--mail-from", AUTHOR, path)
            need(check["smime"]["result"] == "pass" and check["smime"]["by_author"] and b"smime    pass" in gate.run("check", "--ip", "127.0.0.1", "--mail-from", AUTHOR, path).stdout, "check shows it")
            for ca, status in ((["--ca", folder + "/ca.crt"], 0), ([], 1)):
                done = subprocess.run([gate.binary, "smime", "verify", *ca, path], capture_output=True)
                need(done.returncode == status, "smime verify says %r" % done.stdout)
        sink.mails.clear()
        with Sekisho(folder, NEXT_HOP, ZONE, name="control", mx="greet_pause_ms = 0", sink=sink.port) as gate:
            send(gate, mails["good@x"])
            sink.wait(1)
            need(result_of(sink, "good@x") == "", "control: without smime.ca_file nothing is said")


main()
