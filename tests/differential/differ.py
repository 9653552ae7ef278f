"""What the comparisons share: a program of ours that answers a line with a line, and the tally of differences."""
import collections
import itertools
import json
import pathlib
import subprocess
import time

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/differences.md"
KEPT = 5  # differences shown for each class that must not be


class Driver:
    """One process for all cases: a line in, a line out. One that loses memory with every case is made anew after `renewed_after`."""

    def __init__(self, *command, renewed_after=None):
        self.command, self.renewed_after = command, renewed_after
        self.start()

    def start(self):
        self.process, self.asked = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE), 0

    def ask(self, line):
        if self.asked == self.renewed_after:
            self.close()
            self.start()
        self.asked += 1
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("%s ended with %s at: %s" % (self.command[0], self.process.wait(), line[:2000]))
        return answer.rstrip(b"\n").decode("latin-1")

    def close(self):
        self.process.stdin.close()
        if self.process.wait():
            raise RuntimeError("%s ended with %d" % (self.command[0], self.process.returncode))


class Class:
    """A kind of difference: who reads the standard right, and the sentence that says so."""

    def __init__(self, right, decided):
        assert right in ("ours", "peer", "both")  # both: the sentence leaves room
        self.right, self.decided = right, decided


class Difference:
    """One generated mail that two programs judge differently."""

    def __init__(self, case, mail, record, ours, reason, theirs, fault):
        self.case, self.mail, self.record, self.ours, self.reason, self.theirs, self.fault = case, mail, record, ours, reason, theirs, fault


class Names:
    """A suite's table: name -> who is right, the sentence, when it applies to a Difference. The first that applies counts."""

    def __init__(self, table):
        self.table, self.classes = table, {name: Class(right, decided) for name, (right, decided, _) in table.items()}

    def of(self, difference):
        return next((name for name, (_, _, applies) in self.table.items() if applies(difference)), None)


def fewest(names, explains, few):
    """The names that together explain a difference, and no fewer: each up to `few` of them, then all without those that can be left out."""
    for count in range(1, few + 1):
        for some in itertools.combinations(names, count):
            if explains(some):
                return " + ".join(some)
    left = list(names)
    if not explains(left):
        return None
    for name in names:
        fewer = [one for one in left if one != name]
        if explains(fewer):
            left = fewer
    return " + ".join(left)


class Tally:
    def __init__(self, suite, peer, seed, classes):
        self.suite, self.peer, self.seed, self.classes = suite, peer, seed, classes
        self.alike, self.named, self.unnamed, self.firsts = collections.Counter(), collections.Counter(), [], {}
        self.started, self.seconds, self.unnamed_count = time.time(), 0.0, 0

    def same(self, word):
        self.alike[word] += 1

    def differs(self, name, case, told):
        """name: of a class, several joined by ' + ', or None. told() gives the text that shows the difference."""
        if name is None:
            self.unnamed_count += 1
            if len(self.unnamed) < 40:
                self.unnamed.append(told())
        else:
            self.named[name] += 1
            self.firsts.setdefault(name, case)

    def undocumented(self):
        page = PAGE.read_text()
        return sorted({part for name in self.named for part in name.split(" + ") if "| %s |" % part not in page or part not in self.classes})

    def wrong(self):
        """Classes in which the standard is on the peer's side."""
        return sorted(name for name in self.named for part in name.split(" + ") if part in self.classes and self.classes[part].right == "peer")

    def good(self):
        return not (self.unnamed_count or self.undocumented() or self.wrong()) and sum(self.alike.values()) > 0

    def document(self):
        def row(name, count):
            parts = [self.classes[part] for part in name.split(" + ") if part in self.classes]
            return {"name": name, "cases": count, "right": sorted({part.right for part in parts}), "decided": [part.decided for part in parts],
                    "first": self.firsts[name]}
        return {"suite": self.suite, "peer": self.peer, "seed": self.seed, "alike": dict(self.alike), "seconds": round(self.seconds, 1),
                "differences": [row(*one) for one in self.named.most_common()], "unnamed": self.unnamed_count, "unnamed_shown": self.unnamed,
                "undocumented": self.undocumented(), "ours_wrong": self.wrong()}

    def text(self):
        lines = ["UNNAMED " + one for one in self.unnamed]
        lines.append("%s: %s, seed %d: %d alike %s, %.0f s" % (self.suite, self.peer, self.seed, sum(self.alike.values()), json.dumps(self.alike), self.seconds))
        for name, count in self.named.most_common():
            right = "/".join(sorted({self.classes[part].right for part in name.split(" + ") if part in self.classes}))
            lines.append("%8d  %-5s  %s" % (count, right, name))
        lines.append("%8d  without a name" % self.unnamed_count)
        lines += ["not in docs/differences.md or without a sentence: " + name for name in self.undocumented()]
        lines += ["we are wrong: " + name for name in self.wrong()]
        return "\n".join(lines)
