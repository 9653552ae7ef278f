"""What bench/gate.py and bench/load share: where Postfix's programs lie, its sink, and the processes of a server."""
import glob
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/support"))
import lab  # noqa: E402


def sbin(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def start(command, port):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        lab.wait_port(port, 20, process)
    except RuntimeError:
        process.terminate()
        raise
    return process


def start_sink(port):
    return start([sbin("smtp-sink"), *(["-u", "nobody"] if os.geteuid() == 0 else []), "127.0.0.1:%d" % port, "1000"], port)


def processes(root):
    """root and all below it."""
    parents = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            fields = open(stat).read().rsplit(")", 1)
            parents.setdefault(int(fields[1].split()[1]), []).append(int(stat.split("/")[2]))
        except OSError:
            pass
    out, todo = [], [root]
    while todo:
        pid = todo.pop()
        out.append(pid)
        todo += parents.get(pid, [])
    return out
