"""How long the memory store stops the process: ``python benchmarks/memory.py [EVENTS ...]``.

For each number of stored events: the longest collection by the garbage collector, the longest claim in CPU time (a table that
grows or is swept), and the median claim against one among 1,000 events. The last row is a purge of everything, and the longest
claim of another thread meanwhile.
"""

from __future__ import annotations

import gc
import secrets
import statistics
import sys
import threading
import time

from hookguard import MemoryStore, StoreKey

LEASE, RETENTION = 60.0, 604_800.0


class Collections:
    """Milliseconds of CPU time of the longest collection since the last reset."""

    def __init__(self) -> None:
        self.longest = 0.0
        gc.callbacks.append(self)

    def __call__(self, phase: str, info: dict) -> None:
        if phase == "start":
            self.began = time.thread_time()
        else:
            self.longest = max(self.longest, (time.thread_time() - self.began) * 1000)


def claim(store: MemoryStore, name: str) -> float:
    """Claim and complete a new event; return the microseconds of CPU time of the claim."""
    key, token = StoreKey("stripe/stripe", name), secrets.token_bytes(16)
    began = time.thread_time()
    store.claim(key, token=token, fingerprint=b"f" * 32, lease=LEASE, retention=RETENTION)
    taken = time.thread_time() - began
    store.complete(key, token=token, retention=RETENTION)
    return taken * 1e6


def filled(size: int) -> MemoryStore:
    """A store with that many events."""
    store = MemoryStore(4 * size, single_process=True)
    for number in range(size):
        claim(store, f"old-{number}")
    return store


def against_few(store: MemoryStore, size: int) -> tuple[float, float]:
    """The median claim in microseconds, and its ratio to a claim among 1,000 events; the two stores take turns."""
    many, few = [], []
    for batch in range(20):
        small = filled(1_000)
        for number in range(1_000):
            many.append(claim(store, f"new-{size}-{batch}-{number}"))
            few.append(claim(small, f"new-{number}"))
    return statistics.median(many), statistics.median(many) / statistics.median(few)


def longest_wait(store: MemoryStore, work) -> float:
    """Milliseconds of the longest claim of another thread during ``work``."""
    taken, over = [0.0], threading.Event()

    def others() -> None:
        number = 0
        while not over.is_set():
            number += 1
            began = time.perf_counter()
            claim(store, f"other-{number}")
            taken.append((time.perf_counter() - began) * 1000)

    thread = threading.Thread(target=others)
    thread.start()
    work()
    over.set()
    thread.join()
    return max(taken)


def main() -> None:
    """Print a row for each size."""
    sizes = [int(size) for size in sys.argv[1:]] or [1_000, 100_000, 1_000_000]
    gc.freeze()  # the collector does not walk modules and classes, only what is made from here on
    collections = Collections()
    now = [0.0]
    store = MemoryStore(2 * max(sizes), single_process=True, clock=lambda: now[0])
    stored = 0
    print(f"{'events':>10} {'longest collection':>19} {'longest claim':>14} {'claim p50':>10} {'against 1,000':>14}")
    for size in sizes:
        collections.longest, filling = 0.0, 0.0
        while stored < size:
            filling = max(filling, claim(store, f"evt_{stored * 2654435761 % 2**32:08x}{stored}"))
            stored += 1
        gc.collect()
        longest = collections.longest
        middle, ratio = against_few(store, size)
        print(f"{size:>10,} {longest:>16.2f} ms {filling / 1000:>11.2f} ms {middle:>7.2f} us {ratio:>13.2f}x", flush=True)
    now[0] = 2 * RETENTION
    began = time.perf_counter()
    wait = longest_wait(store, lambda: store.purge(limit=10 * max(sizes)))
    print(f"purge of everything: {(time.perf_counter() - began) * 1000:.0f} ms, longest claim meanwhile {wait:.1f} ms")


if __name__ == "__main__":
    main()
