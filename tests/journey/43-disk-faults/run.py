#!/usr/bin/python3
"""A state disk that fails: ENOSPC and EIO on write, fsync, rename and open, always or now and then (libfiu, inside the release binary).

While it fails each mail is answered 250 or told to come again; what got 250 is at the next hop and in the ledger, what got 4xx is not at
the next hop. The log says that the store fails, and that it works again; mail then flows without a restart, and the ledger verifies.
Every fault is shown to have bitten (the count of failed calls or of failed commits), a control runs without any, and the checker is
shown to see a loss. At the start a failing disk is an error that names the file, not a server without a ledger.
"""
import os
import re
import signal
import subprocess

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, release_binary, skip, until

PRELOAD = ("/usr/lib/fiu/fiu_run_preload.so", "/usr/lib/fiu/fiu_posix_preload.so")
ENOSPC, EIO, EMFILE = 28, 5, 24
WRITE, SYNC, FOLDER_SYNC, RENAME, OPEN = "posix/io/rw/pwrite", "posix/io/sync/fdatasync", "posix/io/sync/fsync", "posix/io/dir/rename", "posix/io/oc/open"


class Faults:
    """Switches fault points of a running server on and off."""

    def __init__(self, gate, prefix):
        self.gate, self.prefix = gate, prefix

    def say(self, command):
        done = subprocess.run(["fiu-ctrl", "-f", self.prefix, "-c", command, str(self.gate.process.pid)], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError("fiu-ctrl %s: %s%s" % (command, done.stdout, done.stderr))

    def on(self, points, share=1.0):
        for name, number in points:
            self.say("enable%s name=%s,failinfo=%d%s" % ("" if share == 1.0 else "_random", name, number, "" if share == 1.0 else ",probability=%g" % share))

    def off(self, points):
        for name, _ in points:
            self.say("disable name=%s" % name)


def send(gate, word):
    try:
        client = Client(gate.port)
        reply = client.greeting if not client.greeting.startswith("220") else client.send(message(message_id=word + "@sender.example", body="mail %s.\r\n" % word))
        client.close()
        return reply
    except (OSError, IndexError) as lost:
        return "lost: %s" % lost


def arrived(sink):
    return [re.search(rb"mail ([\w-]+)\.", m["data"])[1].decode() for m in list(sink.mails)]


def check(replies, here, known):
    for word, reply in replies.items():
        if not re.match(r"250 2\.0\.0|4[25]\d ", reply):
            raise AssertionError("%s: neither taken nor told to come again: %r" % (word, reply))
        if reply.startswith("250") and (word not in here or word not in known):
            raise AssertionError("%s: 250, but at the next hop: %s, in the ledger: %s" % (word, word in here, word in known))
        if reply[0] == "4" and word in here:
            raise AssertionError("%s: %r, but it is at the next hop" % (word, reply))


def story_ids(gate):
    return {e["message_id"].split("@")[0] for s in gate.json("trace", "--domain", "sender.example", "--limit", "10000")["stories"] for e in s["events"] if e["event"] == "decided"}


def one(gate, sink, faults, name, points, share=1.0, refuses=True, said=True):
    logged = gate.log_text().count("store_failed")
    before = gate.metrics().get("sekisho_ledger_failed_commits", 0)
    faults.on(points, share)
    replies = {"%s-%d" % (name, i): send(gate, "%s-%d" % (name, i)) for i in range(6 if share == 1.0 else 25)}
    if said:
        until(lambda: gate.log_text().count("store_failed") > logged, seconds=5, what="%s: the log says so: store_failed" % name)
    failed = gate.metrics().get("sekisho_ledger_failed_commits", 0) - before
    faults.off(points)
    taken = [w for w in replies if replies[w].startswith("250")]
    if share == 1.0:
        need(bool(taken) != refuses, "%s: %s, %d commits failed: %s" % (name, "nothing is taken" if refuses else "mail is taken all the same", failed, sorted({r[:30] for r in replies.values()})))
    need(gate.process.poll() is None, "%s: the server lives" % name)
    until(lambda: send(gate, name + "-after").startswith("250"), seconds=10, what="%s: over: mail flows without a restart" % name)
    if said:
        until(lambda: gate.log_text().count("store_recovered") > 0 and gate.log_text().rindex("store_recovered") > gate.log_text().rindex("store_failed"), seconds=6, what="%s: the log says that it works again" % name)
    report = gate.json("ledger", "verify")
    need(report["verified"], "%s: the ledger verifies: %s" % (name, report["problems"]))
    check(replies, arrived(sink), story_ids(gate))
    need(True, "%s: %d of %d got 250 and are at the next hop and in the ledger; no other is" % (name, len(taken), len(replies)))
    return replies


def torn_away(gate, sink, faults):
    """kill -9 while writes fail: what was acknowledged before is still there."""
    good = {"before-%d" % i: send(gate, "before-%d" % i) for i in range(5)}
    need(all(r.startswith("250") for r in good.values()), "five mails taken")
    faults.on([(WRITE + "/reduce", 0), (SYNC, EIO)])
    bad = {"torn-%d" % i: send(gate, "torn-%d" % i) for i in range(3)}
    gate.stop(signal.SIGKILL)
    gate.start()
    need(gate.json("ledger", "verify")["verified"], "killed while short writes and syncs fail: the ledger verifies")
    check({**good, **bad}, arrived(sink), story_ids(gate))
    need(send(gate, "torn-after").startswith("250"), "and mail is taken")


def at_start(folder, sink, env):
    """A disk that fails when the server starts."""
    for name, point, number in (("write", WRITE, EIO), ("rename", RENAME, EIO), ("fsync", SYNC, EIO)):
        gate = Sekisho(folder, NEXT_HOP, ZONE, name="start-" + name, binary=release_binary(), env=env, sink=sink.port)
        gate.stop()
        broken = dict(os.environ, **env, FIU_ENABLE="enable name=%s,failinfo=%d" % (point, number))
        if name != "write":  # a folder of its own, still to be made
            subprocess.run(["rm", "-rf", gate.state], check=True)
        process = subprocess.Popen([gate.binary, "serve", "-c", gate.config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=broken)
        try:
            said = process.communicate(timeout=4)[0].decode()
            need(process.returncode == 2 and gate.state in said, "%s fails at the start: exit %d, %s" % (name, process.returncode, said.strip().split("\n")[-1][-160:]))
        except subprocess.TimeoutExpired:
            # It may stand if nothing had to be written yet; then it takes no mail.
            reply = send(gate, "start-" + name)
            process.kill()
            process.communicate()
            need(reply[:1] == "4", "%s fails at the start: it stands and says %s" % (name, reply))


def main():
    if not all(os.path.exists(p) for p in PRELOAD):
        skip("libfiu is not here (packages fiu-utils, libfiu0)")
    with Folder() as folder:
        prefix = os.path.join(folder, "fiu")
        env = {"LD_PRELOAD": " ".join(PRELOAD), "FIU_CTRL_FIFO": prefix}
        sink = Sink()
        with Sekisho(folder, NEXT_HOP, ZONE, binary=release_binary(), env=env, sink=sink.port) as gate:
            faults = Faults(gate, prefix)
            control = one(gate, sink, faults, "control", [], refuses=False, said=False)
            for missing, what in ((arrived(sink)[:0], story_ids(gate)), (arrived(sink), set())):
                try:
                    check(control, missing, what)
                except AssertionError as cry:
                    need("control-0: 250, but" in str(cry), "negative control: the checker cries: %s" % cry)
                else:
                    raise SystemExit("the checker does not see a loss")
            one(gate, sink, faults, "write-enospc", [(WRITE, ENOSPC)])
            one(gate, sink, faults, "write-eio", [(WRITE, EIO)])
            one(gate, sink, faults, "fsync-eio", [(SYNC, EIO)])
            one(gate, sink, faults, "fsync-enospc", [(SYNC, ENOSPC)])
            one(gate, sink, faults, "open-and-write", [(WRITE, EIO), (OPEN, ENOSPC)])
            one(gate, sink, faults, "rename-eio", [(RENAME, EIO)], refuses=False, said=False)
            one(gate, sink, faults, "short-writes", [(WRITE + "/reduce", 0)], refuses=False, said=False)
            one(gate, sink, faults, "now-and-then", [(WRITE, ENOSPC), (SYNC, EIO), (RENAME, EIO)], share=0.3)
            torn_away(gate, sink, faults)
        at_start(folder, sink, env)


main()
