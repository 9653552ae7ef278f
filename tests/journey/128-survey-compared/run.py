#!/usr/bin/python3
"""A survey beside the one of the year before: text, JSON, CSV and page say the same numbers, and those are the numbers of the zone.

The page is parsed strictly: every element closed, every attribute quoted where it must be, nothing fetched, and no name of a folder becomes markup.
The text is a table also where Japanese letters take two places. The controls: a page with one mark too many fails the parser; without --compare
there is no second year; a folder of another list is told, not compared silently.
"""
import csv
import json
import re
import subprocess
import unicodedata
from html.parser import HTMLParser

from lab import BINARY, Folder, need

CLASSES = ("co.jp", "ac.jp", "go.jp", "ne.jp", "or.jp", "jp", "com", "de")
ROWS = ["co.jp", "ac.jp", "go.jp", "ne.jp", "or.jp", "other .jp", "gTLD", "other ccTLD", "all .jp", "all"]
VOID = {"meta", "br", "img", "hr", "input", "link", "line", "rect"}
EACH = 60


class Strict(HTMLParser):
    """Balanced elements; what stands in cells and in the texts of each picture."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.faults, self.rows, self.pictures, self.text = [], [], [], [], ""
        self.feed(text)
        self.close()
        if self.open:
            self.faults.append("not closed: %s" % self.open)

    def handle_starttag(self, tag, attributes):
        if tag in ("td", "th", "text"):
            self.text = ""
        if tag in VOID and not self.get_starttag_text().endswith("/>") and tag in ("line", "rect"):
            self.faults.append("not closed: " + tag)
        if any(value is None or "<" in value for _, value in attributes):
            self.faults.append("attribute of %s: %s" % (tag, attributes))
        if any(name in ("src", "href", "onload", "onclick") for name, _ in attributes) or tag in ("script", "iframe", "object"):
            self.faults.append("fetches or runs: %s %s" % (tag, attributes))
        if tag == "tr":
            self.rows.append([])
        if tag == "svg":
            self.pictures.append((dict(attributes)["aria-label"], []))
        if tag not in VOID:
            self.open.append(tag)

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append("closed but not open: " + tag)
        if tag in ("td", "th"):
            self.rows[-1].append(self.text.strip())
        if tag == "text" and self.pictures:
            self.pictures[-1][1].append(self.text)

    def handle_data(self, data):
        self.text += data
        if "<" in data or ">" in data:
            self.faults.append("raw mark: " + data.strip()[:40])


def places(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def zone(share):
    """Of each hundred names of a class so many have SPF; half of those DMARC, every other of these p=reject."""
    lines, truth = ["$ORIGIN .", "$TTL 60"], {}
    for number, tld in enumerate(CLASSES):
        spf = EACH * min(share + 3 * number, 100) // 100
        truth[ROWS[number]] = (EACH, spf, spf // 2, spf // 4)
        for i in range(EACH):
            lines.append("h%d.%s. MX 10 mx.h%d.%s." % (i, tld, i, tld))
            lines += ['h%d.%s. TXT "v=spf1 -all"' % (i, tld)] if i < spf else []
            lines += ['_dmarc.h%d.%s. TXT "v=DMARC1; p=%s"' % (i, tld, "reject" if i < spf // 4 else "none")] if i < spf // 2 else []
    truth["all .jp"] = tuple(sum(truth[row][k] for row in ROWS[:6]) for k in range(4))
    truth["all"] = tuple(sum(truth[row][k] for row in ROWS[:8]) for k in range(4))
    return "\n".join(lines) + "\n", truth


def percent(n, of):
    return "%.3f %%" % (100.0 * n / of)


def main():
    with Folder() as folder:
        with open(folder + "/list", "w") as out:
            out.write("\n".join("h%d.%s" % (i, tld) for tld in CLASSES for i in range(EACH)) + "\nno name\n")
        runs, truths = [folder + "/2026", folder + "/<b>&\"'x"], []
        for run, share in zip(runs, (30, 55)):
            text, truth = zone(share)
            truths.append(truth)
            with open(folder + "/zone", "w") as out:
                out.write(text)
            done = subprocess.run([BINARY, "survey", folder + "/list", "--zone", folder + "/zone", "--state", run, "--selector", "x", "--json"], capture_output=True, timeout=60)
            need(done.returncode == 0 and json.loads(done.stdout)["failed"] == 0, "a run with SPF at %d %%" % share)
        report = [BINARY, "survey", "report", runs[1], "--compare", runs[0], "--html", folder + "/page.html", "--csv", folder + "/table.csv"]
        text = subprocess.run(report, capture_output=True, timeout=60, check=True).stdout.decode()
        data = json.loads(subprocess.run(report + ["--json"], capture_output=True, timeout=60, check=True).stdout)

        with open(folder + "/table.csv") as rows:
            table = {row["class"]: row for row in csv.DictReader(rows)}
        need(list(table) == ROWS, "the CSV has a line for each class")
        for row, (names, spf, dmarc, reject) in truths[1].items():
            said = [int(table[row][column]) for column in ("names", "answered", "failed", "SPF", "-all", "DMARC", "p=reject", "DMARC applies", "from above")]
            need(said == [names, names, 0, spf, spf, dmarc, reject, dmarc, 0], "%s: the numbers of the zone" % row)
            need(abs(float(table[row]["SPF percent"]) - 100 * spf / names) < 0.001, "%s: and its share" % row)
        shares = {one["class"]: one["percent"] for one in data["classes"]}
        need(all(abs(shares[row][m] - float(table[row][m + " percent"])) < 0.001 for row in ROWS for m in shares[row]), "JSON says the same")
        need(data["earlier"][0]["columns"]["spf"]["valid"] == truths[0]["all"][1] and len(data["earlier"]) == 1, "and the year before")

        with open(folder + "/page.html") as f:
            octets = f.read()
        page = Strict(octets)
        need(not page.faults, "the page is well-formed, fetches nothing, and no folder's name is markup %r" % page.faults[:3])
        need(Strict(octets.replace("<tbody>", "<tbody><i>")).faults and Strict(octets.replace("&lt;", "<").replace("</p>", "", 1)).faults, "control: the parser sees a mark too many and one too few")
        cells = {row[0].split(" ")[0] if row[0].startswith(("names", "answered", "failed")) else row[0]: row[1:] for row in page.rows[1:]}
        need([int(v) for v in cells["names"]] == [int(table[row]["names"]) for row in ROWS], "the page counts the same names")
        for measure in ("SPF", "DMARC", "p=reject", "DKIM"):
            need(cells[measure] == ["%.3f %%" % (100.0 * int(table[row][measure]) / int(table[row]["answered"])) for row in ROWS], "%s: the page's table is the CSV's" % measure)
        years = [values for label, values in page.pictures if label == "SPF"]
        need(len(years) == 2 and all(percent(t["all .jp"][1], t["all .jp"][0]) + " (.jp)" in years[0] for t in truths) and "0.113 % (.jp)" in years[0], "its first picture: April 2005, the year before and now")
        need(all(percent(truths[1][row][1], truths[1][row][0]) in years[1] for row in ROWS), "its second: each class")
        widths = [float(w) for w in re.findall(r"<rect [^>]*width='([\d.]+)'", octets)]
        need(widths and all(0 < w <= 420 for w in widths), "no bar leaves its picture")

        lines = text.split("\n\n")[0].splitlines()
        need(lines[0].split() == " ".join(ROWS).split() and "その他 .jp" in lines[1] and "名前" in lines[2], "the text has Japanese beside English")
        ends = {tuple(places(line[:m.end()]) for m in re.finditer(r"(?<=  )[\d.]+( %)?(?= |$)", line)) for line in lines[2:]}
        need(len(ends) == 1 and len(next(iter(ends))) == len(ROWS), "and every number ends in its column %s" % (ends if len(ends) > 1 else ""))
        need({places(line) for line in lines} == {places(lines[0])}, "all lines are equally wide")

        alone = subprocess.run(report[:4] + ["--html", folder + "/alone.html"], capture_output=True, timeout=60, check=True)
        with open(folder + "/alone.html") as f:
            need(percent(truths[0]["all .jp"][1], truths[0]["all .jp"][0]) not in f.read() and runs[0] not in alone.stdout.decode(), "control: alone, there is no year before")
        missing = subprocess.run(report[:4] + ["--compare", folder], capture_output=True, timeout=60)
        need(missing.returncode == 2 and b"domains" in missing.stderr, "control: a folder without a run is told")


main()
