"""Clients that never stop: each sends numbered mails, one connection a mail, and comes again with the same mail until it was taken, as an MTA does."""
import socket
import threading
import time

from lab import message, until

REFUSED, DROPPED, DEFERRED = "refused", "dropped", "deferred"


class Load:
    """While it runs: refused = connections that were refused; dropped = ended without a reply that says so; deferred = answered 4yz."""

    def __init__(self, port, clients=6, name="load", rcpt="user@dest.example"):
        self.port, self.name, self.rcpt = port, name, rcpt
        self.lock, self.stopping = threading.Lock(), False
        self.acked, self.counts, self.odd = set(), {REFUSED: 0, DROPPED: 0, DEFERRED: 0}, []
        self.threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def _client(self, number):
        mail = 0
        while not self.stopping:
            mail += 1
            identity = "%s-%d-%d@sender.example" % (self.name, number, mail)
            end = time.time() + 60  # also after stop(): a mail that was begun is brought to its end
            while time.time() < end:
                outcome = self._send(identity)
                if outcome == "":
                    break
                with self.lock:
                    self.counts[outcome] += 1
                time.sleep(0.02)
            else:
                self.odd.append("never taken: " + identity)

    def _send(self, identity):
        """"" when the mail was taken."""
        last = ""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 40) as connection:
                connection.settimeout(40)
                stream = connection.makefile("rb")

                def reply():
                    while True:
                        line = stream.readline()
                        if not line.endswith(b"\r\n"):
                            raise ConnectionResetError("no whole line")
                        if line[3:4] != b"-":
                            return line.decode("latin-1")

                text = message(message_id=identity).encode() + b".\r\n"
                for line in (None, b"EHLO client.example", b"MAIL FROM:<a@sender.example>", b"RCPT TO:<" + self.rcpt.encode() + b">", b"DATA", text):
                    if line is not None:
                        connection.sendall(line if line is text else line + b"\r\n")
                    last = reply()
                    if last[0] not in "23":
                        if last[0] == "5":
                            self.odd.append(last.strip())
                        return DEFERRED
                with self.lock:
                    self.acked.add(identity)
                connection.sendall(b"QUIT\r\n")
                reply()
                return ""
        except ConnectionRefusedError:
            return REFUSED
        except OSError:
            with self.lock:
                if identity in self.acked:
                    return ""  # only the QUIT was lost
            return DEFERRED if last[:3] == "421" else DROPPED

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(70)
        return self


def over_a_restart(gate):
    """What a load counts while the gate is plainly stopped and started: the control of whatever shall go unnoticed."""
    load = Load(gate.port, name="control")
    until(lambda: len(load.acked) > 20, 20)
    gate.stop()
    time.sleep(0.2)
    gate.start()
    return load.stop().counts


def ids_of(mails):
    """Message-IDs of what a sink has got, each as often as it came."""
    out = []
    for mail in mails:
        for line in mail["data"].split(b"\r\n\r\n", 1)[0].split(b"\r\n"):
            if line.lower().startswith(b"message-id: <"):
                out.append(line[13:-1].decode())
    return out
