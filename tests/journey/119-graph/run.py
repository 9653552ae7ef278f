#!/usr/bin/python3
"""`sekisho graph forged`: from the ledger of a running gate, proven and forged mails per domain are counted right, and the picture is well-formed SVG with axes and a legend."""
import json
import subprocess
import xml.etree.ElementTree as ET

from lab import COMMANDS, Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need


def graph(gate, *words, check=0):
    done = subprocess.run([COMMANDS, "graph", "forged", "-c", gate.config, "--json", *words], capture_output=True, timeout=60)
    need(done.returncode == check, "graph %s: exit %d: %s" % (" ".join(words), done.returncode, done.stderr[-300:]))
    return json.loads(done.stdout) if done.stdout else None


def sums(answer, domain):
    rows = next(d["buckets"] for d in answer["domains"] if d["domain"] == domain)
    return tuple(sum(row[k] for row in rows) for k in ("proven", "forged", "unknown"))


def main():
    with Folder() as folder:
        sink, out = Sink(), folder + "/forged.svg"
        with Sekisho(folder, NEXT_HOP, ZONE, server='mode = "observe"', sink=sink.port) as gate:
            for number, (author, mail_from) in enumerate([("a@sender.example", "a@sender.example")] * 4 + [("boss@forged.example", "a@sender.example")] * 3
                                                         + [("a@sender.example", "x@forged.example")] * 2):
                client = Client(gate.port)
                need(client.send(message(author=author, message_id="%d@x.example" % number), mail_from=mail_from).startswith("250"), "mail %d is seen" % number)
                client.close()
            gate.story("--message-id", "8@x.example")
            got = graph(gate, "--domain", "sender.example", "--domain", "forged.example", "--out", out)
            need(sums(got, "sender.example") == (4, 2, 0) and sums(got, "forged.example") == (0, 3, 0), "proven and forged: %r" % got)
            tree = ET.parse(out)
            texts = [e.text for e in tree.iter() if e.tag.endswith("}text")]
            lines = [e for e in tree.iter() if e.tag.endswith("}polyline")]
            need(len(lines) == 6 and len({(l.get("stroke"), l.get("stroke-dasharray")) for l in lines}) == 3, "two panels of three lines, told apart by colour and by dash")
            for word in ("proven / 証明された", "forged / なりすまし", "sender.example", "forged.example"):
                need(word in texts, "the picture says " + word)
            need(any("UTC" in t for t in texts), "and what its axes are")
            graph(gate, "--domain", "nobody.example", "--out", out, check=1)
            graph(gate, "--domain", "a b", "--out", out, check=2)
            graph(gate, "--domain", "sender.example", "--out", folder + "/no/where.svg", check=2)
            early = graph(gate, "--domain", "sender.example", "--to", "2020-01-01", "--out", out, check=1)
            need(early["domains"][0]["mails"] == 0, "the control: before the first mail there is none")
        sink.close()


if __name__ == "__main__":
    main()
