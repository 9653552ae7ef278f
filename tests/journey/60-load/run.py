#!/usr/bin/python3
"""Load, small: idle sessions cost little memory and stand; hostile connections do not keep good clients out. The whole of it: bench/load."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from lab import BINARY, ROOT, need  # noqa: E402


def load(*words):
    """Times and memory are not judged here: the machine has other things to do, and the binary may be one with sanitizers."""
    done = subprocess.run([os.path.join(ROOT, "bench/load"), *words, "--check", "--leave-out", "memory,p99", "--skip-postfix", "--binary", BINARY], capture_output=True, text=True, timeout=120)
    print(done.stdout + done.stderr, end="")
    if done.returncode == 77:
        sys.exit(77)
    return done.returncode


need(load("idle", "--idle", "1000", "--seconds", "3") == 0, "1,000 idle sessions stand while mails pass")
need(load("hostile", "--seconds", "5") == 0, "50 good clients are served beside 1,000 hostile connections a second")
