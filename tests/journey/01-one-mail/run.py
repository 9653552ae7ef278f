#!/usr/bin/python3
"""One mail walks the whole road: client, gate, strict next hop, ledger; and every question about it is answered.

The next hop gets our three headers on top, no forged result of ours, and the body octet for octet. `sekisho trace` finds the mail by
each key it is asked with, says so in one JSON document, and ends with 1 when there is nothing to find. A refusal carries a receipt
that `sekisho receipt` opens. The ledger verifies, and stops verifying when one octet of it is changed.
"""
import json
import os
import re
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need

FORGED = ["mx.sekisho.example; spf=pass smtp.mailfrom=bank.example; dkim=pass header.d=bank.example",
          "MX.Sekisho.Example 1; dmarc=pass header.from=bank.example",
          "\r\n\tmx.sekisho.example;\r\n\tspf=pass smtp.mailfrom=bank.example",
          "(comment) \"mx.sekisho.example\" ; none"]
BODY = b"Hello\r\n.\r\n..two dots\r\n. leading dot\r\n\xe9\xff\x80 raw octets\r\n\r\n" + b"x" * 990 + b"\r\ntrailing blanks \t \r\n\r\n\r\n"


def mail():
    head = b"".join(b"Authentication-Results: " + f.encode() + b"\r\n" for f in FORGED[:2])
    head += b"Authentication-Results: other.example; spf=fail smtp.mailfrom=sender.example\r\n"
    head += b"".join(b"AUTHENTICATION-RESULTS: " + f.encode() + b"\r\n" for f in FORGED[2:])
    kept = b"From: a@sender.example\r\nTo: user@dest.example\r\nSubject: one \xe9 mail\r\nMessage-ID: <one@sender.example>\r\nDate: Thu, 15 Jan 2026 00:00:00 +0000\r\n"
    return head, kept


def headers(sink, gate):
    head, kept = mail()
    client = Client(gate.port)
    port = client.socket.getsockname()[1]
    reply = client.send(head + kept + b"\r\n" + BODY, rcpts=("user@dest.example", "alice@dest.example"))
    client.close()
    need(reply.startswith("250 2.0.0 Taken as "), "the gate takes the mail: " + reply)
    need("SINK00001" in reply, "our 250 names the next hop's queue id")
    got = sink.wait(1)
    need(len(got) == 1 and got[0]["mail_from"] == "a@sender.example" and got[0]["rcpts"] == ["user@dest.example", "alice@dest.example"], "envelope as it came")
    data = got[0]["data"]
    top, rest = data.split(b"\r\n\r\n", 1)
    need(rest == BODY, "body octet for octet")
    fields = re.findall(rb"(?m)^([!-9;-~]+):", top)
    need(fields[:3] == [b"Authentication-Results", b"Received-SPF", b"Received"], "our headers on top, in order: %r" % fields[:3])
    unfolded = re.sub(rb"\r\n[ \t]+", b" ", top).decode("latin-1").split("\r\n")
    need(re.match(r"Authentication-Results: mx\.sekisho\.example; .*spf=pass .*smtp\.mailfrom=(a@)?sender\.example.*dmarc=pass .*header\.from=sender\.example", unfolded[0]), unfolded[0])
    need(re.match(r"Received-SPF: pass .*client-ip=127\.0\.0\.1; envelope-from=\"?a@sender\.example", unfolded[1]), unfolded[1])
    identity = re.match(r"Received: from client\.example \(.*\[127\.0\.0\.1\]\) by mx\.sekisho\.example with ESMTP id ([a-z2-7]{26})(?: for <[^>]*>)?; ", unfolded[2])
    need(identity, unfolded[2])
    need(identity[1] in reply, "the id in Received is the id of our 250")
    need(len(re.findall(r"(?im)^authentication-results:", "\n".join(unfolded))) == 2 and "other.example" in "\n".join(unfolded), "forged results with our name are gone, the foreign one stays")
    need("bank.example" not in data.decode("latin-1"), "nothing of the forged results is left")
    need(top.endswith(kept[:-2]), "the sender's own fields octet for octet")
    return identity[1], port


