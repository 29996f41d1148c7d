"""Claims per second: the SQLite and memory stores beside the bare statement they cannot beat.

    python benchmarks/stores.py

SQLite, synchronous=NORMAL, in a temporary folder. The floor does what any such store must: one upsert and one update,
prepared, in autocommit, with no errors handled and no state judged. Processes start together; the rate is all
operations over the whole span, and the longest single claim is shown, because fairness is where SQLite is weak.
"""

from __future__ import annotations

import multiprocessing
import sqlite3
import tempfile
import threading
import time
from collections import OrderedDict
from pathlib import Path

from hookguard import MemoryStore, SQLiteStore, StoreKey

OPERATIONS = 6_000
TOKEN, FINGERPRINT = b"t" * 16, b"f" * 32

_UPSERT = """
INSERT INTO floor (scope, id, state, token, fingerprint, lease_until, expires_at, attempt) VALUES (?, ?, 1, ?, ?, ?, ?, 1)
ON CONFLICT (scope, id) DO NOTHING
"""
_DONE = "UPDATE floor SET state = 2, expires_at = ? WHERE scope = ? AND id = ? AND token = ?"


def bare(path: str, name: str, count: int) -> float:
    """Claim and complete with bare statements; return the longest claim in seconds."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS floor (scope TEXT, id TEXT, state INTEGER, token BLOB, fingerprint BLOB, lease_until REAL,"
        " expires_at REAL, attempt INTEGER, PRIMARY KEY (scope, id)) WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX IF NOT EXISTS floor_expiry ON floor (expires_at)")
    longest = 0.0
    for number in range(count):
        began = time.perf_counter()
        identifier = f"{name}-{number * 2654435761 % 2**32}"
        now = time.time()
        connection.execute(_UPSERT, ("s", identifier, TOKEN, FINGERPRINT, now + 60, now + 600000))
        longest = max(longest, time.perf_counter() - began)
        connection.execute(_DONE, (now + 600000, "s", identifier, TOKEN))
    return longest


def ours(path: str, name: str, count: int) -> float:
    """Claim and complete with the store; return the longest claim in seconds."""
    store = SQLiteStore(path, timeout=30)
    longest = 0.0
    for number in range(count):
        key = StoreKey("s", f"{name}-{number * 2654435761 % 2**32}")
        began = time.perf_counter()
        store.claim(key, token=TOKEN, fingerprint=FINGERPRINT, lease=60, retention=600000)
        longest = max(longest, time.perf_counter() - began)
        store.complete(key, token=TOKEN, retention=600000)
    return longest


def _worker(work, path, name, count, barrier, results):
    barrier.wait()
    began = time.time()
    longest = work(path, name, count)
    results.put((began, time.time(), longest))


def measure(work, processes: int) -> tuple[float, float]:
    """Return pairs of claim and complete per second over all processes, and the longest claim."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bench.sqlite3")
        work(path, "warm", 10)
        context = multiprocessing.get_context("spawn")
        barrier, results = context.Barrier(processes), context.Queue()
        count = OPERATIONS // processes
        workers = [
            context.Process(target=_worker, args=(work, path, f"p{number}", count, barrier, results))
            for number in range(processes)
        ]
        for worker in workers:
            worker.start()
        told = [results.get() for _ in workers]
        for worker in workers:
            worker.join()
    span = max(end for _, end, _ in told) - min(begin for begin, _, _ in told)
    return OPERATIONS / span, max(longest for _, _, longest in told)


def memory() -> None:
    """Compare the memory store's claim with an OrderedDict behind a lock."""
    count = 50_000
    lock, plain = threading.Lock(), OrderedDict()
    began = time.thread_time()
    for number in range(count):
        key = ("s", str(number))
        with lock:
            if key not in plain:
                plain[key] = (time.monotonic() + 60, TOKEN)
                if len(plain) > 100_000:
                    plain.popitem(last=False)
    floor = time.thread_time() - began
    store = MemoryStore()
    began = time.thread_time()
    for number in range(count):
        store.claim(StoreKey("s", str(number)), token=TOKEN, fingerprint=FINGERPRINT, lease=60, retention=600)
    claimed = time.thread_time() - began
    print(
        f"memory: OrderedDict + Lock {count / floor:,.0f}/s, MemoryStore.claim {count / claimed:,.0f}/s ({floor / claimed:.2f}x)"
    )


def main() -> None:
    """Print the table; floors and ours take turns."""
    memory()
    for processes in (1, 4):
        floors, rates = [], []
        for _ in range(3):
            floors.append(measure(bare, processes))
            rates.append(measure(ours, processes))
        floor, rate = sorted(floors)[1], sorted(rates)[1]
        print(
            f"SQLite, {processes} process(es): bare {floor[0]:,.0f} pairs/s (longest claim {max(f[1] for f in floors) * 1000:.0f} ms),"
            f" SQLiteStore {rate[0]:,.0f} pairs/s ({rate[0] / floor[0]:.2f}x, longest claim {max(r[1] for r in rates) * 1000:.0f} ms)"
        )


if __name__ == "__main__":
    main()
