"""The Redis stores under the contract, on a real server."""

import asyncio
import os
import traceback
from contextlib import contextmanager

import pytest
import servers

pytest.importorskip("redis")
servers.needs("Redis")

import redis
import redis.asyncio
from loops import Loop
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from hookguard import AsyncGuard, Guard, Verifier, presets
from hookguard.config import store_from
from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.store import StoreKey
from hookguard.stores.redis import AsyncRedisStore, RedisStore
from hookguard.stores.redis.scripts import Calls
from hookguard.testing import StoreContract

NOWHERE = "redis://127.0.0.1:1/0"
SECRET = "a-secret-that-is-long-enough"


def fresh(prefix):
    """Forget what an earlier case left; other runs of the tests may be at the same server."""
    prefix = f"{prefix}-{os.getpid()}"
    with redis.Redis.from_url(servers.REDIS) as client:
        for name in client.scan_iter(match=f"{prefix}:*"):
            client.delete(name)
    return prefix


class TestRedisStore(StoreContract):
    purges = False

    @pytest.fixture(autouse=True)
    def _closed(self):
        yield
        self.store.close()

    def make_store(self, clock):
        return RedisStore.from_url(servers.REDIS, timeout=20.0, prefix=fresh("contract"), clock=clock)

    @contextmanager
    def outage(self):
        reached, self.store.client = self.store.client, RedisStore.from_url(NOWHERE).client
        yield
        self.store.client = reached


class TestAsyncRedisStore(StoreContract):
    purges = False

    @classmethod
    def setup_class(cls):
        cls.loop = Loop()

    @classmethod
    def teardown_class(cls):
        cls.loop.close()

    @pytest.fixture(autouse=True)
    def _closed(self):
        yield
        self.do(self.store.close())

    def make_store(self, clock):
        return AsyncRedisStore.from_url(servers.REDIS, timeout=20.0, prefix=fresh("awaited"), clock=clock)

    @contextmanager
    def outage(self):
        reached, self.store.client = self.store.client, AsyncRedisStore.from_url(NOWHERE).client
        yield
        self.store.client = reached

    def do(self, result):
        return self.loop.run(result)


def delivery(number):
    return presets.STRIPE.sign(b'{"id": "evt_%d"}' % number, SECRET)


def test_the_server_checks_the_lease_without_a_test_s_clock():
    store = RedisStore.from_url(servers.REDIS, timeout=20.0, prefix=fresh("lease"))
    key, asked = StoreKey("a", "1"), {"fingerprint": b"f" * 32, "retention": 60.0}
    store.claim(key, token=b"a" * 16, lease=60, **asked)
    held = store.claim(key, token=b"b" * 16, lease=60, **asked)
    assert 59 < held.retry_after <= 60
    seconds = store.client.pttl(store._calls.key(key)) / 1000
    assert 119 < seconds <= 120  # a claim is remembered for its lease and its retention
    store.complete(key, token=b"a" * 16, retention=30)
    assert 29 < store.client.pttl(store._calls.key(key)) / 1000 <= 30
    store.close()


def test_guards_use_them():
    store = RedisStore.from_url(servers.REDIS, timeout=20.0, prefix=fresh("guards"))
    guard = Guard(Verifier("stripe", SECRET), store)
    receipt = guard.open(delivery(1))
    assert guard.open(delivery(1)).reply.status == 503
    guard.settle(receipt, status=200)
    assert dict(guard.open(delivery(1)).reply.headers) == {"Hookguard-Duplicate": "1"}
    store.close()

    async def again():
        store = AsyncRedisStore.from_url(servers.REDIS, timeout=20.0, prefix=f"guards-{os.getpid()}")
        guard = AsyncGuard(Verifier("stripe", SECRET), store)
        assert (await guard.open(delivery(1))).reply.status == 200
        receipt = await guard.open(delivery(2))
        await guard.settle(receipt, error=RuntimeError())
        assert (await guard.open(delivery(2))).event.attempt == 2
        await store.close()

    asyncio.run(again())


def test_no_two_events_have_one_name():
    calls = Calls("p", None)
    pairs = [("a", "b:c"), ("a:b", "c"), ("a%3Ab", "c"), ("a", "b"), ("a/b", "c"), ("a", "/b:c")]
    assert len({calls.key(StoreKey(*pair)) for pair in pairs}) == len(pairs)


BOUNDED = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "retry": Retry(NoBackoff(), 0)}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"socket_timeout": None}, "socket_timeout is None"),
        ({"socket_timeout": 3}, "socket_timeout is 3"),
        ({**BOUNDED, "retry": Retry(ExponentialBackoff(), 3)}, "retries on its own"),
        ({**BOUNDED, "decode_responses": True}, "without decode_responses"),
    ],
)
def test_a_client_that_would_keep_a_worker_waiting_is_rejected(options, why):
    for kind, store in ((redis.Redis, RedisStore), (redis.asyncio.Redis, AsyncRedisStore)):
        with pytest.raises(ConfigurationError, match=why):
            store(kind(**options))
        store(kind(**BOUNDED))


def test_the_wrong_kind_of_client_is_rejected():
    with pytest.raises(ConfigurationError, match=r"give a redis\.asyncio\.Redis"):
        AsyncRedisStore(redis.Redis(**BOUNDED))
    with pytest.raises(ConfigurationError, match=r"give a redis\.Redis"):
        RedisStore("redis://here")


def test_a_password_is_in_no_repr():
    store = store_from("redis://somebody:a-long-password@127.0.0.1:6379/3")
    assert repr(store) == "RedisStore(127.0.0.1:6379/3)"


@pytest.mark.parametrize("url", ["redis://host:port/0", "redis://127.0.0.1/0?socket_timeout=never"])
def test_a_url_that_cannot_be_read(url):
    with pytest.raises(ConfigurationError, match="cannot read this URL"):
        store_from(url)


@pytest.mark.parametrize("make", [RedisStore.from_url, AsyncRedisStore.from_url])
@pytest.mark.parametrize(
    "url", ["redis://u:s3cr#et@h/0", "redis://u:s3cr/et@h/0", "redis://u:s3cr\u2100et@h/0", "redis://u:s3cr[et@h/0"]
)
def test_no_piece_of_a_password_is_in_an_error(url, make):
    with pytest.raises(ConfigurationError, match="percent-encode special characters in the password") as caught:
        make(url)
    assert "s3cr" not in "".join(traceback.format_exception(caught.value))


def test_another_program_s_key_is_an_error_and_no_answer():
    store = RedisStore.from_url(servers.REDIS, timeout=20.0, prefix=fresh("taken"))
    store.client.set(store._calls.key(StoreKey("a", "1")), b"something else")
    with pytest.raises(ConfigurationError, match="choose another prefix"):
        store.claim(StoreKey("a", "1"), token=b"t" * 16, fingerprint=b"f" * 32, lease=60, retention=60)
    store.close()


def test_a_server_that_is_not_there():
    store = RedisStore.from_url("redis://127.0.0.1:1/0")
    with pytest.raises(StoreUnavailable, match="Redis cannot answer"):
        store.forget(StoreKey("a", "1"))