def questions(gate, identity, port):
    now = int(time.time())
    asked = {"message-id": "<one@sender.example>", "queue-id": "SINK00001", "mail-from": "a@sender.example", "rcpt-to": "alice@dest.example",
             "client-ip": "127.0.0.1", "domain": "sender.example", "transaction": identity}
    for key, value in asked.items():
        found = gate.json("trace", "--" + key, value)
        ids = [s["id"] for s in found["stories"]]
        need(identity in ids, "trace by %s finds it" % key)
    only = [("--client-ip", "127.0.0.1", "--client-port", str(port)), ("--from", str(now - 60), "--to", str(now + 5), "--message-id", "one@sender.example"), ("--from", "-1m")]
    for words in only:
        need(identity in [s["id"] for s in gate.json("trace", *words)["stories"]], "trace %s finds it" % " ".join(words))
    for words in [("one@sender.example",), ("127.0.0.1",), ("sender.example",), (identity,), ("queue_id=SINK00001", "mail_from=a@sender.example")]:
        need(identity in [s["id"] for s in gate.json("trace", *words)["stories"]], "trace %s finds it" % " ".join(words))
    nothing = [("--message-id", "two@sender.example"), ("--queue-id", "SINK00002"), ("--mail-from", "b@sender.example"), ("--mail-from", ""), ("--rcpt-to", "bob@dest.example"),
               ("--client-ip", "192.0.2.1"), ("--client-ip", "127.0.0.1", "--client-port", "1"), ("--domain", "other.example"),
               ("--message-id", "one@sender.example", "--to", str(now - 3600)), ("--message-id", "one@sender.example", "--mail-from", "b@sender.example")]
    for words in nothing:
        need(gate.json("trace", *words, check=1)["stories"] == [], "trace %s: not found is exit 1" % " ".join(words))
    need(gate.run("trace").returncode == 2 and gate.run("trace", "--from", "yesterday").returncode == 2, "nothing asked, or no time: exit 2")
    text = gate.run("trace", "one@sender.example", check=0).stdout.decode()
    need(all(w in text for w in (identity, "decided", "outcome", "SINK00001", "a@sender.example")), "the story in words")


def story(gate, identity, port):
    told = gate.story("--transaction", identity)
    events = {e["event"]: e for e in told["events"]}
    decided, outcome = events["decided"], events["outcome"]
    need(decided["client"]["ip"] == "127.0.0.1" and decided["client"]["port"] == port and decided["client"]["helo"] == "client.example", "client address and port (RFC 6302)")
    need(decided["message_id"] == "one@sender.example" and decided["mail_from"] == "a@sender.example" and decided["author_domain"] == "sender.example", "envelope and letterhead")
    need([r["address"] for r in decided["recipients"]] == [None, None] and len(decided["recipients"][0]["hash"]) >= 16, "recipients only as hashes")
    need(decided["action"] == "accept" and {a["method"]: a["result"] for a in decided["authentication"]}["dmarc"] == "pass", "results and action")
    need(outcome["delivered"] and outcome["queue_id"] == "SINK00001" and outcome["next_hop"] == "main", "the outcome")
    need(not re.search(r"Hello|raw octets|one .{1,6} mail|subject", json.dumps(told), re.I), "no subject and no body in the story")


