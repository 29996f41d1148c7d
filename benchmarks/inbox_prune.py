"""How long storing an event takes while a worker prunes 60,000 entries with their bodies: ``python benchmarks/inbox_prune.py``.

Prints the p50, the p99 and the longest put without pruning, while a worker prunes in its batches, and in larger ones.
SQLite commits with synchronous=FULL; PostgreSQL is left out where none answers.
"""

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from inbox import LANE, blocking_stores, events
from rounds import times_during

from hookguard.inbox.settings import InboxSettings
from hookguard.work.worker import PRUNED

#: Threads that give entries up together, so that they share commits.
THREADS = 16
#: Dead entries keep their bodies, and these for a second only.
SETTINGS = InboxSettings(keep_dead=1.0)


def fill(inbox, number):
    """Store and take events and give them up, and wait until they may be pruned."""
    left = number
    with ThreadPoolExecutor(THREADS) as pool:
        while left > 0:
            inbox.put(events(min(left, 500)))
            held = inbox.take(LANE, limit=500, lease=600, settings=SETTINGS)
            assert all(pool.map(lambda one: inbox.give_up(one.key, token=one.token, reason="", settings=SETTINGS), held))
            left -= len(held)
    time.sleep(SETTINGS.keep_dead + 0.5)


def puts_during(inbox, work):
    """The durations of puts in milliseconds while ``work`` runs, and how long that took in seconds."""

    def put(_number):
        stored = events(1)
        return lambda: inbox.put(stored)

    return times_during(put, work)


def show(name, took, seconds):
    took.sort()
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    print(
        f"{name:40} {seconds:6.2f} s {len(took):7} puts  p50 {p50:6.2f} ms  p99 {p99:7.2f} ms  longest {took[-1]:8.2f} ms",
        flush=True,
    )


def main():
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--entries", type=int, default=60_000)
    number = asked.parse_args().entries
    with blocking_stores() as stores:
        for name, store in stores.items():
            inbox = store.inbox()
            show(f"{name}, at rest", *puts_during(inbox, lambda: time.sleep(3)))
            for limit in (PRUNED, 10_000):
                fill(inbox, number)
                pruned = 0

                def prune(inbox=inbox, limit=limit):
                    nonlocal pruned
                    while done := inbox.prune(limit=limit):
                        pruned += done

                took = puts_during(inbox, prune)
                assert pruned >= number, pruned
                show(f"{name}, {number:,} in batches of {limit:,}", *took)


if __name__ == "__main__":
    main()
