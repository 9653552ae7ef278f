"""A next hop that breaks where it is told: after so many octets said or heard, at a stage of the dialogue, slowly, half.

plan: what the next connection does wrong:
  ("said", n)          resets once n octets of its replies are out
  ("heard", n)         resets once it has read n octets
  ("at", stage, how)   at greeting, ehlo, mail, rcpt, data or dot: how is "reset", "close", "half" (closes its sending
                       side and stays), "silent", "drip" (one octet at a time) or the reply to give instead
"""
import re
import socket
import struct
import threading
import time


class Broken(Exception):
    pass


class Hop:
    def __init__(self, pipelining=True, port=0):
        self.plan, self.pipelining = None, pipelining
        self.taken, self.replied, self.sessions, self.said, self.heard = [], [], 0, 0, 0
        self.streams = []  # octets of whole messages, as they came on the wire
        self.open = set()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen(200)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.socket.accept()
            plan, self.plan = self.plan, None
            self.sessions += 1
            threading.Thread(target=self._serve, args=(client, plan), daemon=True).start()

    def _serve(self, client, plan):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open.add(client)
        try:
            Dialogue(self, client, plan).run()
        except (OSError, Broken):
            pass
        finally:
            self.open.discard(client)
            client.close()

    def hang_up(self):
        """Closes the kept sessions, so that the next mail opens a fresh one."""
        for client in list(self.open):
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def word(self, stream):
        return re.search(rb"^Message-ID: <([^@>]*)@", stream, re.M)[1].decode()


class Dialogue:
    def __init__(self, hop, client, plan):
        self.hop, self.client, self.plan, self.rest = hop, client, plan or ("none",), b""
        self.said = self.heard = 0

    def reset(self):
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()
        raise Broken

    def say(self, text, stage):
        octets = text.encode() + b"\r\n"
        how = self.plan[2] if self.plan[:2] == ("at", stage) else None
        if how == "reset":
            self.reset()
        if how == "close":
            raise Broken
        if how == "half":
            self.client.shutdown(socket.SHUT_WR)
            while self.client.recv(65536):
                pass
            raise Broken
        if how == "silent":
            time.sleep(8)
            raise Broken
        if how == "drip":
            for i in range(len(octets)):
                self.client.sendall(octets[i:i + 1])
                time.sleep(0.004)
            return
        if how == "endless":
            while True:
                self.client.sendall(b"250-still talking\r\n" * 100)
        if how:
            octets = how.encode() + b"\r\n"
        if self.plan[0] == "said" and self.said + len(octets) >= self.plan[1]:
            self.client.sendall(octets[:self.plan[1] - self.said])
            self.reset()
        self.client.sendall(octets)
        self.said += len(octets)

    def more(self):
        most = 65536
        if self.plan[0] == "heard":
            most = self.plan[1] - self.heard
            if most <= 0:
                self.reset()
        got = self.client.recv(most)
        if not got:
            raise Broken
        self.heard += len(got)
        self.rest += got
        if self.plan[0] == "heard" and self.heard >= self.plan[1]:
            self.reset()

    def line(self):
        while b"\r\n" not in self.rest:
            self.more()
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line.decode("latin-1")

    def run(self):
        self.say("220 hop ESMTP", "greeting")
        while True:
            line = self.line()
            verb = line[:4].upper()
            if verb == "EHLO":
                self.say("250-hop\r\n" + ("250-PIPELINING\r\n" if self.hop.pipelining else "") + "250-8BITMIME\r\n250 ENHANCEDSTATUSCODES", "ehlo")
            elif verb == "MAIL":
                self.say("250 2.1.0 ok", "mail")
            elif verb == "RCPT":
                self.say("250 2.1.5 ok", "rcpt")
            elif verb == "DATA":
                self.say("354 go", "data")
                self.message()
            elif verb == "QUIT":
                self.say("221 2.0.0 bye", "quit")
                return
            else:
                self.say("250 2.0.0 ok", "other")

    def message(self):
        while not (b"\r\n" + self.rest).endswith(b"\r\n.\r\n"):
            self.more()
        stream, self.rest = self.rest, b""
        if stream == b".\r\n":  # RFC 2920 section 3.1: 354 although no recipient was taken
            return self.say("554 5.5.1 no valid recipients", "empty")
        word = self.hop.word(stream)
        self.hop.streams.append(stream)
        how = self.plan[2] if self.plan[:2] == ("at", "dot") else ""
        if not re.match(r"[45]\d\d ", how):
            self.hop.taken.append(word)
        self.say("250 2.0.0 queued as Q" + word, "dot")
        self.hop.replied.append(word)
        self.hop.said, self.hop.heard = self.said, self.heard
