"""What the benchmarks share: where Postfix's programs lie, its sink, the processes of a server and what they cost."""
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


def cpu_by_name(roots):
    """CPU milliseconds so far of the processes below the roots, user and system, by program; threads that have ended are in it. Kernel ticks of 10 ms:
    for rounds that take seconds."""
    out, tick_ms = {}, 1000.0 / os.sysconf("SC_CLK_TCK")
    for root in roots:
        for pid in processes(root):
            try:
                head, stat = open("/proc/%d/stat" % pid).read().rsplit(")", 1)
            except OSError:
                continue
            fields, name = stat.split(), head.split("(", 1)[1]
            out[name] = out.get(name, 0) + (int(fields[11]) + int(fields[12])) * tick_ms
            gone = (int(fields[13]) + int(fields[14])) * tick_ms
            if gone:
                out["ended"] = out.get("ended", 0) + gone
    return out
