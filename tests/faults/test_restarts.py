"""A store's server restarts again and again while events are handled, and no worker is killed: nothing is lost or doubled.

``HOOKGUARD_RESTARTS`` says how often: 3 by default, 20 for a long run.
"""

import asyncio
import os
import queue
import random
import threading
import time
from collections import Counter
from contextlib import suppress

import pytest

pytest.importorskip("redis")
pytest.importorskip("sqlalchemy")

from redis_servers import Server
from sql_servers import PostgreSQL

from hookguard import AsyncGuard, Endpoint, Guard, Verifier, presets
from hookguard.stores.redis import AsyncRedisStore, RedisStore
from hookguard.stores.sql import AsyncSQLStore, SQLStore

SECRET = "a-secret-that-is-long-enough"
RESTARTS = int(os.environ.get("HOOKGUARD_RESTARTS", "3"))
WORKERS = 8
#: Longer than a restart takes. A claim that a server made and could not report waits for its end.
LEASE = 8.0
STALLED = 60


class Redis:
    def __init__(self, folder):
        self._server = Server(folder, "--appendonly", "yes", "--appendfsync", "always")
        self.url = self._server.url
        self.close = self._server.close

    def restart(self):
        self._server.stop()  # by SIGKILL
        self._server.start()


class Postgres:
    def __init__(self, folder):
        pytest.importorskip("psycopg")
        self._server = PostgreSQL()
        self.url = self._server.url
        self.close = self._server.close

    def restart(self):
        self._server.stop()
        self._server.start()


class Provider:
    """Sends each event until it hears 2xx, and counts how often it was run."""

    def __init__(self):
        self.ran = Counter()
        self.acknowledged = set()
        self._numbers = iter(range(1_000_000))
        self._again = queue.SimpleQueue()
        self._lock = threading.Lock()
        self.ending = threading.Event()
        self.heard = time.monotonic()

    def next(self):
        """The next event; -1 if no event waits now, and None at the end."""
        with suppress(queue.Empty):
            return self._again.get_nowait()
        with self._lock:
            if not self.ending.is_set():
                return next(self._numbers)
            if len(self.acknowledged) == len(self.ran):
                return None
        assert time.monotonic() < self.heard + STALLED, "events are rejected for ever"
        return -1

    def hear(self, number, status):
        """Return how long the worker that sent it rests."""
        if 200 <= status < 300:
            self.acknowledged.add(number)
            self.heard = time.monotonic()
            return 0.0
        self._again.put(number)
        return 0.03

    def deliver(self, number):
        return presets.STRIPE.sign(b'{"id": "evt_%d"}' % number, SECRET)

    def handle(self, number):
        """Return how long the handler takes, once it has done its work."""
        with self._lock:
            self.ran[number] += 1
        return random.uniform(0.0, 0.01)


def serve(provider, store):
    """A worker for synchronous views."""
    guard = Guard(Endpoint(Verifier("stripe", SECRET), lease=LEASE), store)
    while (number := provider.next()) is not None:
        if number < 0:
            time.sleep(0.02)
            continue
        receipt = guard.open(provider.deliver(number))
        other = receipt.reply
        if other is None:
            time.sleep(provider.handle(number))
            other = guard.settle(receipt, status=204)
        time.sleep(provider.hear(number, other.status if other else 204))
    store.close()


async def serve_on_loop(provider, store):
    """Workers for asynchronous views."""
    guard = AsyncGuard(Endpoint(Verifier("stripe", SECRET), lease=LEASE), store)

    async def work():
        while (number := provider.next()) is not None:
            if number < 0:
                await asyncio.sleep(0.02)
                continue
            receipt = await guard.open(provider.deliver(number))
            other = receipt.reply
            if other is None:
                await asyncio.sleep(provider.handle(number))
                other = await guard.settle(receipt, status=204)
            await asyncio.sleep(provider.hear(number, other.status if other else 204))

    await asyncio.gather(*(work() for _ in range(WORKERS)))
    await store.close()


@pytest.mark.parametrize("kind", ["blocking", "awaited"])
@pytest.mark.parametrize("database", [Redis, Postgres], ids=["Redis", "PostgreSQL"])
def test_restarts_of_the_server_lose_nothing_and_double_nothing(database, kind, tmp_path):
    server = database(tmp_path)
    try:
        provider = Provider()
        if kind == "awaited":
            url = server.url.replace("postgresql:", "postgresql+asyncpg:")
            make = (AsyncRedisStore if database is Redis else AsyncSQLStore).from_url
            targets = [lambda: asyncio.run(serve_on_loop(provider, make(url)))]
        else:
            make = (RedisStore if database is Redis else SQLStore).from_url
            targets = [lambda: serve(provider, make(server.url))] * WORKERS
        workers = [threading.Thread(target=target) for target in targets]
        for worker in workers:
            worker.start()
        for _ in range(RESTARTS):
            before = len(provider.acknowledged)
            while len(provider.acknowledged) < before + 40:
                assert time.monotonic() < provider.heard + STALLED
                time.sleep(0.01)
            server.restart()
        provider.ending.set()
        for worker in workers:
            worker.join()
    finally:
        server.close()
    assert len(provider.acknowledged) >= 40 * RESTARTS
    assert set(provider.ran) == provider.acknowledged, "an event was lost"
    assert [number for number, times in provider.ran.items() if times > 1] == []
