#!/usr/bin/python3
"""`sekisho survey` against a DNS server that is silent, refuses, lies, answers with the records of others, cuts, loops, or has 4,000 records.

Each fault stands at one question of a name of its own: that column says what it was, what came before it is kept, what comes after was not
asked, and no word of the liar is believed. The controls: the same names against the same server without a fault, and faults that must not matter.
"""
import csv
import json
import struct
import subprocess
import threading
import time

from fake_dns import MX, TXT, FakeDns, mx, name_octets, read_question, record, txt
from lab import BINARY, Folder, need

# What each fault is told as. A reply that is none of ours is not there: only time tells.
FAULTS = {"mute": "timeout", "wrong_id": "timeout", "wrong_question": "timeout", "wrong_port": "timeout", "no_response_bit": "timeout", "garbage": "timeout",
          "servfail": "servfail", "refused": "refused", "notimp": "other_code", "formerr": "other_code",
          "malformed": "malformed", "loop": "malformed", "cut": "malformed", "cname_loop": "malformed", "cname_ring": "malformed", "cname_chain": "malformed", "strangers": "malformed", "many": "too_many_records"}
HARMLESS = ("slow", "truncated", "truncated_lie", "lies_first", "bailiwick", "many_ok")
# The question the fault stands at, its column, and the columns that are known before it and not asked after it.
PARTS = {"mx": (MX, "", "mx", (), ("spf", "dmarc", "bimi")), "spf": (TXT, "", "spf", ("mx",), ("dmarc", "bimi")),
         "dmarc": (TXT, "_dmarc.", "dmarc", ("mx", "spf"), ("dkim", "bimi"))}
GOOD = {"mx": "mx", "spf": "valid", "spf_all": "fail", "dmarc": "p_reject", "dmarc_applies": "p_reject", "dmarc_from": "own", "bimi": "none"}


class HostileDns(FakeDns):
    many = ()  # names with a great many records

    def _serve(self):  # on one thread, which a busy machine bears; only who dawdles has one of his own
        while True:
            query, client = self.udp.recvfrom(4096)
            name, rtype, _ = read_question(query)
            if self.fault(name, rtype) == "slow":
                threading.Thread(target=self._answer, args=(query, client), daemon=True).start()
            else:
                self._answer(query, client)

    def truth(self, query, name, rtype, question, *more, **others):
        if rtype == TXT and name in self.many:  # over TCP; 4,000 are too many, 900 are read
            extra = [txt("x")] * (900 if "ok" in name else 3998)
            found = self.records[(name, rtype)] + extra
            at = b"\xc0\x0c"
            answers = b"".join(at + struct.pack(">HHIH", rtype, 1, 300, len(r)) + r for r in found)
            return query[:2] + struct.pack(">HHHHH", 0x8580, 1, len(found), 0, 0) + question + answers
        return super().truth(query, name, rtype, question, *more, **others)

    def replies(self, fault, query, name, rtype, question):
        def reply(count, answers, authorities=b"", flags=0x8580):
            return [(query[:2] + struct.pack(">HHHHH", flags, 1, count, 1 if authorities else 0, 0) + question + answers + authorities, self.udp)]
        if fault in ("many", "many_ok"):
            return super().replies("truncated", query, name, rtype, question)
        if fault == "cname_loop":
            return reply(1, record(name, 5, name_octets(name)))
        if fault == "cname_ring":
            return reply(2, record(name, 5, name_octets("ring." + name)) + record("ring." + name, 5, name_octets(name)))
        if fault == "cname_chain":  # never ends: each link asks for one more
            return reply(1, record(name, 5, name_octets("z" + name)))
        if fault == "strangers":
            return reply(1, record("bank.example", rtype, txt("v=spf1 +all") if rtype == TXT else mx(1, "evil.example")))
        return super().replies(fault, query, name, rtype, question)


def main():
    names, records = {}, {}
    for fault in list(FAULTS) + list(HARMLESS):
        for part in PARTS:
            if fault.startswith("many") and part == "mx":
                continue
            name = "%s-%s.example" % (fault.replace("_", "-"), part)
            names[name] = (fault, part)
            records[(name, MX)], records[(name, TXT)] = [mx(10, "mail." + name)], [txt("v=spf1 mx -all"), txt("unrelated")]
            records[("_dmarc." + name, TXT)] = [txt("v=DMARC1; p=reject")]
    dns = HostileDns(records)
    dns.poison = [("bank.example", TXT, txt("v=spf1 +all"))]
    dns.listen()

    def fault(asked, rtype):
        first = asked.lstrip("z")  # else a link of the chain that never ends
        prefix = "_dmarc." if first.startswith("_dmarc.") else ""
        kind, part = names.get(first[len(prefix):], (None, "mx"))
        return kind if PARTS[part][:2] == (rtype, prefix) else None

    with Folder() as folder:
        with open(folder + "/list", "w") as out:
            out.write("\n".join(names))

        def survey(state, wait_ms):
            began = time.time()
            done = subprocess.run([BINARY, "survey", folder + "/list", "--state", folder + "/" + state, "--resolver", "127.0.0.1:%d" % dns.port, "--timeout-ms", str(wait_ms), "--per-authority", "100",
                                   "--names", folder + "/" + state + ".csv", "--json"], capture_output=True, timeout=60)
            need(done.returncode == 0, "exit status 0 in %.1f s: %s" % (time.time() - began, (done.stderr + (done.stdout if done.returncode else b"")).decode()[:900]))
            with open(folder + "/" + state + ".csv") as rows:
                return json.loads(done.stdout), {row["domain"]: row for row in csv.DictReader(rows)}

        control, rows = survey("control", 10000)
        bad = {name: row for name, row in rows.items() if any(row[c] != v for c, v in GOOD.items())}
        need(control["failed"] == 0 and control["answered"] == len(names) and not bad, "control: without a fault all %d names are answered %r" % (len(names), list(bad.items())[:2]))
        dns.fault = fault
        dns.many = [PARTS[part][1] + name for name, (kind, part) in names.items() if kind.startswith("many")]
        data, rows = survey("hostile", 3000)
        need(data["done"] and data["asked"] == len(names) and data["answered"] + data["failed"] == len(names), "%d names: each is answered or told as failed" % len(names))
        wrong = []
        for name, (kind, part) in names.items():
            row, (_, _, column, before, after) = rows[name], PARTS[part]
            if kind in HARMLESS:
                wrong += [(name, row)] if any(row[c] != v for c, v in GOOD.items()) else []
                continue
            goes_on = kind == "many"  # the others of its columns are asked
            right = row[column] == FAULTS[kind] and all(row[c] == GOOD[c] for c in before)
            right = right and all((row[c] == "not_asked") != goes_on for c in after) and row["tries"] == ("1" if goes_on else "2")
            wrong += [] if right else [(name, FAULTS[kind], row)]
        need(not wrong, "each fault has its name in its column, %d names; what does not matter does not matter, %d names %r" % (
            sum(k in FAULTS for k, _ in names.values()), sum(k in HARMLESS for k, _ in names.values()), wrong[:3]))
        failed = sum(kind in FAULTS for kind, _ in names.values())
        need(data["failed"] == failed, "%d failed, none silently" % failed)
        need("pass" not in [row["spf_all"] for row in rows.values()], "no word of the liar is believed")
        columns = data["classes"][-1]["columns"]
        need(columns["mx"]["refused"] == 1 and columns["spf"]["other_code"] == 2 and columns["dmarc"]["too_many_records"] == 1, "the table counts them by name")


main()
