"""Sends a second of a relay's worker beside those of bare httpx, to one receiver in a process of its own.

The worker takes each event from a SQLite file, signs it, sends it, and marks it as done. httpx posts the same body, unsigned, on
one event loop, as many concurrently. Rounds are interleaved, and the ratio is taken inside each.

    python benchmarks/relay.py --rounds 7 --events 2000
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
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


def relayed(url, number, size, at_once, folder):
    """Return the sends a second of one worker, from its start to its end."""
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

    def application(environ, start_response):
        raise RuntimeError

    worker = Worker(application, open_lanes(settings), at_once=at_once, drain=True)
    began = time.perf_counter()
    summary = asyncio.run(worker.run())
    taken = time.perf_counter() - began
    assert summary.outcomes == {"handled": number}, summary
    store.close()
    return number / taken


def bare(url, number, size, at_once):
    """Return the posts a second of httpx."""

    async def run():
        waiting = bodies(number, size)

        async def post(client):
            for body in waiting:
                (await client.post(url, content=body, headers={"Content-Type": "application/json"})).raise_for_status()

        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(post(client) for _ in range(at_once)))

    began = time.perf_counter()
    asyncio.run(run())
    return number / (time.perf_counter() - began)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 7), ("events", 1000), ("size", 2000), ("at-once", 8)):
        options.add_argument(f"--{name}", type=int, default=default)
    given = options.parse_args()
    found = {"relay": [], "httpx": []}
    with receiver() as url, tempfile.TemporaryDirectory() as folder:
        run = {
            "relay": lambda: relayed(url, given.events, given.size, given.at_once, folder),
            "httpx": lambda: bare(url, given.events, given.size, given.at_once),
        }
        for number in range(given.rounds):
            for name in random.sample(list(run), len(run)):
                found[name].append(run[name]())
            print(f"round {number + 1}: relay {found['relay'][-1]:7.0f}/s, httpx {found['httpx'][-1]:7.0f}/s", flush=True)
    ratio = statistics.median(relay / post for relay, post in zip(found["relay"], found["httpx"], strict=True))
    print(
        f"median: relay {statistics.median(found['relay']):.0f}/s, httpx {statistics.median(found['httpx']):.0f}/s, ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    import logging

    logging.disable(logging.CRITICAL)
    main()
