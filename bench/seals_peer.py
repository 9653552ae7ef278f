"""CPU of one ARC verification by dkimpy, key at hand. usage: seals_peer.py MAIL RECORD COUNT -> microseconds"""
import sys
import time

import dkim

mail, record, count = open(sys.argv[1], "rb").read(), sys.argv[2].encode(), int(sys.argv[3])
best = 1e18
for turn in range(6):
    start = time.process_time()
    for _ in range(count):
        cv, _, why = dkim.ARC(mail).verify(dnsfunc=lambda name, timeout=5: record)
        assert cv == b"pass", why
    used = (time.process_time() - start) / count * 1e6
    if turn:  # the first one warms up
        best = min(best, used)
print(best)
