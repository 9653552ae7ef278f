#!/usr/bin/python3
"""Turns an openspf YAML suite into JSON lines for spf_suite: one line per test, with the whole zone of its scenario.

Use: spf.py FILE.yml > cases.jsonl
"""
import json
import sys

import yaml

# The suites are written in latin-1 escapes; octets stay octets.
TYPES = ("TXT", "SPF", "A", "AAAA", "MX", "PTR", "CNAME")


def octets(text):
    return str(text)


def answer_of(kind, value):
    if kind in ("TXT", "SPF"):
        parts = value if isinstance(value, list) else [value]
        return "".join(octets(part) for part in parts)
    if kind == "MX":
        return [int(value[0]), str(value[1])]
    return str(value)


def zone_of(zonedata):
    zone = {}
    for name, rows in zonedata.items():
        node = {"records": [], "timeout": False, "timeouts": []}
        kinds = [next(iter(row)) for row in rows if isinstance(row, dict)]
        silent = any(isinstance(row, dict) and row.get("TXT") == "NONE" for row in rows)
        for row in rows:
            if not isinstance(row, dict):
                node["timeout"] = True  # types without a record above it do not answer
                continue
            (kind, value), = row.items()
            if kind == "TXT" and value == "NONE":
                continue
            if value == "TIMEOUT":
                node["timeouts"].append(kind)
                continue
            node["records"].append([kind, answer_of(kind, value)])
            if kind == "SPF" and "TXT" not in kinds and not silent:
                node["records"].append(["TXT", answer_of(kind, value)])
        zone[str(name)] = node
    return zone


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        for scenario in yaml.safe_load_all(file):
            if not scenario:
                continue
            zone = zone_of(scenario["zonedata"])
            for name, test in scenario["tests"].items():
                results = test["result"]
                results = results if isinstance(results, list) else [results]
                print(json.dumps({
                    "id": f"{scenario['description']}/{name}",
                    "helo": str(test["helo"]),
                    "mail_from": str(test["mailfrom"]),
                    "ip": str(test["host"]),
                    "results": results,
                    "explanation": test.get("explanation"),
                    "zone": zone,
                }))


if __name__ == "__main__":
    main()
