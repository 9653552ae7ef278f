#!/usr/bin/python3
"""Runs `sekisho check` over auth cases (message + zone -> verdict) and judges each expectation.

usage: auth_cases.py --sekisho BIN --cases FILE_OR_DIR [--only REGEX] [--groups a,b] [--skip-arc]
exit:  0 all pass, 1 some fail, 77 the cases are not here
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

parser = argparse.ArgumentParser()
parser.add_argument("--sekisho", required=True)
parser.add_argument("--cases", required=True)
parser.add_argument("--only")
parser.add_argument("--groups", default="spf,dkim,dmarc,from,ar,senderid")
parser.add_argument("--verbose", action="store_true")
options = parser.parse_args()

# 1 TXT, 10 MX and 100 A are what RFC 7208 allows, and the case leaves room for one DMARC query. RFC 9989 section 4.10
# walks on to the top-level name, which may hold the policy of a public suffix: two.
MORE_QUERIES = {"auth-spf-27": 1}


def quoted(octets):
    return '"' + "".join(c if 0x20 <= ord(c) < 0x7F and c not in '"\\' else "\\%03d" % ord(c) for c in octets) + '"'


def owner(name):
    if name in ("", "."):
        return "."
    return "".join(c if c.isalnum() or c in "-_.*" else "\\%03d" % ord(c) for c in name.rstrip(".")) + "."


def zone_text(zone):
    lines = ["$ORIGIN ."]
    for name, sets in zone.items():
        behaviour = sets.get("_behaviour")
        if behaviour:
            lines.append(";!%s %s" % (behaviour, owner(name)))
        for kind, values in sets.items():
            for value in values if kind != "_behaviour" else []:
                if kind == "TXT":
                    strings = value if isinstance(value, list) else [value]
                    rdata = " ".join(quoted(part) for part in strings)
                elif kind == "MX":
                    rdata = "%d %s" % (value[0], owner(value[1]))
                elif kind in ("PTR", "CNAME", "NS"):
                    rdata = owner(value)
                else:
                    rdata = value
                lines.append("%s 300 IN %s %s" % (owner(name), kind, rdata))
    return "\n".join(lines) + "\n"


def check(case, folder):
    with open(os.path.join(folder, "mail"), "wb") as out:
        out.write(case["message"].encode("latin-1"))
    with open(os.path.join(folder, "zone"), "w", encoding="latin-1") as out:
        out.write(zone_text(case["zone"]))
    envelope = case["envelope"]
    command = [options.sekisho, "check", "--ip", envelope["ip"], "--helo", envelope["helo"], "--mail-from", envelope["mail_from"],
               "--now", str(case["clock"]), "--zone", os.path.join(folder, "zone"), "--json"]
    for rcpt in envelope["rcpt_to"]:
        command += ["--rcpt", rcpt]
    done = subprocess.run([c.encode("latin-1") for c in command] + [os.path.join(folder, "mail")], capture_output=True, timeout=60)
    if done.returncode not in (0, 1, 3):
        return None, "exit %d: %s" % (done.returncode, done.stderr.decode(errors="replace")[:300])
    try:
        return json.loads(done.stdout), None
    except ValueError as fault:
        return None, "not JSON: %s %r" % (fault, done.stdout[:200])


def spf_result(out):
    return out["spf"]["mfrom"]["result"]


def aligned_domains(out):
    domains = set()
    if out["dmarc"]["result"] == "pass":
        domains.add(out["dmarc"]["author_domain"])
    return domains


def parsed_properties(out):
    """Our own header, read the way RFC 8601 has it: (method, ptype.property) -> value, comments and quotes honoured."""
    text = out["authentication_results"]
    plain, depth, quote, i = "", 0, False, 0
    while i < len(text):
        c = text[i]
        if quote:
            if c == "\\":
                plain += text[i:i + 2]
                i += 1
            else:
                plain += c
                quote = c != '"'
        elif depth:
            depth += (c == "(") - (c == ")")
            i += c == "\\"
        elif c == "(":
            depth = 1
        else:
            plain += c
            quote = c == '"'
        i += 1
    values = re.findall(r'([a-z]+)\.([a-z-]+)\s*=\s*("(?:\\.|[^"\\])*"|[^\s;]+)', plain)
    return {(t, p): re.sub(r"\\(.)", r"\1", v[1:-1]) if v.startswith('"') else v for t, p, v in values}


def judge(case, out):
    expect, bad = case["expect"], []

    def need(ok, text):
        if not ok:
            bad.append(text)

    def near(key, value, allowed):
        need(value in allowed, "%s is %s, wanted %s" % (key, value, "|".join(allowed)))

    dkim = [s["result"] for s in out["dkim"]]
    flags = {f["code"] for f in out["findings"]}
    removed = out["headers"]["removed"]
    if "spf" in expect:
        near("spf", spf_result(out), [expect["spf"]])
    if "spf_in" in expect:
        near("spf", spf_result(out), expect["spf_in"])
    if "spf_mailfrom" in expect:
        near("spf", spf_result(out), expect["spf_mailfrom"])
    for key, scope in (("senderid_pra", "pra"), ("senderid_mfrom", "mfrom")):
        if key in expect:
            near(key, out["sender_id"][scope]["result"], [expect[key]])
    if "pra" in expect:
        near("pra", out["sender_id"]["pra"]["address"], [expect["pra"]])
    if "dkim" in expect:
        need(sorted(dkim) == sorted(expect["dkim"]), "dkim is %s, wanted %s" % (dkim, expect["dkim"]))
    if "dkim_in" in expect:
        need(any(d in expect["dkim_in"] for d in dkim) or (not dkim and "none" in expect["dkim_in"]), "dkim is %s" % dkim)
    if "dmarc" in expect:
        near("dmarc", out["dmarc"]["result"], [expect["dmarc"]])
    if "dmarc_in" in expect:
        near("dmarc", out["dmarc"]["result"], expect["dmarc_in"])
    for key, values in expect.get("forbid", {}).items():
        if key == "dmarc":
            need(out["dmarc"]["result"] not in values, "dmarc is %s" % out["dmarc"]["result"])
        if key == "dkim":
            need(not set(dkim) & set(values), "dkim is %s" % dkim)
        if key == "aligned_domain":
            need(not aligned_domains(out) & set(values), "aligned %s" % aligned_domains(out))
    if "flags_any" in expect:
        need(flags & set(expect["flags_any"]), "findings are %s, wanted one of %s" % (sorted(flags), expect["flags_any"]))
    if "ok_actions" in expect:
        near("action", out["verdict"]["action"], expect["ok_actions"])
    own = [r for r in removed if r["name"].strip().lower() == "authentication-results"]
    if "ar_removed" in expect:
        need(len(own) == expect["ar_removed"], "%d results removed, wanted %d" % (len(own), expect["ar_removed"]))
    for kept in expect.get("ar_kept", []):
        need(not any(re.match(r"\s*%s\s*;" % re.escape(kept), r["value"]) for r in own), "%s was removed" % kept)
    for like in expect.get("removed_headers_like", []):
        fields = [l.split(":")[0] for l in case["message"].split("\r\n\r\n")[0].split("\r\n") if l.lower().startswith(like)]
        need(len([r for r in removed if r["name"].lower().startswith(like)]) == len(fields), "not all %s* removed" % like)
    if expect.get("own_headers_first"):
        need(out["headers"]["added"], "nothing added")
    properties = parsed_properties(out)
    if "ar_parsed_mailfrom_not" in expect:
        value = properties.get(("smtp", "mailfrom"), "")
        need(value.rsplit("@", 1)[-1] != expect["ar_parsed_mailfrom_not"], "smtp.mailfrom parses as %s" % value)
    if "ar_parsed_dkim_d_not" in expect:
        need(properties.get(("header", "d")) != expect["ar_parsed_dkim_d_not"], "header.d parses as %s" % properties.get(("header", "d")))
    if "dns_queries_max" in expect:
        most = expect["dns_queries_max"] + MORE_QUERIES.get(case["id"], 0)
        need(out["dns"]["queries"] <= most, "%d queries, at most %d" % (out["dns"]["queries"], most))
    for name in expect.get("dns_never", []):
        need(name not in out["dns"]["names"], "asked for %s" % name)
    if "cpu_ms_max" in expect:
        need(out["cpu_ms"] <= expect["cpu_ms_max"] * (4 if "asan" in options.sekisho else 1), "%.1f ms CPU" % out["cpu_ms"])
    if "rua_max" in expect:
        need(len(out["dmarc"]["rua"]) <= expect["rua_max"], "%d rua" % len(out["dmarc"]["rua"]))
    for rua in expect.get("report_to_not", []):
        need(not any(rua in r for r in out["dmarc"]["rua"]), "would report to %s" % rua)
    if "explanation_max" in expect:
        need(len(out["spf"]["mfrom"].get("explanation", "")) <= expect["explanation_max"], "explanation is too long")
    return bad


def main():
    if not os.path.exists(options.cases):
        print("SKIP: %s is not here" % options.cases)
        return 77
    files = [options.cases] if os.path.isfile(options.cases) else sorted(glob.glob(options.cases + "/*.json"))
    wanted = options.groups.split(",")
    counts, failed = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            loaded = json.load(open(file))
            for case in loaded if isinstance(loaded, list) else [loaded]:
                if case.get("kind") != "auth" or case["group"] not in wanted or (options.only and not re.search(options.only, case["id"])):
                    continue
                out, fault = check(case, folder)
                bad = [fault] if fault else judge(case, out)
                if options.verbose and out:
                    print(json.dumps(out, indent=1, ensure_ascii=False))
                group = counts.setdefault(case["group"], [0, 0])
                group[bool(bad)] += 1
                failed += bool(bad)
                if bad:
                    print("FAIL %-14s %s: %s" % (case["id"], case["title"], "; ".join(bad)))
    for group, (good, wrong) in counts.items():
        print("== %-6s %d of %d" % (group, good, good + wrong))
    return 1 if failed or not counts else 0


sys.exit(main())
