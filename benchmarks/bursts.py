"""Many concurrent deliveries: how long a burst takes, how long its slowest delivery waits, and how long the event loop stands still.

    python benchmarks/bursts.py [--rounds 11] [--deliveries 200]

Starlette in this process, a middleware before the route, every delivery another event, all of them started together. Wall-clock
time, because that is what a sender waits for. The second row is what code without a library does: the check and one INSERT,
on the event loop, which it blocks. A store is new for each row and kept over its rounds.
"""

import argparse
import asyncio
import logging
import random
import sqlite3
import statistics
import tempfile
import time
import uuid
import warnings
from pathlib import Path

from gateways import SECRET, encoded, genuine, request, sign

from hookguard import MemoryStore, SQLiteStore
from hookguard_starlette import HookGuard


def guarded(store, **settings):
    """Return an application whose route is guarded."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def plain(request):
        return Response(status_code=204)

    hooks = HookGuard({"github": {"secrets": [SECRET], **settings}}, store=store)
    return Starlette(routes=[Route("/hook", plain, methods=["POST"], middleware=[hooks.middleware("github")])])


def by_hand(folder):
    """Return an application with the check and one INSERT in its view."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    connection = sqlite3.connect(Path(folder, "by-hand.sqlite3"), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")

    async def hook(request):
        if not genuine(await request.body(), request.headers.get("x-hub-signature-256")):
            return Response(status_code=401)
        came = request.headers["x-github-delivery"]
        new = connection.execute("INSERT INTO seen VALUES (?) ON CONFLICT DO NOTHING", (came,)).rowcount
        return Response(status_code=204 if new else 200)

    return Starlette(routes=[Route("/hook", hook, methods=["POST"])])


async def burst(app, deliveries):
    """Return the seconds of the whole burst and of each delivery, and the longest time that the event loop stood still."""
    headers = [encoded(sign(uuid.uuid4().hex)) for _ in range(deliveries)]
    slowest_tick, waits = 0.0, []

    async def tick():
        nonlocal slowest_tick
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            slowest_tick = max(slowest_tick, time.perf_counter() - began - 0.001)

    async def one(head):
        assert await request(app, headers=head) in (200, 204)
        waits.append(time.perf_counter() - began)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.005)
    slowest_tick, began = 0.0, time.perf_counter()
    await asyncio.gather(*map(one, headers))
    whole = time.perf_counter() - began
    await asyncio.sleep(0.002)
    ticking.cancel()
    return whole, statistics.quantiles(waits, n=100)[98], slowest_tick


async def measure(apps, rounds, deliveries):
    """Return the medians of each row, in milliseconds."""
    taken = {name: [] for name in apps}
    for number in range(rounds + 1):
        for name in random.sample(list(apps), len(apps)):
            found = await burst(apps[name], deliveries)
            if number:  # the first round makes tables and threads
                taken[name].append(found)
    return {name: [statistics.median(column) * 1e3 for column in zip(*found, strict=True)] for name, found in taken.items()}


def main():
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=11)
    arguments.add_argument("--deliveries", type=int, default=200)
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("hookguard").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        apps = {
            "guarded, memory": guarded(MemoryStore()),
            "the check and one INSERT on the loop, by hand": by_hand(folder),
            "guarded, SQLite, synchronous=NORMAL": guarded(SQLiteStore(Path(folder, "normal.sqlite3"))),
            "guarded, SQLite, synchronous=FULL": guarded(SQLiteStore(Path(folder, "full.sqlite3"), synchronous="FULL")),
        }
        print(f"\n{given.deliveries} concurrent deliveries: ms of the burst, p99 of a delivery, longest stop of the event loop")
        for name, (whole, p99, stop) in asyncio.run(measure(apps, given.rounds, given.deliveries)).items():
            print(f"  {name:<58} {whole:>8.1f} {p99:>8.1f} {stop:>8.1f}")


if __name__ == "__main__":
    main()
