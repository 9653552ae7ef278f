"""Twenty reloads under load: no session is dropped, every mail arrives, transactions keep the config they began with; a broken file changes nothing."""
import json
import os
import re
import signal
import socket
import subprocess

from lab import Client, Folder, Sekisho, Sink, ZONE, free_port, message, need, until
from load import DROPPED, REFUSED, Load, ids_of, over_a_restart

CONFIG = """
[[next_hop]]
name = "main"
address = "127.0.0.1:%(sink)d"
[[local_domain]]
name = "dest.example"
next_hop = "main"
check = "table"
recipients = ["user"]
recipients_file = "people"
"""


class Gate(Sekisho):
    """A config file that is written again and again."""

    def write(self, sink, extra="", listen=(), mx="", server="threads = 2"):
        words = ", ".join('"127.0.0.1:%d"' % port for port in (self.port, *listen))
        text = self.first.replace('listen = ["127.0.0.1:%d"]' % self.port, "listen = [%s]\n%s" % (words, mx))
        text = text.replace("threads = 2", server)
        text = re.sub(r'address = "127.0.0.1:\d+"', 'address = "127.0.0.1:%d"' % sink.port, text) + extra
        with open(self.config + ".new", "w") as out:
            out.write(text)
        os.replace(self.config + ".new", self.config)

    def reload(self, want=0):
        done = self.run("reload", "--json")
        if done.returncode != want:
            raise AssertionError("reload: exit %d: %s %s" % (done.returncode, done.stdout, done.stderr))
        return json.loads(done.stdout), done.stderr.decode()

    def loaded(self):
        return self.log_text().count("config_loaded")


def under_load(gate, sinks):
    load = Load(gate.port)
    until(lambda: len(load.acked) > 20, 20, "the load runs")
    for turn in range(20):
        gate.write(sinks[(turn + 1) % 2], mx="sessions_count = %d" % (5000 + turn))
        before = gate.loaded()
        if turn % 2:
            gate.reload()
        else:
            gate.process.send_signal(signal.SIGHUP)
        until(lambda: gate.loaded() > before, 10)
        taken = len(load.acked)
        until(lambda: len(load.acked) > taken + 3, 10)
    load.stop()
    need(gate.loaded() == 20, "20 reloads, ten by SIGHUP and ten by command")
    need(load.counts[REFUSED] == 0 and load.counts[DROPPED] == 0, "no connection was refused and no session dropped: %s" % load.counts)
    need(not load.odd, "nothing else happened: %s" % load.odd[:3])
    arrived = ids_of(sinks[0].mails) + ids_of(sinks[1].mails)
    need(load.acked <= set(arrived), "all of %d acknowledged mails arrived" % len(load.acked))
    need(len(arrived) == len(set(arrived)), "each of them once")
    need(len(sinks[0].mails) > 20 and len(sinks[1].mails) > 20, "at both next hops, turn by turn: %d and %d" % (len(sinks[0].mails), len(sinks[1].mails)))


def snapshot(gate, sinks):
    gate.write(sinks[0])
    gate.reload()
    client = Client(gate.port)
    for line in ("EHLO client.example", "MAIL FROM:<a@sender.example>", "RCPT TO:<user@dest.example>"):
        client.say(line)
    gate.write(sinks[1], mx="message_bytes = 70000")
    gate.reload()
    counts = [len(sink.mails) for sink in sinks]
    need(client.say("DATA")[:3] == "354", "a transaction goes on over a reload")
    need(client.say(message(message_id="old@sender.example") + ".")[:3] == "250", "and is brought to its end")
    need([len(sink.mails) - n for sink, n in zip(sinks, counts)] == [1, 0], "at the next hop of the config it began with")
    need(client.send(message(message_id="new@sender.example"))[:3] == "250" and len(sinks[1].mails) == counts[1] + 1, "the next one in the same session meets the new one")
    client.close()
    client = Client(gate.port)
    need("SIZE 70000" in client.say("EHLO client.example"), "a new session is offered the new SIZE")
    client.close()


def tables(gate, sink):
    with open(os.path.join(gate.folder, "people"), "w") as out:
        out.write("newcomer\n")
    with open(os.path.join(gate.folder, "gate.zone"), "a") as out:
        out.write("fresh.example. 300 IN TXT \"v=spf1 ip4:127.0.0.1 -all\"\nfresh.example. 300 IN A 127.0.0.1\n")
    client = Client(gate.port)
    need(client.send(message(), mail_from="a@fresh.example", rcpts=("newcomer@dest.example",))[:3] == "550", "control: before the reload the zone and the table are the old ones")
    client.close()
    client = Client(gate.port)
    need(client.send(message(author="a@denied.example", message_id="before@sender.example"), mail_from="a@denied.example")[:3] == "250", "control: nobody is denied yet")
    client.close()
    gate.run("deny", "denied.example", "--for", "1h", "--why", "journey", check=0)
    gate.write(sink)
    gate.reload()
    client = Client(gate.port)
    need(client.send(message(author="a@fresh.example"), mail_from="a@fresh.example", rcpts=("newcomer@dest.example",))[:3] == "250", "zone overlay and recipients file are read again")
    need(client.send(message(author="a@denied.example"), mail_from="a@denied.example")[:1] == "5", "what the operator decided by hand stays in force")
    client.close()


