#!/usr/bin/python3
"""A mail for three domains, one of whose hosts takes seconds for each word and another for its last one. Nobody waits for them: the third has its
mail at once, and the queue has all its answers in time - 250 for the third, "come again" for the others. Would it lose patience before, it would
send again what the third has long taken.
"""
import time

from lab import Client, Folder, NEXT_HOP, Sekisho, Sink, free_port, message, need

EGRESS = """
[egress]
listen = ["127.0.0.1:%(egress)d"]
port = %(world)d
tls = "off"
mx_networks = ["127.0.0.0/8"]
timeout_ms = 2000
dot_timeout_ms = 60000
answer_timeout_ms = %(patience)d
"""


def answers(verb, argument, session):
    if verb == "RCPT" and "@tar.example" in argument:
        time.sleep(0.8)
    if verb == "DOT" and "@late.example" in argument:
        time.sleep(4.5)
    return None


def hand_over(port, number, rcpts):
    """-> ([answer of each recipient], seconds)"""
    queue = Client(port)
    queue.say("LHLO q"), queue.say("MAIL FROM:<joe@own.example>")
    for rcpt in rcpts:
        need(queue.say("RCPT TO:<%s>" % rcpt).startswith("250"), "taken: " + rcpt)
    queue.say("DATA")
    begun = time.monotonic()
    said = [queue.say(message(message_id="%s@own.example" % number) + ".")] + [queue.reply() for _ in rcpts[1:]]
    took = time.monotonic() - begun
    queue.close()
    return said, took


with Folder() as folder:
    world = Sink(answer=answers)
    zone = "".join("%s. 300 IN MX 10 mx.%s.\nmx.%s. 300 IN A 127.0.0.1\n" % (d, d, d) for d in ("fast.example", "tar.example", "late.example"))
    slow = ["x%d@tar.example" % i for i in range(6)]

    def got(domain):
        return sum(rcpt.endswith(domain) for mail in world.mails for rcpt in mail["rcpts"])

    port = free_port()
    with Sekisho(folder, NEXT_HOP + EGRESS, zone, sink=world.port, egress=port, world=world.port, patience=3000):
        said, took = hand_over(port, "first", ["a@fast.example", "b@late.example", *slow])
        need(got("fast.example") == 1 and said[0].startswith("250"), "the fast one: %s" % said[0])
        need(said[1].startswith("451 4.4.2") and "did not confirm" in said[1], "nobody knows about the late one: %s" % said[1])
        need(all(each.startswith("451 4.4.2") for each in said[2:]), "the slow ones come again: %s" % said[2:])
        need(took < 4, "the queue is answered in time: %.1f s" % took)
        need(got("tar.example") == 0, "to whom is told to come again, nothing was given")
    # Negative control: with more patience the same hosts take it, and the answers come after the time that was too long above.
    with Sekisho(folder, NEXT_HOP + EGRESS, zone, name="patient", sink=world.port, egress=port, world=world.port, patience=60000):
        said, took = hand_over(port, "second", ["a@fast.example", *slow])
        need(all(each.startswith("250") for each in said) and took > 4, "control: %.1f s, %s" % (took, said[-1]))
        need(got("tar.example") == 6, "control: the slow host is only slow, and has got each mail once")
print("ok")
