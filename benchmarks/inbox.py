"""The inbox: how fast events are accepted, stored, taken and completed, and what a worker costs that has nothing to do.

    python benchmarks/inbox.py [NAME…] [--rounds 11] [--deliveries 200] [--events 5000] [--waiting 100000]

NAME is accept, put, work, settle, take, lag, idle or call (all by default). The server is that of the tests: PostgreSQL on loopback, or
where HOOKGUARD_TEST_POSTGRESQL says; without one its rows are left out. Inboxes on SQLite commit with synchronous=FULL. Times are
wall-clock times, because a commit waits for the disk; those of ``call`` and ``idle`` are CPU times.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sqlite3
import statistics
import tempfile
import time
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bursts import guarded, measure
from gateways import BATCH, BODY, SECRET, asgi, encoded, sign
from rounds import compare, show
from stores import POSTGRESQL, TABLE

from hookguard import Headers, SQLiteStore, StoreKey, presets
from hookguard.inbox.contract import Kept, Lane
from hookguard.inbox.kept import Keeper
from hookguard.inbox.settings import InboxSettings
from hookguard.verifier import Verifier
from hookguard.work.asgi import call_asgi
from hookguard.work.calling import Call
from hookguard.work.worker import Worker
from hookguard_starlette import HookGuard

SETTINGS = InboxSettings()
LANE = Lane("github")


def application(store, observers=()):
    """Return an application without a framework, and its HookGuard."""
    hooks = HookGuard({"github": {"secrets": [SECRET], "inbox": True}}, store=store, observers=observers)

    async def answer(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return hooks.wrap(answer, "github"), hooks


def events(number, keeper=None):
    """Return this many events, each another one, in the form that an inbox stores."""
    keeper = keeper or Keeper(endpoint="github", preset=presets.GITHUB, settings=SETTINGS, retention=86_400.0)
    event = Verifier("github", SECRET).verify(presets.GITHUB.sign(BODY, SECRET, id="d-1", type="push"))
    kept = keeper.keep(event, StoreKey("bench", "first"))
    names = [name for name in Kept.__dataclass_fields__ if name != "key"]
    facts = {name: getattr(kept, name) for name in names}
    return [Kept(key=StoreKey("bench", f"{time.time_ns()}-{index}"), **facts) for index in range(number)]


@contextmanager
def postgresql():
    """Give a store with empty tables; None without a server."""
    import psycopg

    try:
        with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
            drop(connection)
    except psycopg.OperationalError:
        yield None
        return
    from hookguard.stores.sql import SQLStore

    store = SQLStore.from_url(f"postgresql+psycopg://{POSTGRESQL.split('://', 1)[1]}", table=TABLE, timeout=60)
    store.create_table()
    yield store
    store.close()
    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        drop(connection)


def drop(connection):
    for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE %s", (f"{TABLE}%",)).fetchall():
        connection.execute(f"DROP TABLE {name}")


@contextmanager
def blocking_stores():
    """Give a new store on SQLite and one on PostgreSQL, by name."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        local = SQLiteStore(Path(folder, "inbox.sqlite3"))
        yield {"SQLite": local, **({"PostgreSQL": server} if server else {})}
        local.close()


# --- what is measured -----------------------------------------------------------------------------------------------