def refusals(sink, gate):
    client = Client(gate.port)
    reply = client.send(message(author="boss@forged.example", message_id="forged@x"), mail_from="boss@forged.example")
    client.close()
    need(reply.startswith("550 5.7.26 "), "a forged author is refused: " + reply)
    code = re.search(r"\[([A-Za-z0-9]{20,40})\]$", reply)
    need(code, "the refusal carries a receipt of at most 40 characters")
    opened = gate.json("receipt", code[1])
    need(opened["reason"] == "dmarc_fail" and opened["action"] == "reject" and opened["stage"] == "identity" and opened["text"]["ja"], "the receipt says stage, time and reason")
    need(abs(time.time() - time.mktime(time.strptime(opened["time"][:19], "%Y-%m-%d %H:%M:%S")) + time.timezone) < 120, "the receipt's time")
    need("boss" not in json.dumps(opened) and "forged.example" not in json.dumps(opened), "the receipt does not tell who")
    wrong = code[1][:-1] + ("a" if code[1][-1] != "a" else "b")
    need(gate.run("receipt", wrong, "--json").returncode == 1 and gate.run("receipt", "x", "--json").returncode == 1, "a wrong receipt opens nothing")
    story = gate.story("--message-id", "forged@x", want="decided")
    need(story["state"] == "not_delivered", "a refused mail waits for nothing: " + story["state"])
    told = story["events"][0]
    need(told["action"] == "reject" and told["receipt"] == code[1], "the refused mail is in the trail, with its receipt")
    client = Client(gate.port)
    for rcpt, want in (("nobody@dest.example", "550 5.1.1"), ("user@elsewhere.example", "550 5.7.1"), ("user%elsewhere.example@dest.example", "550 5.1."), ("user@dest.example", "250")):
        if rcpt == "nobody@dest.example":
            client.say("EHLO client.example"), client.say("MAIL FROM:<a@sender.example>")
        reply = client.say("RCPT TO:<%s>" % rcpt)
        need(reply.startswith(want), "RCPT %s: %s" % (rcpt, reply))
    client.close()
    need(len(sink.mails) == 1, "nothing refused came to the next hop")


def reasons(gate):
    records = gate.json("ledger", "show", "--limit", "500")["records"]
    kinds = [r["event"] for r in records]
    need({"started", "config_loaded", "decided", "outcome", "refused", "session", "query"} <= set(kinds), "ledger show tells %s" % sorted(set(kinds)))
    need([r["seq"] for r in records] == list(range(records[0]["seq"], records[0]["seq"] + len(records))), "sequence without a gap")
    gate.stop()
    with open(gate.config, "a") as out:
        out.write("[trace]\nreason_required = true\n")
    gate.start()
    refused = gate.run("trace", "--message-id", "one@sender.example", "--json")
    need(refused.returncode == 2 and b"--reason" in refused.stderr and refused.stdout == b"", "without a reason no answer")
    need(gate.json("trace", "--message-id", "one@sender.example", "--reason", "complaint 4711")["stories"], "with a reason the old mail is found after a restart")
    last = [r for r in gate.json("ledger", "show", "--limit", "20")["records"] if r["event"] == "query"][-1]
    need("complaint 4711" in json.dumps(last), "the reason is in the ledger")
    need(gate.run("trace", "--queue-id", "SINK00001", "--json").returncode == 0, "a queue id alone needs no reason")


def ledger(gate):
    report = gate.json("ledger", "verify")
    need(report["verified"] and report["records"] > 5 and report["problems"] == [], "ledger verify: good, %d records" % report["records"])
    need(gate.run("ledger", "verify", check=0).stdout.rstrip().endswith(b"good"), "and says so")
    gate.stop()
    need(gate.json("ledger", "verify")["verified"], "verify without a server opens the store itself")
    folder = os.path.join(gate.state, "ledger")
    segment = max((os.path.join(folder, f) for f in os.listdir(folder) if "key" not in f), key=os.path.getsize)
    octets = bytearray(open(segment, "rb").read())
    at = octets.find(b"one@sender.example")
    need(at > 0, "the segment %s holds the Message-ID" % os.path.basename(segment))
    octets[at] ^= 1
    open(segment, "wb").write(octets)
    broken = gate.json("ledger", "verify", check=1)
    need(not broken["verified"] and any(p["file"].endswith(os.path.basename(segment)) and p["offset"] > 0 for p in broken["problems"]), "one changed octet: verify names file and offset")
    octets[at] ^= 1
    open(segment, "wb").write(octets)
    need(gate.json("ledger", "verify")["verified"], "put back, it verifies again")
    gate.start()


def main():
    with Folder() as folder:
        sink = Sink()
        with Sekisho(folder, NEXT_HOP, ZONE, sink=sink.port) as gate:
            identity, port = headers(sink, gate)
            questions(gate, identity, port)
            story(gate, identity, port)
            refusals(sink, gate)
            reasons(gate)
            ledger(gate)


main()
