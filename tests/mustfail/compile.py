#!/usr/bin/env python3
"""One case that must not compile, and must not for the reason it gives.

usage: compile.py COMPILER SRC CASE.cc
The case's `// refused:` line is a regular expression for the compiler's words; with -DCONTROL the same file must compile, so that
a wrong include or a renamed function cannot pass for a law that holds.
"""
import re
import subprocess
import sys

compiler, src, case = sys.argv[1:4]
text = open(case).read()
reason = re.search(r"^// refused: (.+)$", text, re.M)
if not reason:
    sys.exit(f"{case}: has no '// refused:' line")


def compiles(*more):
    command = [compiler, "-std=c++20", "-fcoroutines", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", src, *more, case]
    done = subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    return done.returncode == 0, done.stderr


good, words = compiles("-DCONTROL")
if not good:
    sys.exit(f"{case}: the control does not compile, so the case proves nothing:\n{words}")
good, words = compiles()
if good:
    sys.exit(f"{case}: compiles, but must not: {text.splitlines()[0][3:]}")
errors = "\n".join(line for line in words.splitlines() if "error:" in line)
if not re.search(reason[1], errors):
    sys.exit(f"{case}: is refused for another reason than /{reason[1]}/:\n{words}")
print(errors)
