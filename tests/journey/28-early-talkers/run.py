#!/usr/bin/python3
"""The pause before the greeting: who speaks in it is marked or refused, who waits passes and is greeted at once afterwards.

The controls: without the pause the same talker is not noticed, and exempt networks, allowed clients and XCLIENT peers never wait.
"""
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, ZONE, message, need, until

EXEMPT = '[limits]\nexempt = ["127.0.2.0/24"]\n'


def talk_early(gate, source, after=0.2):
    """A program that writes its lines without listening; what it is told."""
    client = Client(gate.port, source=source, greeting=False)
    time.sleep(after)
    client.socket.sendall(b"EHLO bot.example\r\n")
    client.greeting = client.reply()
    reply = client.reply()
    if reply.startswith("250"):
        client.say("MAIL FROM:<a@sender.example>"), client.say("RCPT TO:<user@dest.example>"), client.say("DATA")
        client.socket.sendall(message(message_id="early@sender.example").encode() + b".\r\n")
        reply = client.reply()
    client.stream.close(), client.socket.close()
    return reply


def wait(gate, source):
    began = time.time()
    client = Client(gate.port, source=source)
    took = time.time() - began
    reply = client.send(message())
    client.close()
    need(reply.startswith("250"), "the patient client of %s: %s" % (source, reply))
    return took


def main():
    with Folder() as folder:
        sink = Sink()
        with Sekisho(folder, NEXT_HOP + EXEMPT, ZONE, name="tag", mx='greet_pause_ms = 900\nxclient_from = ["127.0.1.5"]', sink=sink.port) as gate:
            need(talk_early(gate, "127.0.1.1").startswith("250"), "by default an early talker is let in")
            need(b"X-Sekisho-Verdict: tag; reasons=early_talker" in sink.mails[-1]["data"], "and marked")
            need(wait(gate, "127.0.1.2") > 0.8, "a new client waits for its greeting")
            need(b"X-Sekisho-Verdict" not in sink.mails[-1]["data"], "and has nothing to answer for")
            need(wait(gate, "127.0.1.2") < 0.6, "the next time it is greeted at once")
            need(wait(gate, "127.0.1.1") > 0.8, "the early talker is not")
            need(wait(gate, "127.0.2.1") < 0.6, "an exempt network never waits")
            need(wait(gate, "127.0.1.5") < 0.6, "nor a peer that may use XCLIENT")
            gate.run("allow", "127.0.1.6", "--for", "1h", "--why", "test", check=0)
            need(wait(gate, "127.0.1.6") < 0.6, "nor who is allowed")
            need(gate.story("early@sender.example")["events"][0]["findings"][0]["code"] == "early_talker", "the trail knows")
            until(lambda: gate.metrics().get('sekisho_session_events_total{event="early_talker"}') == 1, what="it is counted once")
            waiting = [Client(gate.port, source="127.0.1.%d" % i, greeting=False) for i in range(50, 70)]
            need(wait(gate, "127.0.2.2") < 0.6, "twenty that wait keep nobody from being served")
            for c in waiting:
                c.socket.close()
        with Sekisho(folder, NEXT_HOP + EXEMPT + '[policy]\nearly_talker = "reject"\n', ZONE, name="reject", mx="greet_pause_ms = 900", sink=sink.port) as gate:
            before = len(sink.mails)
            reply = talk_early(gate, "127.0.1.1")
            need(reply.startswith("554 5.5.1") and len(sink.mails) == before, "where the cell says reject: " + reply)
            need(wait(gate, "127.0.1.2") > 0.8, "a patient client passes there too")
        with Sekisho(folder, NEXT_HOP + EXEMPT + '[policy]\nearly_talker = "reject"\n', ZONE, name="control", mx="greet_pause_ms = 0", sink=sink.port) as gate:
            client = Client(gate.port, source="127.0.1.1", greeting=False)
            time.sleep(0.2)
            client.socket.sendall(b"EHLO bot.example\r\n")
            replies = [client.reply(), client.reply()]
            need(replies[1].startswith("250"), "control: without the pause nobody notices: %r" % replies)
            client.close()


main()
