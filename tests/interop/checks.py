"""What seals.py and signing.py share: a mail that tells canonical forms apart, and the count of what was judged."""
import os
import sys

# The release build, which starts ten times as fast as one with sanitizers, where it is there.
quick = os.environ.get("SEKISHO_COMMANDS", "")
SEKISHO = quick if os.path.exists(quick) and os.environ.get("SEKISHO_SANITIZED") != "all" else sys.argv[1]
MAIL = (b"From: Joe <joe@example.org>\r\nTo: list@lists.example\r\nSubject: a  \r\n\tfolded  subject\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
        b"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n\r\n Hello  there \r\n\r\nbye\r\n\r\n\r\n")
done, wrong = 0, []


def judge(what, good, more=""):
    global done
    done += 1
    if not good:
        wrong.append("%s %s" % (what, more) if more != "" else what)


def end():
    for what in wrong:
        print("WRONG:", what)
    print("%d of %d as expected" % (done - len(wrong), done))
    sys.exit(1 if wrong else 0)