def limits(gate, sink):
    gate.write(sink, extra='[limits]\nexempt = []\nip_mails_per_hour = 1\n')
    gate.reload()
    client = Client(gate.port)
    answers = [client.send(message(message_id="limit%d@sender.example" % n))[:3] for n in range(3)]
    need("451" in answers, "new limits hold at once: %s" % answers)
    client.close()
    gate.write(sink)
    gate.reload()
    client = Client(gate.port)
    need(client.send(message(message_id="free@sender.example"))[:3] == "250", "and are gone as fast")
    client.close()


def doors(gate, sink):
    other = free_port()
    gate.write(sink, listen=(other,))
    gate.reload()
    client = Client(other)
    need(client.greeting[:3] == "220", "a new listener stands")
    gate.write(sink)
    gate.reload()
    need(client.say("EHLO client.example")[:3] == "250", "a listener goes, its sessions stay")
    client.close()

    def refused():
        try:
            socket.create_connection(("127.0.0.1", other), 1).close()
        except ConnectionRefusedError:
            return True
    need(until(refused, 5), "nobody listens there any more")


def broken(gate, sink):
    def line_of(words):
        return next(n for n, line in enumerate(open(gate.config), 1) if words in line)
    gate.write(sink, extra="[limits]\nip_mails_per_hour = 1\nexempt = []\nbogus = 3\n")
    told, said = gate.reload(want=2)
    where = "%s:%d: " % (gate.config, line_of("bogus"))
    need(not told["reloaded"] and where + "limits.bogus: unknown key" in said, "a broken file is refused with file and line: " + said.splitlines()[0])
    until(lambda: "config_refused" in gate.log_text() and "line=%d" % line_of("bogus") in gate.log_text(), 10, "the log says so too")
    with open(gate.config, "w") as out:
        out.write("[server\nhost = \n")
    gate.process.send_signal(signal.SIGHUP)
    until(lambda: gate.log_text().count("config_refused") > 1, 5, "also after SIGHUP, and where it is no TOML at all")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        gate.write(sink, extra='[limits]\nexempt = []\nip_mails_per_hour = 1\n', listen=(busy.getsockname()[1],))
        _, said = gate.reload(want=2)
        need("%s:%d: mx.listen: 127.0.0.1:%d: " % (gate.config, line_of("listen"), busy.getsockname()[1]) in said, "a busy port refuses the whole file: " + said.splitlines()[0])
    client = Client(gate.port)
    answers = [client.send(message(message_id="still%d@sender.example" % n))[:3] for n in range(3)]
    need(answers == ["250"] * 3, "the old config is in force as a whole: %s" % answers)
    client.close()


def restart_needed(gate, sink):
    gate.write(sink, server="threads = 3\nnode = 7", mx="message_bytes = 80000")
    told, said = gate.reload()
    keys = [p["message"].split(":")[0] for p in told["needs_restart"]]
    need(sorted(keys) == ["server.node", "server.threads"] and "a change needs a restart" in said, "what only a restart changes is named: %s" % keys)
    client = Client(gate.port)
    need("SIZE 80000" in client.say("EHLO client.example"), "all else is in force")
    client.close()
    explained = {key: json.loads(subprocess.run([gate.binary, "config", "explain", key, "--json"], capture_output=True).stdout)[0]["reload"] for key in ("server.threads", "mx.listen")}
    need(explained == {"server.threads": False, "mx.listen": True}, "config explain knows which is which")


def main():
    with Folder() as folder:
        sinks = Sink(), Sink()
        open(os.path.join(folder, "people"), "w").close()
        with Gate(folder, CONFIG, zone=ZONE + "denied.example. 300 IN A 127.0.0.1\n", sink=sinks[0].port, server="threads = 2") as gate:
            gate.first = open(gate.config).read()
            under_load(gate, sinks)
            snapshot(gate, sinks)
            tables(gate, sinks[0])
            limits(gate, sinks[0])
            doors(gate, sinks[0])
            broken(gate, sinks[0])
            restart_needed(gate, sinks[0])
            gate.write(sinks[0])
            shown = gate.json("ledger", "show", "--limit", "100000")
            loads = [r for r in shown["records"] if r["event"] == "config_loaded"]
            need(len(loads) >= 27, "each config that came into force stands in the ledger: %d" % len(loads))
            counts = over_a_restart(gate)
            need(counts[REFUSED] > 0, "control: a stop and a start instead is seen by the same clients: %s" % counts)


main()
