#!/usr/bin/python3
"""A long list with garbage in it, and kill -9 at random moments.

The list has 100,000 lines (SURVEY_LINES: more; the night takes a million) of which every fiftieth is garbage of many kinds: each is told with its
number, none is asked. Then a server counts how often each name is asked while the survey is killed again and again: no name is asked twice that was
not under way at a kill, and what was found is what a run without kills finds. The control: a result file that lost a line asks that name again.
"""
import csv
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

from fake_dns import bind_both, read_question, record, txt
from lab import BINARY, Folder, need

LINES, WINDOW = int(os.environ.get("SURVEY_LINES", "100000")), 40
GARBAGE = ("no name at all", "192.0.2.1", "a..b.example", "-", "x" * 64 + ".example", ".".join(["l" * 60] * 5), "user@host.example", "<script>", "\0\1\2", "\u202eevil",
           "single", "y" * 5000, "%s.example" % ("z." * 130), "\ufffd\ufffd.example", "http://a.example/")


class Counting:
    """Answers every question with an SPF record of the name's own and counts."""

    def __init__(self):
        self.udp, self.tcp = bind_both()
        self.port, self.asked = self.udp.getsockname()[1], {}
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, client = self.udp.recvfrom(4096)
            name, _, question = read_question(query)
            self.asked[name] = self.asked.get(name, 0) + 1
            text = "v=spf1 %sall" % "-~?+"[int(name[1:name.index(".")]) % 4]
            self.udp.sendto(query[:2] + struct.pack(">HHHHH", 0x8580, 1, 1, 0, 0) + question + record(name, 16, txt(text)), client)


def survey(*words, **more):
    return subprocess.run([BINARY, "survey", *words, "--only", "spf", "--per-authority", "0", "--json"], capture_output=True, timeout=600, **more)


def long_list(folder):
    path, bad, asked = folder + "/list", [], 0
    with open(path, "w", errors="surrogateescape") as out:
        for number in range(1, LINES + 1):
            if number % 50 == 7:
                bad.append(number)
                out.write(GARBAGE[len(bad) % len(GARBAGE)] + "\n")
            else:
                asked += 1
                out.write("n%d.jp%s" % (number, ("\n", "\r\n", " # said again\n", ".\n")[number % 4]))
    with open(folder + "/zone", "w") as out:
        out.write('$ORIGIN jp.\n@ SOA ns.jp. h.jp. 1 2 3 4 60\n* 60 TXT "v=spf1 -all"\n')
    began = time.time()
    done = survey(path, "--zone", folder + "/zone", "--per-domain", "1000", "--window", "1000")
    need(done.returncode == 0, "%d lines in %.1f s %s" % (LINES, time.time() - began, done.stderr.decode("latin-1")[-200:]))
    data = json.loads(done.stdout)
    need(data["names"] == data["answered"] == asked and data["classes"][-1]["columns"]["spf"]["valid"] == asked, "%d names are asked and answered" % asked)
    need(data["garbage_lines"] == len(bad) and [g["line"] for g in data["garbage"]] == bad[:10000], "%d lines of garbage are told with their numbers" % len(bad))
    said = done.stderr.decode().splitlines()
    need([line.split(":")[1] for line in said[:20]] == [str(n) for n in bad[:20]] and "%d lines more" % (len(bad) - 20) in said[20], "20 of them on standard error, and how many more")
    need(all(c >= " " or c == "\n" for c in done.stderr.decode()) and "\u202e" not in done.stderr.decode(), "what is shown of them is printable")


def main():
    dice = random.Random()
    seed = dice.randrange(1 << 32)
    print("seed", seed)
    dice.seed(seed)
    with Folder() as folder:
        long_list(folder)
        names = ["n%d.example" % i for i in range(3000)]
        with open(folder + "/names", "w") as out:
            out.write("\n".join(names))
        server = Counting()
        words = [folder + "/names", "--resolver", "127.0.0.1:%d" % server.port, "--window", str(WINDOW), "--rate", "1500", "--names", folder + "/names.csv"]

        def found():
            with open(folder + "/names.csv") as rows:
                return {row["domain"]: (row["spf"], row["spf_all"], row["tries"]) for row in csv.DictReader(rows)}

        need(survey(*words, "--state", folder + "/calm").returncode == 0, "a run that is left alone")
        calm = found()
        need(set(server.asked.values()) == {1}, "asks each of %d names once" % len(server.asked))
        server.asked.clear()
        wild, kills, kept = folder + "/wild", 0, 0
        while True:
            running = subprocess.Popen([BINARY, "survey", *words, "--state", wild, "--only", "spf", "--per-authority", "0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            try:
                running.communicate(timeout=dice.uniform(0.05, 0.9) if kills < 8 else 60)
                break
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                running.communicate()
                kills += 1
            lines = open(wild + "/results", "rb").read().count(b"\n") if os.path.exists(wild + "/results") else 0
            need(lines >= kept, "kill %d: %d lines are kept" % (kills, lines))
            kept = lines
        need(running.returncode == 0 and kills >= 2, "killed %d times, then done" % kills)
        need(found() == calm, "what it found is what the run without a kill found")
        again = sum(times - 1 for times in server.asked.values())
        need(len(server.asked) == len(names) and again <= kills * WINDOW, "%d names were asked again, %d at most were under way at the kills" % (again, kills * WINDOW))

        server.asked.clear()
        with open(wild + "/results", "rb") as f:
            lines = f.read().splitlines(True)
        shutil.copytree(wild, folder + "/lost")
        with open(folder + "/lost/results", "wb") as out:
            out.write(b"".join(lines[:100] + lines[101:]))
        lost = names[int(lines[100].split(b"\t")[1])]
        need(survey(*words, "--state", folder + "/lost").returncode == 0 and server.asked == {lost: 1}, "control: a line that is lost is asked again, %s" % lost)


main()
