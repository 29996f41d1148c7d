"""Eight processes of eight threads race for the same 2,000 ids on one file: exactly one winner each."""

import subprocess
import sys
from collections import Counter

PROCESSES, THREADS, IDS = 8, 8, 2_000

_RACER = """
import sys, threading, time
from hookguard import ClaimStatus, SQLiteStore, StoreKey

path, me, threads, ids, start = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
store = SQLiteStore(path, timeout=60)
won = [[] for _ in range(threads)]

def race(number):
    token = bytes([me, number]) * 8
    while time.time() < start:
        time.sleep(0.001)
    for index in range(ids):
        claim = store.claim(StoreKey("s", str(index)), token=token, fingerprint=b"f" * 32, lease=600, retention=600)
        if claim.status == ClaimStatus.ACQUIRED:
            won[number].append(index)

racing = [threading.Thread(target=race, args=(number,)) for number in range(threads)]
for thread in racing: thread.start()
for thread in racing: thread.join()
print(" ".join(str(index) for mine in won for index in mine))
store.close()
"""


def test_each_event_has_exactly_one_winner(tmp_path):
    import time

    start = time.time() + 3
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(tmp_path / "claims.sqlite3"), str(me), str(THREADS), str(IDS), str(start)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for me in range(PROCESSES)
    ]
    winners = Counter()
    racing = 0
    for racer in racers:
        out, err = racer.communicate(timeout=300)
        assert racer.returncode == 0, err
        winners.update(out.split())
        racing += bool(out.split())
    assert len(winners) == IDS
    assert set(winners.values()) == {1}
    assert racing > 1, "one process won everything, so nothing was raced for"
