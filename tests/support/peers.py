"""PROXY headers by hand, and a real HAProxy in front of a gate."""
import os
import shutil
import socket
import struct
import subprocess

from lab import Client, free_port, skip, wait_port

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header_v1(client, local="10.0.0.1", client_port=40000):
    return ("PROXY TCP%d %s %s %d 25\r\n" % (6 if ":" in client else 4, client, local, client_port)).encode()


def header_v2(client="", local="10.0.0.1", client_port=40000, tlvs=b""):
    """Without a client: LOCAL, as a health check has it."""
    if not client:
        return SIGNATURE + b"\x20\0\0\0"
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    block = socket.inet_pton(family, client) + socket.inet_pton(family, local) + struct.pack(">HH", client_port, 25) + tlvs
    return SIGNATURE + bytes([0x21, 0x21 if ":" in client else 0x11]) + struct.pack(">H", len(block)) + block


def behind(port, proxy, header):
    """A client behind a proxy at an address of our own, whose header we write."""
    client = Client(port, source=proxy, greeting=False)
    client.socket.sendall(header)
    client.greeting = client.reply()
    return client


class Haproxy:
    """Forwards its port to the gate with a PROXY header, from the address `source`; checks its health as it would in life."""

    def __init__(self, folder, name, gate_port, how="send-proxy-v2", source="127.0.0.200", bind="127.0.0.1"):
        binary = shutil.which("haproxy") or "/usr/sbin/haproxy"
        if not os.path.exists(binary):
            skip("the package haproxy is not installed")
        self.port = free_port()
        config = os.path.join(folder, name + ".cfg")
        with open(config, "w") as out:
            out.write("global\n maxconn 200\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
                      "frontend f\n bind %s:%d\n default_backend b\nbackend b\n source %s\n option smtpchk EHLO haproxy.example\n"
                      " server gate 127.0.0.1:%d %s check check-send-proxy inter 100ms fall 2 rise 1\n" % (bind, self.port, source, gate_port, how))
        self.process = subprocess.Popen([binary, "-db", "-f", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if bind == "127.0.0.1":
            wait_port(self.port, 10, self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
