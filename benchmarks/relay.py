"""Sends a second of a relay's worker beside those of bare httpx, to one receiver in a process of its own.

- ``relay``: the worker takes each event from a SQLite file, signs it, sends it, and marks it as done, with two commits on the disk.
- ``signed``: the same events are opened, signed and sent by the relay, without a worker and a file.
- ``posted``: the same bodies are posted, unsigned, by the relay's connection.
- ``httpx``: the same bodies are posted, unsigned, by httpx.

Each runs on one event loop, as many concurrently. Rounds are interleaved, and each ratio is taken inside a round. The CPU time is
the whole process's, of all threads.

    python benchmarks/relay.py --rounds 7 --events 2000
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

from hookguard import Guard, presets
from hookguard.config import Settings
from hookguard.inbox.contract import Lane
from hookguard.inbox.kept import event_again
from hookguard.inbox.settings import InboxSettings
from hookguard.networks import Networks
from hookguard.relay.shipping import Shipping
from hookguard.sender.connection import Connection, Reach, read_url
from hookguard.stores import SQLiteStore
from hookguard.work.lanes import open_lanes
from hookguard.work.worker import Worker

PROVIDERS = "a-secret-that-is-long-enough"
SECRET = "whsec_" + base64.b64encode(b"a-key-of-the-relay-in-this-run").decode()
RECEIVER = """
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})

import sys, uvicorn
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", access_log=False, lifespan="off")
"""


@contextmanager
def receiver():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", RECEIVER, str(port)])
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/hooks"
    finally:
        process.terminate()
        process.wait()


def bodies(number, size):
    for each in range(number):
        yield json.dumps({"id": f"evt_{each}", "type": "invoice.paid", "filler": "x" * size}).encode()


def timed(steps, number):
    """Run a coroutine; return how many a second that were, and the microseconds of CPU time for each."""
    began, cpu = time.perf_counter(), time.process_time()
    asyncio.run(steps)
    return number / (time.perf_counter() - began), (time.process_time() - cpu) / number * 1e6


@contextmanager
def stored(url, number, size, folder):
    """Store the events; yield the settings and the store."""
    target = {"url": url, "secrets": [SECRET], "allow_http": True, "allow_networks": ["127.0.0.0/8"]}
    store = SQLiteStore(Path(folder) / f"{time.monotonic_ns()}.sqlite3")
    settings = Settings(
        {"endpoints": {"stripe": {"secrets": [PROVIDERS], "relay": {"targets": {"target": target}}}}},
        where="HOOKGUARD",
        default_store=lambda: store,
    )
    guard = Guard(settings.endpoint("stripe"), store)
    for body in bodies(number, size):
        guard.run(presets.STRIPE.sign(body, PROVIDERS), lambda event: None)
    yield settings, store
    store.close()


def relayed(url, number, size, at_once, folder):
    """Measure one worker, from its start to its end."""

    def application(environ, start_response):
        raise RuntimeError

    with stored(url, number, size, folder) as (settings, _):
        worker = Worker(application, open_lanes(settings), at_once=at_once, drain=True)
        found = timed(worker.run(), number)
        assert worker.summary.outcomes == {"handled": number}, worker.summary
        return found


def signed(url, number, size, at_once, folder):
    """Measure the relay without a worker and without an inbox: the entries are in memory."""
    with stored(url, number, size, folder) as (settings, store):
        endpoint = settings.endpoint("stripe")
        taken = store.inbox().take(Lane("stripe", "target"), limit=number, lease=600, settings=InboxSettings())
        assert len(taken) == number
        waiting, shipping = iter(taken), Shipping("stripe", endpoint.preset, endpoint.relay)

        async def ship():
            for held in waiting:
                assert (await shipping.ship(event_again(held, endpoint.preset), held)).result == "sent"

        async def run():
            async with shipping.opened():
                await asyncio.gather(*(ship() for _ in range(at_once)))

        return timed(run(), number)


def posted(url, number, size, at_once, _):
    """Measure the connection of the relay alone."""
    reach = Reach(allow_http=True, allow_networks=Networks(["127.0.0.0/8"]))
    waiting = bodies(number, size)

    async def post(connection):
        for body in waiting:
            assert (await connection.post(body, {"Content-Type": "application/json"})).status == 200

    async def run():
        connection = Connection(read_url(url, reach), reach)
        await asyncio.gather(*(post(connection) for _ in range(at_once)))
        await connection.aclose()

    return timed(run(), number)


def bare(url, number, size, at_once, _):
    """Measure httpx."""
    waiting = bodies(number, size)

    async def post(client):
        for body in waiting:
            (await client.post(url, content=body, headers={"Content-Type": "application/json"})).raise_for_status()

    async def run():
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(post(client) for _ in range(at_once)))

    return timed(run(), number)


ROWS = {"relay": relayed, "signed": signed, "posted": posted, "httpx": bare}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 7), ("events", 1000), ("size", 2000), ("at-once", 8)):
        options.add_argument(f"--{name}", type=int, default=default)
    given = options.parse_args()
    found = {name: [] for name in ROWS}
    with receiver() as url, tempfile.TemporaryDirectory() as folder:
        for number in range(given.rounds):
            for name in random.sample(list(ROWS), len(ROWS)):
                found[name].append(ROWS[name](url, given.events, given.size, given.at_once, folder))
            shown = ", ".join(f"{name} {times[-1][0]:.0f}/s" for name, times in found.items())
            print(f"round {number + 1}: {shown}", flush=True)
    print("        sends/s   : httpx   CPU us   : httpx")
    for name, times in found.items():
        rate, cpu = (statistics.median(each) for each in zip(*times, strict=True))
        faster = statistics.median(one[0] / other[0] for one, other in zip(times, found["httpx"], strict=True))
        dearer = statistics.median(one[1] / other[1] for one, other in zip(times, found["httpx"], strict=True))
        print(f"{name:6} {rate:8.0f}   {faster:7.2f}  {cpu:7.0f}   {dearer:7.2f}")


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    main()
