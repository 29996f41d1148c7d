"""How long the memory store stops the process: the garbage collector's walks, and purges.

    python benchmarks/stops.py [100000 1000000]

The store is filled with that many live ids, and then claims and completes go on while the collector runs as it pleases. The
longest claim is what a sender would notice; it is CPU time, so that another process does not count. Beside it: the longest run of
the collector, and the longest claim (wall-clock time) while another thread calls `purge`, which deletes every id. A dict of ids
behind a lock, which never forgets, is the floor.
"""

import gc
import itertools
import sys
import threading
import time

from hookguard import MemoryStore, StoreKey

CLAIMS = 100_000


class Collector:
    """The longest run of the garbage collector."""

    def __init__(self):
        self.longest = 0.0

    def __call__(self, phase, info):
        now = time.thread_time()
        if phase == "start":
            self.began = now
        else:
            self.longest = max(self.longest, now - self.began)


def by_hand():
    """Return a claim in a dict behind a lock."""
    seen, lock = {}, threading.Lock()

    def claim(number):
        with lock:
            seen[f"evt_{number}"] = b"%032d" % number

    return claim


def ours(store):
    """Return a claim and its completion in a store."""

    def claim(number):
        key, token = StoreKey("github/github", f"evt_{number}"), b"%016d" % number
        store.claim(key, token=token, fingerprint=b"%032d" % number, lease=60, retention=3600)
        store.complete(key, token=token, retention=3600)

    return claim


def longest_of(claim, numbers, clock=time.thread_time):
    """Return the seconds of the longest claim."""
    longest = 0.0
    for number in numbers:
        began = clock()
        claim(number)
        longest = max(longest, clock() - began)
    return longest


def while_purging(store, claim, number):
    """Return the seconds of the longest claim while another thread deletes every id."""
    purging = threading.Thread(target=lambda: store.purge(limit=10**9))
    longest = 0.0
    purging.start()
    while purging.is_alive():
        longest = max(longest, longest_of(claim, [next(number)], time.perf_counter))
    purging.join()
    return longest


def main():
    """Measure each size, and print."""
    collector = Collector()
    gc.callbacks.append(collector)
    print(f"\n{'ms':<44}{'longest claim':>16}{'collector':>12}{'while purging':>16}")
    for size in map(int, sys.argv[1:] or ("1000", "100000", "1000000")):
        now = [0.0]
        store = MemoryStore(10**9, clock=lambda: now[0])  # noqa: B023 - used up within the round
        for name, claim in (("a dict of ids, by hand", by_hand()), ("MemoryStore", ours(store))):
            number = itertools.count()
            for _ in range(size):
                claim(next(number))
            collector.longest = 0.0
            longest = longest_of(claim, itertools.islice(number, CLAIMS))
            collected = collector.longest
            purge = "-"
            if name == "MemoryStore":
                now[0] = 1e6  # every id has expired
                purge = f"{while_purging(store, claim, number) * 1e3:.1f}"
            print(f"  {name}, {size} ids".ljust(44) + f"{longest * 1e3:>16.1f}{collected * 1e3:>12.1f}{purge:>16}")


if __name__ == "__main__":
    main()
