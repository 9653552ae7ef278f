#!/usr/bin/python3
"""Turns the ARC validation suite into JSON lines for arc_suite. Use: arc.py FILE.yml > cases.jsonl"""
import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    for scenario in yaml.safe_load_all(file):
        records = {name: "".join(str(text).split("\n")) for name, text in (scenario.get("txt-records") or {}).items()}
        for name, test in scenario["tests"].items():
            print(json.dumps({
                "id": name,
                "message": test["message"].replace("\r\n", "\n").replace("\n", "\r\n"),
                "cv": {"Pass": "pass", "None": "none"}.get(test["cv"], "fail"),  # "" is a newest seal that says cv=fail
                "records": records,
            }))
