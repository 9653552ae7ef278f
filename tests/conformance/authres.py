#!/usr/bin/python3
"""Replays the transcript of a Python package about Authentication-Results with our parser and writer behind its names.

Use: authres.py AUTHRES_SUITE TRANSCRIPT WANTED. Parsing and writing is done by authres_suite; here are only the names the transcript
uses. Steps about match_signature are answered here: they are that package's interface, not the field.
"""
import doctest
import json
import subprocess
import sys
import types

ATTRIBUTES = {
    "auth": ("SMTPAUTHAuthenticationResult", "smtp_auth smtp_mailfrom"),
    "spf": ("SPFAuthenticationResult", "smtp_mailfrom smtp_helo"),
    "sender-id": ("SenderIDAuthenticationResult", "header_from header_sender"),
    "dkim": ("DKIMAuthenticationResult", "header_d header_i header_a header_s header_b"),
    "dkim-adsp": ("DKIMADSPAuthenticationResult", "header_from"),
    "vbr": ("VBRAuthenticationResult", "header_md header_mv"),
    "dmarc": ("DMARCAuthenticationResult", "header_from policy_dmarc"),
    "iprev": ("IPRevAuthenticationResult", "policy_iprev"),
    "arc": ("ARCAuthenticationResult", ""),
    "smime": ("SMIMEAuthenticationResult", "body_smime_identifier body_smime_part"),
    "rrvs": ("RRVSAuthenticationResult", "smtp_rcptto smtp_rrvs"),
}
WORDS = {3: "Expected keyword", 4: 'Expected "="', 5: "Expected end of text"}


class Suite:
    def __init__(self, program):
        self.child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **what):
        self.child.stdin.write(json.dumps(what) + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())


suite = None


class SyntaxProblem(Exception):
    pass


class Property:
    def __init__(self, row):
        self.type, self.name, self.value = row["ptype"], row["property"], row["value"]


class Result:
    method_word = None

    def __init__(self, result=None, result_comment=None, reason=None, policy=None, row=None, **named):
        if row is None:
            comments = {key[:-8]: named.pop(key) for key in list(named) if key.endswith("_comment")}
            properties = [self.property_of(key, value, comments.get(key)) for key, value in named.items()]
            if policy:
                properties.append(self.property_of("policy_dmarc", policy, None))
            row = {"method": self.method_word, "result": result, "reason": reason, "comment": result_comment,
                   "properties": properties}
        self.row = row
        self.method, self.result, self.reason = row["method"], row["result"], row["reason"] or None
        self.properties = [Property(p) for p in row["properties"]]
        for key in ATTRIBUTES.get(self.method, ("", ""))[1].split():
            setattr(self, key, None)
            for p in self.properties:
                if f"{p.type}_{p.name}".replace("-", "_") == key:
                    setattr(self, key, p.value)

    @staticmethod
    def property_of(key, value, comment):
        ptype, name = key.split("_", 1)
        return {"ptype": ptype, "property": name.replace("_", "-"), "value": value, "comment": comment}

    def __str__(self):
        bare = dict(self.row, comment="", properties=[dict(p, comment="") for p in self.row["properties"]])
        return suite.ask(format={"authserv_id": "x", "version": 0, "results": [bare]})[len("x; "):]

    def match_signature(self, domain, tag=None, strict=False):
        own = getattr(self, "header_b", None)
        if self.header_d != domain:
            return False
        if not own:
            return not strict
        if tag is None:
            return False
        return tag == own if len(own) < 8 else tag.startswith(own)  # RFC 6008 section 4

    def match_signature_algorithm(self, domain, algorithm):
        return self.header_d == domain and self.header_a == algorithm


class NoneResult:
    def __init__(self, comment=None):
        self.comment = comment


CLASSES = {method: type(name, (Result,), {"method_word": method}) for method, (name, _) in ATTRIBUTES.items()}
OTHER = type("AuthenticationResult", (Result,), {})


class Header:
    def __init__(self, authserv_id, results=(), version=None):
        self.authserv_id, self.version, self.results = authserv_id, version, list(results)

    @classmethod
    def parse(cls, line):
        value = line.partition(":")[2]
        got = suite.ask(parse=value)
        if "error" in got:
            rest = value[got["at"]:]
            rest = rest[:40] + "..." if len(rest) > 40 else rest
            raise SyntaxProblem(f"Syntax error: {WORDS.get(got['error'], 'Error')} at: {rest}")
        rows = [CLASSES.get(row["method"], OTHER)(row=row) for row in got["results"]]
        return cls(got["authserv_id"], rows, got["version"] or None)

    def __str__(self):
        nones = [r for r in self.results if isinstance(r, NoneResult)]
        rows = [r.row for r in self.results if not isinstance(r, NoneResult)]
        return "Authentication-Results: " + suite.ask(format={
            "authserv_id": self.authserv_id, "version": self.version or 0, "results": rows,
            "comment": nones[0].comment if nones else ""})


class FeatureContext:
    parse = staticmethod(Header.parse)

    def __init__(self, *modules):
        pass

    @staticmethod
    def header(authserv_id, results=(), version=None):
        return Header(authserv_id, results, version)


def install():
    package = types.ModuleType("authres")
    package.__path__ = []
    package.AuthenticationResultsHeader = Header
    package.FeatureContext = FeatureContext
    package.SyntaxError = SyntaxProblem
    package.NoneAuthenticationResult = NoneResult
    for cls in CLASSES.values():
        setattr(package, cls.__name__, cls)
    sys.modules["authres"] = package
    for name in ("arc", "dkim_b", "dkim_adsp", "dmarc", "rrvs", "smime", "vbr"):
        module = types.ModuleType("authres." + name)
        for cls in CLASSES.values():
            setattr(module, cls.__name__, cls)
        setattr(package, name, module)
        sys.modules["authres." + name] = module


def main():
    global suite
    suite = Suite(sys.argv[1])
    install()
    with open(sys.argv[2], encoding="utf-8") as file:
        transcript = doctest.DocTestParser().get_doctest(file.read(), {}, "authres", sys.argv[2], 0)
    outcome = doctest.DocTestRunner(verbose=False).run(transcript)
    passed = outcome.attempted - outcome.failed
    print(f"authres examples: {passed} of {outcome.attempted} steps")
    return 0 if outcome.failed == 0 and passed >= int(sys.argv[3]) else 1


if __name__ == "__main__":
    sys.exit(main())
