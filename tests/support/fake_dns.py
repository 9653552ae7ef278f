"""A DNS server that answers truly, or as wrongly as it is told.

records: {(name, type): [rdata]}; other names are NXDOMAIN. fault(name, type) gives None (the truth) or one of FAULTS.
"""
import socket
import struct
import threading
import time

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA = 1, 2, 5, 6, 12, 15, 16, 28


def name_octets(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.strip(".").split(".") if label) + b"\0"


def txt(text):
    text = text.encode()
    return b"".join(bytes([len(text[i:i + 255])]) + text[i:i + 255] for i in range(0, len(text), 255))


def mx(preference, host):
    return struct.pack(">H", preference) + name_octets(host)


def read_question(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    return ".".join(labels).lower(), struct.unpack(">H", query[at + 1:at + 3])[0], query[12:at + 5]


def record(owner, rtype, rdata, ttl=300):
    return name_octets(owner) + struct.pack(">HHIH", rtype, 1, ttl, len(rdata)) + rdata


SOA_DATA = name_octets("ns.example") + name_octets("h.example") + struct.pack(">IIIII", 1, 3600, 600, 86400, 60)


def bind_both():
    """One free port for UDP and TCP. The kernel finds one for TCP alone: a client of another test may hold the same for UDP."""
    for last in range(50, -1, -1):
        tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tcp.bind(("127.0.0.1", 0))
            udp.bind(tcp.getsockname())
            return udp, tcp
        except OSError:
            tcp.close()
            udp.close()
            if not last:
                raise


class FakeDns:
    def __init__(self, records):
        self.records, self.fault = records, lambda name, rtype: None
        self.queries, self.tcp_queries = [], 0
        self.udp, self.tcp = bind_both()
        self.port = self.udp.getsockname()[1]
        self.other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # replies from here come from the wrong port
        self.other.bind(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def listen(self):
        """Answers over TCP too; without it TCP is refused."""
        self.tcp.listen(50)
        threading.Thread(target=self._serve_tcp, daemon=True).start()

    def _serve(self):
        while True:
            try:
                query, client = self.udp.recvfrom(4096)
            except OSError:
                return
            threading.Thread(target=self._answer, args=(query, client), daemon=True).start()

    def _answer(self, query, client):
        name, rtype, question = read_question(query)
        self.queries.append((name, rtype))
        fault = self.fault(name, rtype)
        for reply, sock in self.replies(fault, query, name, rtype, question):
            try:
                sock.sendto(reply, client)
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            client, _ = self.tcp.accept()
            head = client.recv(2)
            query = client.recv(struct.unpack(">H", head)[0])
            self.tcp_queries += 1
            name, rtype, question = read_question(query)
            reply = self.truth(query, name, rtype, question)
            client.sendall(struct.pack(">H", len(reply)) + reply)
            client.close()

    def truth(self, query, name, rtype, question, extra=b"", extra_count=0, additional=b"", additional_count=0):
        found = self.records.get((name, rtype))
        known = any(n == name or n.endswith("." + name) for n, _ in self.records)
        if found:
            answers = b"".join(record(name, rtype, r) for r in found)
            return query[:2] + struct.pack(">HHHHH", 0x8580, 1, len(found) + extra_count, 0, additional_count) + question + answers + extra + additional
        soa = record("example", SOA, SOA_DATA)
        return query[:2] + struct.pack(">HHHHH", 0x8580 if known else 0x8583, 1, extra_count, 1, additional_count) + question + extra + soa + additional

    def forged(self, query, name, rtype, question):
        """What somebody who lies would have us believe: everybody may send for this domain, and it has no policy."""
        lie = {TXT: txt("v=spf1 +all"), MX: mx(5, "mail.evil.example"), A: bytes([192, 0, 2, 66])}.get(rtype, b"")
        return query[:2] + struct.pack(">HHHHH", 0x8580, 1, 1, 0, 0) + question + record(name, rtype, lie)

    def replies(self, fault, query, name, rtype, question):
        def made(octets, sock=self.udp):
            return [(octets, sock)]
        whole = self.truth(query, name, rtype, question)
        lie = self.forged(query, name, rtype, question)
        if fault is None:
            return made(whole)
        if fault == "mute":
            return []
        if fault == "slow":
            time.sleep(0.6)
            return made(whole)
        if fault in ("servfail", "refused", "notimp", "formerr"):
            code = {"servfail": 2, "refused": 5, "notimp": 4, "formerr": 1}[fault]
            return made(query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, 0, 0, 0) + question)
        if fault == "truncated":
            return made(query[:2] + struct.pack(">HHHHH", 0x8780, 1, 0, 0, 0) + question)
        if fault == "truncated_lie":  # TC with records in it: they must not be used
            return made(lie[:2] + struct.pack(">H", 0x8780) + lie[4:])
        wrong_id = bytes([lie[0] ^ 0x55, lie[1]]) + lie[2:]
        wrong_name = lie.replace(name_octets(name), name_octets("x" + name[1:]))
        wrong_type = lie.replace(question, question[:-4] + struct.pack(">HH", 99, 1))
        if fault == "wrong_id":
            return made(wrong_id)
        if fault == "wrong_question":
            return made(wrong_name) + made(wrong_type)
        if fault == "wrong_port":
            return made(lie, self.other)
        if fault == "no_response_bit":
            return made(lie[:2] + bytes([lie[2] & 0x7f]) + lie[3:])
        if fault == "lies_first":  # all of them race the truth and lose
            return made(wrong_id) + made(wrong_name) + made(wrong_type) + made(lie, self.other) + made(whole)
        if fault == "malformed":
            head = query[:2] + struct.pack(">HHHHH", 0x8580, 1, 1, 0, 0)
            return made(head + question + b"\xc0\x0c" + struct.pack(">HHIH", rtype, 1, 300, 4000) + b"short")
        if fault == "loop":
            head = query[:2] + struct.pack(">HHHHH", 0x8580, 1, 1, 0, 0) + question
            at = struct.pack(">H", 0xc000 | len(head))
            return made(head + at + struct.pack(">HHIH", rtype, 1, 300, 4) + b"\1\2\3\4")
        if fault == "cut":
            return made(whole[:len(whole) - 5])
        if fault == "garbage":
            return made(query[:2] + b"\x85\x80" + b"\xff" * 200)
        if fault == "bailiwick":  # records of others, as answer and as additional
            others = b"".join(record(n, t, d) for n, t, d in self.poison)
            return made(self.truth(query, name, rtype, question, others, len(self.poison), others, len(self.poison)))
        raise KeyError(fault)
