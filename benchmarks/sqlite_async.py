"""An ASGI receiver with the default store: one transaction for all that wait, beside a thread for each call.

    python benchmarks/sqlite_async.py [--rounds 15] [--one 200] [--burst 200] [--folder DIR]

Every candidate receives signed deliveries of new events through the middleware, without a server, and takes turns with the
others in shuffled rounds. The ratio is taken inside each round, because a shared machine drifts by more than what is measured.
"threads" is the same store behind an object that passes its calls on, so that each call goes to a thread. "lag" is the longest
time that the event loop kept a task of its own waiting during a burst. Give a DIR on a real disk for ``synchronous="FULL"``.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import tempfile
import time
from pathlib import Path

from hookguard import MemoryStore, SQLiteStore, presets
from hookguard_starlette import HookGuard

SECRET = "a secret of thirty-two characters!!"
BODY = b'{"action": "opened", "text": "' + b"x" * 1900 + b'"}'
_numbers = itertools.count()


class Threads:
    """A store that passes calls on: each goes to a thread."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)


async def handler(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def receiver(store):
    return HookGuard({"github": {"secrets": [SECRET]}}, store=store).wrap(handler, "github")


def deliveries(count):
    """Signed deliveries of events that nobody has seen."""
    made = []
    for _ in range(count):
        signed = presets.GITHUB.sign(BODY, SECRET)
        headers = [(name.lower().encode(), value.encode()) for name, value in signed.headers.items()]
        headers = [(name, value) for name, value in headers if name not in (b"x-github-delivery", b"x-github-event")]
        headers += [
            (b"x-github-delivery", f"00000000-0000-4000-8000-{next(_numbers):012d}".encode()),
            (b"x-github-event", b"issues"),
            (b"content-type", b"application/json"),
        ]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "scheme": "https",
            "headers": headers,
            "client": ("192.0.2.1", 1),
            "server": ("example.com", 443),
        }
        made.append(scope)
    return made


async def deliver(app, scope):
    async def receive():
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            assert message["status"] == 204, message

    await app(scope, receive, send)


async def one_by_one(app, count):
    """CPU microseconds of this process for each delivery, one at a time."""
    waiting = deliveries(count)
    began = time.process_time()
    for scope in waiting:
        await deliver(app, scope)
    return (time.process_time() - began) / count * 1e6


async def at_once(app, count):
    """Milliseconds until all are answered, and the longest lag of the loop."""
    waiting = deliveries(count)
    lag, ends = 0.0, False

    async def tick():
        nonlocal lag
        while not ends:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            lag = max(lag, time.perf_counter() - before - 0.001)

    ticking = asyncio.ensure_future(tick())
    await asyncio.sleep(0)
    began = time.perf_counter()
    await asyncio.gather(*(deliver(app, scope) for scope in waiting))
    took = time.perf_counter() - began
    ends = True
    await ticking
    return took * 1e3, lag * 1e3


def show(title, unit, taken, floor):
    print(f"\n{title}")
    for name, values in taken.items():
        ratio = statistics.median(mine / base for mine, base in zip(values, taken[floor], strict=True))
        print(f"  {name:<28} {statistics.median(values):>9.1f} {unit}   {ratio:>5.2f}x   lowest {min(values):.1f}")


async def measure(given, folder):
    stores = {
        "threads, NORMAL": Threads(SQLiteStore(folder / "threads.db")),
        "writer, NORMAL": SQLiteStore(folder / "writer.db"),
        "threads, FULL": Threads(SQLiteStore(folder / "threads-full.db", synchronous="FULL")),
        "writer, FULL": SQLiteStore(folder / "writer-full.db", synchronous="FULL"),
        "memory": MemoryStore(10_000_000, single_process=True),
    }
    apps = {name: receiver(store) for name, store in stores.items()}
    for app in apps.values():
        await one_by_one(app, 10)
    single = {name: [] for name in apps}
    burst = {name: [] for name in apps}
    lags = {name: [] for name in apps}
    for _ in range(given.rounds):
        for name in random.sample(list(apps), len(apps)):
            single[name].append(await one_by_one(apps[name], given.one))
        for name in random.sample(list(apps), len(apps)):
            took, lag = await at_once(apps[name], given.burst)
            burst[name].append(took)
            lags[name].append(lag)
    show("one at a time, CPU a delivery", "us", single, "threads, NORMAL")
    show(f"{given.burst} concurrently, until all are answered", "ms", burst, "threads, NORMAL")
    full = statistics.median(a / b for a, b in zip(burst["writer, FULL"], burst["writer, NORMAL"], strict=True))
    print(f"  writer, FULL over NORMAL: {full:.2f}x")
    show(f"{given.burst} concurrently, the loop's longest lag", "ms", lags, "threads, NORMAL")
    for store in stores.values():
        if not isinstance(store, MemoryStore):
            store.close()


def main():
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--one", type=int, default=200, help="deliveries one after the other")
    parser.add_argument("--burst", type=int, default=200, help="deliveries that come together")
    parser.add_argument("--folder", help="where the files are; a temporary folder by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        asyncio.run(measure(given, Path(folder)))


if __name__ == "__main__":
    main()