def accept(given):
    """Deliveries answered a second, a whole burst sent together."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        direct, inbox = SQLiteStore(Path(folder, "direct.sqlite3")), SQLiteStore(Path(folder, "inbox.sqlite3"))
        apps = {"direct, SQLite, synchronous=NORMAL": guarded(direct), "inbox, SQLite": guarded(inbox, inbox=True)}
        if server:
            apps["inbox, PostgreSQL, psycopg in threads"] = guarded(server, inbox=True)
        print(f"\n{given.deliveries} concurrent deliveries: deliveries answered a second, ms until the p99 is answered")
        found = asyncio.run(measure(apps, given.rounds, given.deliveries))
        floor = next(iter(found.values()))
        for name, (whole, p99, _) in found.items():
            print(
                f"  {name:<50} {given.deliveries / whole * 1e3:>8.0f} {floor[0] / whole:>6.2f}x {p99:>8.1f} {p99 / floor[1]:>6.2f}x"
            )
        direct.close()
        inbox.close()


def put(given):
    """An event stored, beside a bare insert of the same row on the same driver, one and fifty in a transaction."""
    with blocking_stores() as stores:
        for name, store in stores.items():
            inbox = store.inbox()
            for batch in (1, 50):
                insert, close = bare_insert(name, store, inbox)
                taken = {"a bare insert": [], "put": []}
                for number in range(given.rounds * 4):
                    for row, call in random.sample([("a bare insert", insert), ("put", inbox.put)], 2):
                        kept = events(batch)
                        began = time.perf_counter()
                        call(kept)
                        if number:
                            taken[row].append((time.perf_counter() - began) / batch * 1e6)
                close()
                floor = statistics.median(taken["a bare insert"])
                print(f"\n{name}, {batch} in a transaction: microseconds an event")
                for row, times in taken.items():
                    print(f"  {row:<50} {statistics.median(times):>10.1f} {statistics.median(times) / floor:>6.2f}x")


def bare_insert(name, store, inbox):
    """Return a call that inserts the row of each event among the entries, and nothing else; and what closes its connection."""
    inbox.put(events(1))
    if name == "SQLite":
        connection = sqlite3.connect(store.path, isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        tables = [table for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        mark = "?"
    else:
        import psycopg

        connection = psycopg.connect(POSTGRESQL, autocommit=True)
        tables = [t for (t,) in connection.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE %s", (f"{TABLE}%",))]
        mark = "%s"
    table = next(table for table in tables if columns_of(connection, table).count("body"))
    columns = [column for column in columns_of(connection, table) if column != "seq"]
    row = dict(zip(columns, connection.execute(f"SELECT {', '.join(columns)} FROM {table} LIMIT 1").fetchone(), strict=True))
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"

    def insert(kept):
        connection.execute("BEGIN")
        for each in kept:
            connection.execute(statement, tuple({**row, "id": each.key.idempotency_key}.values()))
        connection.execute("COMMIT")

    return insert, connection.close


def columns_of(connection, table):
    return [column[0] for column in connection.execute(f"SELECT * FROM {table} LIMIT 0").description]


def work(given):
    """Events that one worker takes and completes a second; the handler does nothing."""
    print("\none worker, a handler that does nothing: events a second")
    with blocking_stores() as stores:
        for name, store in stores.items():
            app, hooks = application(store)
            fill(store.inbox(), given.events)

            async def drain(app=app, hooks=hooks):
                return await Worker(app, hooks.open_lanes(app), at_once=64, drain=True).run()

            began, cpu = time.perf_counter(), time.process_time()
            summary = asyncio.run(drain())
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            assert summary.outcomes["handled"] == given.events, summary
            print(f"  {name:<50} {given.events / seconds:>10.0f} {cpu / given.events * 1e6:>8.0f} us of CPU time each")


def settle(given):
    """Entries that one process takes and completes a second, 64 at a time, as a worker does: without an application."""
    print("\ntaken and completed, without an application: entries a second")
    with blocking_stores() as stores:
        for name, store in stores.items():
            app, hooks = application(store)
            fill(store.inbox(), given.events)

            async def drain(app=app, hooks=hooks):
                (lane,) = hooks.open_lanes(app)
                while held := await lane.take(64, 60.0):
                    calls = (partial(complete, each) for each in held)
                    assert all(await asyncio.gather(*map(lane.call, calls)))

            began, cpu = time.perf_counter(), time.process_time()
            asyncio.run(drain())
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            print(f"  {name:<50} {given.events / seconds:>10.0f} {cpu / given.events * 1e6:>8.0f} us of CPU time each")


def complete(held, inbox):
    return inbox.complete(held.key, token=held.token, settings=SETTINGS)


def fill(inbox, number):
    for first in range(0, number, 500):
        inbox.put(events(min(500, number - first)))


def take(given):
    """One entry taken and returned while few and many wait."""
    with blocking_stores() as stores:
        for name, store in stores.items():
            inbox, found = store.inbox(), {}
            waiting = 0
            for size in (1000, given.waiting):
                fill(inbox, size - waiting)
                waiting = size
                times = []
                for _ in range(given.rounds * 10):
                    began = time.perf_counter()
                    (held,) = inbox.take(LANE, limit=1, lease=60.0, settings=SETTINGS)
                    times.append(time.perf_counter() - began)
                    inbox.give_back(held.key, token=held.token)
                found[size] = statistics.median(times)
            print(f"\n{name}: one entry is taken, ms")
            for size, seconds in found.items():
                print(f"  {size:>7} wait {seconds * 1e3:>52.2f} {seconds / found[1000]:>6.2f}x")


def lag(given):
    """Milliseconds from the answer to the start of the handler, while a worker has nothing else to do."""
    print("\nanswer to start of handler, idle, ms: p50, p95")
    with blocking_stores() as stores:
        for name, store in stores.items():
            lags, web = [], SQLiteStore(store.path) if name == "SQLite" else store  # the web process has a connection of its own
            app, hooks = application(store, observers=[lambda outcome, lags=lags: lags.append(outcome.lag)])

            async def deliver(app=app, hooks=hooks, web=web):
                worker = Worker(app, hooks.open_lanes(app))
                running = asyncio.create_task(worker.run())
                for _ in range(given.rounds * 3):
                    await asyncio.sleep(0.1 + random.random() / 5)
                    await asyncio.to_thread(web.inbox().put, events(1))
                await asyncio.sleep(1.5)
                worker.stop()
                await running

            asyncio.run(deliver())
            found = sorted(lag * 1e3 for lag in lags if lag is not None)
            print(f"  {name:<50} {statistics.median(found):>8.1f} {found[int(len(found) * 0.95)]:>8.1f}")


def idle(given):
    """The share of a core that a worker takes while nothing is due."""
    print("\na worker while nothing is due: per cent of a core")
    with blocking_stores() as stores:
        for name, store in stores.items():
            app, hooks = application(store)

            async def wait(app=app, hooks=hooks):
                worker = Worker(app, hooks.open_lanes(app))
                running = asyncio.create_task(worker.run())
                await asyncio.sleep(1)
                began, cpu = time.perf_counter(), time.process_time()
                await asyncio.sleep(given.rounds)
                share = (time.process_time() - cpu) / (time.perf_counter() - began)
                worker.stop()
                await running
                return share

            print(f"  {name:<50} {asyncio.run(wait()) * 100:>8.2f}")


def call(given):
    """The worker's call of an application, beside a server's call of it."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def plain(request):
        await request.body()
        return Response(status_code=204)

    app = Starlette(routes=[Route("/hook", plain, methods=["POST"])])
    loop = asyncio.new_event_loop()
    request = Call("POST", "/hook", "localhost", Headers(encoded_again()), BODY, "http", "127.0.0.1")

    async def batch():
        for _ in range(BATCH):
            assert (await call_asgi(app, request)).status == 204

    show(
        f"{BATCH} calls of a Starlette application",
        compare(
            {"by its server": asgi(app, loop), "by the worker": lambda: loop.run_until_complete(batch())}, rounds=given.rounds * 2
        ),
    )
    loop.close()


def encoded_again():
    return [(name.decode(), value.decode()) for name, value in encoded(sign())]


MEASURES = {"accept": accept, "put": put, "work": work, "settle": settle, "take": take, "lag": lag, "idle": idle, "call": call}


def main():
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("names", nargs="*", choices=[*MEASURES, []], metavar="NAME")
    arguments.add_argument("--rounds", type=int, default=11)
    arguments.add_argument("--deliveries", type=int, default=200)
    arguments.add_argument("--events", type=int, default=5000)
    arguments.add_argument("--waiting", type=int, default=100_000)
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("hookguard").setLevel(logging.CRITICAL)
    for name in given.names or MEASURES:
        MEASURES[name](given)


if __name__ == "__main__":
    main()
