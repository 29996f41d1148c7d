"""A burst is not an outage, a demoted server is left for the new one, and a full one lets what is being handled end."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack, suppress

import pytest

pytest.importorskip("redis")

import redis
from paid_entries import LANE, SETTINGS, kept
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_servers import starting

from hookguard.config import store_from
from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.store import ClaimStatus, StoreKey
from hookguard.stores.redis import AsyncRedisStore, RedisStore, scripts

KEY = StoreKey("faults", "evt_1")
ASKED = {"fingerprint": b"f" * 32, "lease": 60.0, "retention": 60.0}
TOKEN = b"t" * 16


@pytest.fixture
def serve(tmp_path):
    with starting(tmp_path) as start:
        yield start


class Blocking:
    def __init__(self, url, **options):
        self.store = RedisStore.from_url(url, **options)

    def __getattr__(self, name):
        return getattr(self.store, name)

    def concurrently(self, calls):
        answers = []
        threads = [threading.Thread(target=lambda call=call: answers.append(call(self.store))) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def hold_a_connection(self):
        held = self.store.client.connection_pool.get_connection()
        return lambda: self.store.client.connection_pool.release(held)


class BlockingStoreAdapter:
    def __init__(self, url, **options):
        self.loop = asyncio.new_event_loop()
        self.store = AsyncRedisStore.from_url(url, **options)

    def __getattr__(self, name):
        return lambda *args, **kwargs: self.loop.run_until_complete(getattr(self.store, name)(*args, **kwargs))

    def concurrently(self, calls):
        async def all_of_them():
            return await asyncio.gather(*(call(self.store) for call in calls))

        return self.loop.run_until_complete(all_of_them())

    def hold_a_connection(self):
        pool = self.store.client.connection_pool
        held = self.loop.run_until_complete(pool.get_connection())
        return lambda: self.loop.run_until_complete(pool.release(held))

    def close(self):
        self.loop.run_until_complete(self.store.close())
        self.loop.close()


@pytest.fixture(params=[Blocking, BlockingStoreAdapter], ids=["blocking", "awaited"])
def make(request):
    with ExitStack() as stack:

        def made(url, **options):
            store = request.param(url, **options)
            stack.callback(store.close)
            return store

        yield made


def claim(number):
    return lambda store: store.claim(StoreKey("faults", f"evt_{number}"), token=TOKEN, **ASKED)


def complete(number):
    return lambda store: store.complete(StoreKey("faults", f"evt_{number}"), token=TOKEN, retention=60.0)


def test_burst_waits_for_a_connection_and_is_not_an_outage(serve, make):
    server = serve()
    store = make(server.url, pool_size=4, timeout=20.0)
    claims = store.concurrently([claim(number) for number in range(150)])
    assert {answer.status for answer in claims} == {ClaimStatus.ACQUIRED}
    assert store.concurrently([complete(number) for number in range(150)]) == [True] * 150
    assert server.ask("INFO", "clients")["connected_clients"] <= 4 + 1


def test_more_concurrent_claims_than_the_default_pool_holds(serve, make):
    store = make(serve().url, timeout=20.0)
    assert {answer.status for answer in store.concurrently([claim(number) for number in range(300)])} == {ClaimStatus.ACQUIRED}


def test_exhausted_pool_is_named_within_the_timeout(serve, make):
    store = make(serve().url, pool_size=1, timeout=0.4)
    give = store.hold_a_connection()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="all connections of the store's pool are in use.*larger pool_size"):
        store.claim(KEY, token=TOKEN, **ASKED)
    assert time.monotonic() - began < 5  # redis-py's own pool waits for 20 seconds
    give()
    assert store.claim(KEY, token=TOKEN, **ASKED).status == ClaimStatus.ACQUIRED


def test_exhausted_pool_of_a_client_of_ones_own_is_named_too(serve):
    client = redis.Redis.from_url(
        serve().url, max_connections=1, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0)
    )
    with client:
        held = client.connection_pool.get_connection()
        with pytest.raises(StoreUnavailable, match="pool are in use.*BlockingConnectionPool"):
            RedisStore(client).claim(KEY, token=TOKEN, **ASKED)
        client.connection_pool.release(held)


def test_asynchronous_pool_moves_to_another_loop_with_its_waiters(serve):
    url = serve().url
    store = AsyncRedisStore.from_url(url, pool_size=2, timeout=20.0)

    async def burst():
        await asyncio.gather(*(claim(number)(store) for number in range(20)))
        await store.close()

    for _ in range(3):
        asyncio.run(burst())


@pytest.mark.parametrize("pool_size", [0, -1, True, "many", 1.5])
def test_pool_size_is_a_number_of_connections(make, pool_size):
    with pytest.raises(ConfigurationError, match="pool_size is"):
        RedisStore.from_url("redis://127.0.0.1:1/0", pool_size=pool_size)


def test_settings_take_options_of_the_pool():
    store = store_from({"URL": "redis://127.0.0.1:1/0", "POOL_SIZE": 7, "timeout": 2.5})
    pool = store.client.connection_pool
    assert (pool.max_connections, pool.timeout) == (7, 2.5)
    assert store_from("redis://127.0.0.1:1/0").client.connection_pool.max_connections == 50
    assert store_from("redis://127.0.0.1:1/0?max_connections=9").client.connection_pool.max_connections == 9
    with pytest.raises(ConfigurationError, match="unexpected keyword argument 'pool'"):
        store_from({"url": "redis://127.0.0.1:1/0", "pool": 7})
    with pytest.raises(ConfigurationError, match="a mapping needs the store's URL"):
        store_from({"pool_size": 7})


# --- a failover


class Address:
    """Where the server is: a port of its own, whose connections go to the server that is the master when they are made."""

    def __init__(self, server):
        self.server = server
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                there = socket.create_connection(("127.0.0.1", self.server.port))
                for ends in ((client, there), (there, client)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source, target):
        with suppress(OSError):
            while read := source.recv(65536):
                target.sendall(read)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self):
        self._listening.close()


@pytest.fixture
def pair(serve):
    """A master and its replica."""
    master, replica = serve("--repl-diskless-sync-delay", "0"), serve()
    replica.ask("REPLICAOF", "127.0.0.1", str(master.port))
    deadline = time.monotonic() + 20
    while replica.ask("INFO", "replication")["master_link_status"] != "up":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return master, replica


def fail_over(master, replica, address):
    """Act as Sentinel: the replica is the master from now on, and the master its replica. No connection breaks."""
    replica.ask("REPLICAOF", "NO", "ONE")
    address.server = replica
    with redis.Redis.from_url(master.url) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", str(replica.port))


def test_demoted_server_is_left_for_the_new_one(pair, make):
    master, replica = pair
    address = Address(master)
    store = make(address.url, pool_size=4, timeout=5.0)
    assert {answer.status for answer in store.concurrently([claim(number) for number in range(20)])} == {ClaimStatus.ACQUIRED}
    master.ask("WAIT", "1", "5000")
    fail_over(master, replica, address)
    assert store.concurrently([complete(number) for number in range(20)]) == [True] * 20
    assert {answer.status for answer in store.concurrently([claim(number) for number in range(20)])} == {ClaimStatus.DONE}
    assert store.claim(StoreKey("faults", "new"), token=TOKEN, **ASKED).status == ClaimStatus.ACQUIRED
    assert store.release(StoreKey("faults", "new"), token=TOKEN)
    assert store.forget(StoreKey("faults", "new"))
    address.close()


@pytest.mark.parametrize("step", ["put", "take", "complete", "release", "extend", "give_up"])
def test_inbox_leaves_a_demoted_server_for_the_new_one(pair, make, step):
    master, replica = pair
    address = Address(master)
    first = RedisStore.from_url(master.url, timeout=5.0)
    first.inbox().put([kept(number) for number in range(3)])
    (held,) = first.inbox().take(LANE, limit=1, lease=60.0, settings=SETTINGS)
    first.close()
    store = make(address.url, timeout=5.0)
    store.claim(KEY, token=TOKEN, **ASKED)  # opens a connection to the master
    master.ask("WAIT", "1", "5000")
    fail_over(master, replica, address)
    steps = {
        "put": lambda inbox: inbox.put([kept(9)]),
        "take": lambda inbox: inbox.take(LANE, limit=1, lease=60.0, settings=SETTINGS),
        "complete": lambda inbox: inbox.complete(held.key, token=held.token, settings=SETTINGS),
        "release": lambda inbox: inbox.release(held.key, token=held.token, after=1.0, reason="no", settings=SETTINGS),
        "extend": lambda inbox: inbox.extend(held.key, token=held.token, lease=60.0),
        "give_up": lambda inbox: inbox.give_up(held.key, token=held.token, reason="no", settings=SETTINGS),
    }
    assert store.concurrently([lambda each: steps[step](each.inbox())])[0]
    address.close()


def test_server_that_stays_read_only_is_an_outage_and_not_asked_for_ever(pair, make):
    _, replica = pair
    store = make(replica.url, timeout=5.0)
    with pytest.raises(StoreUnavailable, match="READONLY|read only"):
        store.claim(KEY, token=TOKEN, **ASKED)
    with pytest.raises(StoreUnavailable, match="READONLY|readonly|read only"):
        store.complete(KEY, token=TOKEN, retention=60.0)
    assert replica.ask("INFO", "stats")["total_connections_received"] < 20


# --- a full server


@pytest.fixture
def full(serve, make):
    """A store with two claims, whose server is full."""
    server = serve()
    store = make(server.url)
    for number in range(3):
        claim(number)(store)

    def fill():
        server.ask("CONFIG", "SET", "maxmemory", "100kb")
        return store

    return fill


def what_is_being_handled_ends(store):
    with pytest.raises(StoreUnavailable, match="OutOfMemory"):
        store.claim(KEY._replace(id="another"), token=TOKEN, **ASKED)
    assert store.extend(StoreKey("faults", "evt_0"), token=TOKEN, lease=90.0)
    assert store.complete(StoreKey("faults", "evt_0"), token=TOKEN, retention=60.0, reply=b"r" * 1000)
    assert store.release(StoreKey("faults", "evt_1"), token=TOKEN)
    assert store.forget(StoreKey("faults", "evt_2"))


def test_full_server_completes_releases_and_extends_what_is_held(full):
    what_is_being_handled_ends(full())


@pytest.mark.parametrize(
    "flags",
    ["#!lua flags=allow-nothing-of-the-kind\n", "#!flags=allow-oom\n", " #!lua flags=allow-oom\n"],
    ids=["flag", "engine", "Lua"],
)
def test_server_that_does_not_know_the_flag_gets_scripts_without_it(serve, make, monkeypatch, flags):
    """As one before Redis 7, whose Lua does not take the first line for code."""
    for name in ("complete", "release", "extend"):
        monkeypatch.setattr(scripts, f"_{name.upper()}", scripts.script(name, flags=flags))
    server = serve()
    store = make(server.url)
    for number in range(3):
        claim(number)(store)
    assert store.extend(StoreKey("faults", "evt_0"), token=TOKEN, lease=90.0)
    assert store.complete(StoreKey("faults", "evt_0"), token=TOKEN, retention=60.0)
    asked = server.ask("INFO", "stats")["total_commands_processed"]
    for _ in range(10):
        store.complete(StoreKey("faults", "evt_0"), token=TOKEN, retention=60.0)
    most = 10 * 4  # evalsha, TIME, HMGET, and what the connection says
    assert server.ask("INFO", "stats")["total_commands_processed"] - asked <= most, "each call asks for the flag again"
    assert store.release(StoreKey("faults", "evt_1"), token=TOKEN)
