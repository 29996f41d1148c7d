"""A Redis that is slow, answers byte by byte, swallows answers or talks nonsense: an answer in time, and a right one or none."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

pytest.importorskip("redis")

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_servers import starting
from running import free_port

from hookguard import AsyncGuard, Guard, Verifier, presets
from hookguard.errors import ConfigurationError, StoreMisconfigured, StoreUnavailable
from hookguard.store import ClaimStatus, StoreKey
from hookguard.stores.redis import AsyncRedisStore, RedisStore

SECRET = "a-secret-that-is-long-enough"
TIMEOUT = 1.0
#: How much longer than the timeout an answer may take on a machine that is busy with other tests.
SLACK = 4.0
KEY = StoreKey("time", "evt_1")
ASKED = {"fingerprint": b"f" * 32, "lease": 60.0, "retention": 60.0}


@pytest.fixture
def start(tmp_path):
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def server(start):
    return start()


@contextmanager
def listening(serve):
    """A port at which each connection is given to ``serve``; closed, with all its connections, in the end."""
    with socket.create_server(("127.0.0.1", 0)) as port:
        open_ones = []

        def one(client):
            with client, suppress(OSError):
                serve(client)

        def accept():
            with suppress(OSError):
                while True:
                    client, _ = port.accept()
                    open_ones.append(client)
                    threading.Thread(target=one, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"redis://127.0.0.1:{port.getsockname()[1]}/0"
        with suppress(OSError):
            port.shutdown(socket.SHUT_RDWR)
        for client in open_ones:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


def between(server, change):
    """Passes on what is asked, and of each answer what ``change(asked, answer)`` makes of it; None is nothing, ever."""

    def serve(client):
        with socket.create_connection(("127.0.0.1", server.port)) as there:
            while asked := client.recv(65536):
                there.sendall(asked)
                answer = change(asked, there.recv(65536))
                if answer is not None:
                    client.sendall(answer)

    return listening(serve)


def saying(answer, *, pause=0.0):
    """Answers everything with the same, byte by byte where there is a pause between them."""

    def serve(client):
        while client.recv(65536):
            for byte in [answer] if not pause else [bytes([one]) for one in answer]:
                client.sendall(byte)
                time.sleep(pause)

    return listening(serve)


class Blocking:
    """Either store, called alike."""

    def __init__(self, url, **options):
        self.store = RedisStore.from_url(url, timeout=TIMEOUT, **options)

    def do(self, call):
        return call(self.store)

    def close(self):
        self.store.close()


class BlockingStoreAdapter:
    def __init__(self, url, **options):
        self.loop = asyncio.new_event_loop()
        self.store = AsyncRedisStore.from_url(url, timeout=TIMEOUT, **options)

    def do(self, call):
        return self.loop.run_until_complete(call(self.store))

    def close(self):
        self.loop.run_until_complete(self.store.close())
        self.loop.close()


@pytest.fixture(params=[Blocking, BlockingStoreAdapter])
def make(request):
    with ExitStack() as stack:

        def make(url, **options):
            made = request.param(url, **options)
            stack.callback(made.close)
            return made

        yield make


def claim(store):
    return store.claim(KEY, token=b"a" * 16, **ASKED)


def takes(call, error=StoreUnavailable):
    began = time.monotonic()
    with pytest.raises(error):
        call()
    return time.monotonic() - began


@pytest.mark.parametrize("share", [0.2, 0.45, 0.9])
def test_a_slow_server_is_given_up_in_time(server, make, share):
    """A new connection greets in several round trips, and each would be within a timeout of its own."""

    answered = []

    def later(asked, answer):
        time.sleep(share * TIMEOUT)
        answered.append(asked)
        return answer

    with between(server, later) as url:
        made = make(url)
        # Where the greeting is short, a fifth of the timeout each time may be just quick enough.
        with suppress(StoreUnavailable):
            made.do(claim)
        # Counted, because a clock also counts what other processes do.
        assert len(answered) * share <= 1


def test_a_server_that_answers_byte_by_byte_is_given_up_in_time(make):
    with saying(b"+" + b"x" * 100 + b"\r\n", pause=0.1) as url:  # for ten seconds
        assert takes(lambda: make(url).do(claim)) < TIMEOUT + SLACK


def test_a_name_that_is_looked_up_for_ever_is_given_up_in_time(make, monkeypatch):
    over = threading.Event()

    def look_up(*_arguments, **_options):
        over.wait(60)
        raise OSError("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    made = make("redis://redis.test:6379/0")
    assert takes(lambda: made.do(claim)) < TIMEOUT + SLACK
    over.set()  # a loop that is closed waits for its threads


def test_a_thread_has_its_time_for_each_operation(server, make):
    made = make(server.url)
    for _ in range(3):
        assert made.do(claim).attempt == 1
        time.sleep(TIMEOUT / 2)


def test_an_answer_that_is_swallowed_is_asked_for_on_another_connection(server, make):
    swallowed = []

    def swallow(asked, answer):
        if b"EVALSHA" not in asked:
            return answer
        swallowed.append(asked)
        return None if len(swallowed) == 2 else answer

    with between(server, swallow) as url:
        made = make(url)
        assert made.do(claim).status == ClaimStatus.ACQUIRED
        assert made.do(lambda store: store.complete(KEY, token=b"a" * 16, retention=60)) is True
        assert len(swallowed) == 3


@pytest.mark.parametrize(
    "nonsense",
    [
        b"+OK\r\n",
        b":1\r\n",
        b":7\r\n",
        b"*0\r\n",
        b"*1\r\n:9\r\n",
        b"*4\r\n:5\r\n:1\r\n:1\r\n:1\r\n",
        b":abc\r\n",
        b"\xff\r\n",
        b"-WHAT\r\n",
    ],
)
@pytest.mark.parametrize("when", ["always", "after the greeting"])
def test_nonsense_is_not_taken_for_an_answer(server, make, nonsense, when):
    def change(asked, answer):
        return nonsense if b"EVALSHA" in asked or when == "always" else answer

    with between(server, change) as url:
        made = make(url)
        takes(lambda: made.do(claim))
        if nonsense != b":1\r\n":
            takes(lambda: made.do(lambda store: store.complete(KEY, token=b"b" * 16, retention=60)))
        takes(lambda: made.do(lambda store: store.check()))


def test_after_nonsense_the_connection_is_not_trusted(server, make):
    """A connection left behind would have skipped half of its greeting, and would ask the wrong database."""
    spoilt = []

    def once(asked, answer):
        if not spoilt:
            spoilt.append(asked)
            return b":abc\r\n"
        return answer

    with between(server, once) as url:
        made = make(url.replace("/0", "/3"))
        takes(lambda: made.do(claim))
        assert made.do(claim).attempt == 1
    assert server.ask("INFO", "keyspace").keys() == {"db3"}


def test_an_answer_that_comes_too_late_is_nobody_s(server, make):
    made = make(server.url)
    # So that the server knows the scripts, and does what it was asked when it goes on.
    made.do(lambda store: store.complete(KEY, token=b"a" * 16, retention=60))
    made.do(claim)
    server.pause()
    takes(lambda: made.do(lambda store: store.complete(KEY, token=b"a" * 16, retention=60)))
    server.resume()
    time.sleep(0.1)
    assert made.do(lambda store: store.complete(KEY, token=b"b" * 16, retention=60)) is False
    assert made.do(lambda store: store.claim(KEY, token=b"b" * 16, **ASKED)).status == ClaimStatus.DONE


def test_an_awaited_call_that_is_cancelled_leaves_its_answer_to_nobody(server):
    async def scenario():
        store = AsyncRedisStore.from_url(server.url, timeout=TIMEOUT)
        assert await store.complete(KEY, token=b"a" * 16, retention=60) is False
        await claim(store)
        server.pause()
        task = asyncio.ensure_future(store.complete(KEY, token=b"a" * 16, retention=60))
        await asyncio.sleep(0.05)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        server.resume()
        await asyncio.sleep(0.1)
        assert await store.release(KEY, token=b"b" * 16) is False
        await store.close()

    asyncio.run(scenario())


def test_successive_loops_are_served_and_concurrent_loops_are_not(server):
    store = AsyncRedisStore.from_url(server.url, timeout=TIMEOUT)

    async def once():
        try:
            return (await claim(store)).attempt
        finally:
            await store.client.connection_pool.disconnect()

    assert [asyncio.run(once()) for _ in range(3)] == [1, 1, 1]
    first = asyncio.new_event_loop()
    assert first.run_until_complete(once()) == 1
    with pytest.raises(StoreMisconfigured, match="two event loops concurrently: make one store for each"):
        asyncio.run(claim(store))
    first.close()


BOUNDED = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "retry": Retry(NoBackoff(), 0)}


@pytest.mark.parametrize(("kind", "store"), [(redis, RedisStore), (redis.asyncio, AsyncRedisStore)])
def test_a_client_that_waits_or_tries_again_in_hidden_ways_is_rejected(kind, store):
    for timeout in (None, 20):
        pool = kind.BlockingConnectionPool(timeout=timeout, **BOUNDED)
        with pytest.raises(ConfigurationError, match="pool may wait longer than the store's timeout"):
            store(kind.Redis(connection_pool=pool))
    store(kind.Redis(connection_pool=kind.BlockingConnectionPool(timeout=0.5, **BOUNDED)))
    with pytest.raises(ConfigurationError, match="retries on its own"):
        store(kind.Redis(**{**BOUNDED, "retry": None}, retry_on_error=[redis.TimeoutError]))


def test_a_url_may_not_ask_for_more_time_than_the_store_has():
    with pytest.raises(ConfigurationError, match=r"socket_timeout is 30"):
        RedisStore.from_url("redis://127.0.0.1/0?socket_timeout=30")


def test_a_user_with_few_rights(server, make):
    """The rights that the page on this store names are enough, and what lacks is found by the check."""
    rights = ["+evalsha", "+eval", "+time", "+hmget", "+hset", "+pexpire", "+del", "+ping", "+select", "+hello", "+client"]
    server.ask("ACL", "SETUSER", "app", "on", ">pw", "~hookguard:*", *rights)
    made = make(server.url.replace("redis://", "redis://app:pw@"))
    (remark,) = made.do(lambda store: store.check())
    assert "does not show this user whether it evicts" in remark
    server.ask("ACL", "SETUSER", "app", "+info")
    (remark,) = made.do(lambda store: store.check())
    assert "append-only" in remark
    server.ask("ACL", "SETUSER", "app", "-evalsha", "-eval")
    with pytest.raises(StoreMisconfigured, match="allow it the keys under the store's prefix"):
        made.do(lambda store: store.check())


def test_a_check_leaves_nothing_behind(server, make):
    assert len(make(server.url).do(lambda store: store.check())) == 1
    assert server.ask("DBSIZE") == 0


def test_a_node_of_a_cluster_is_named_in_the_error(start):
    nodes, buses = [], []
    for _ in range(2):
        buses.append(str(free_port()))
        nodes.append(start("--cluster-enabled", "yes", "--cluster-port", buses[-1]))
    here, there = nodes
    here.ask("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
    there.ask("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
    here.ask("CLUSTER", "MEET", "127.0.0.1", there.port, buses[1])
    deadline = time.monotonic() + 30
    while any(b"cluster_state:ok" not in node.ask("CLUSTER", "INFO") for node in nodes):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    store = RedisStore.from_url(here.url)
    answers = []
    for number in range(16):
        try:
            answers.append(store.claim(StoreKey("time", str(number)), token=b"a" * 16, **ASKED).attempt)
        except StoreMisconfigured as error:
            answers.append(str(error).partition(",")[0])
    assert set(answers) == {1, "this Redis is a node of a cluster"}
    store.close()


def test_both_guards_answer_in_time(server):
    delivery = presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET)
    server.pause()

    async def awaited():
        store = AsyncRedisStore.from_url(server.url, timeout=TIMEOUT)
        reply = (await AsyncGuard(Verifier("stripe", SECRET), store).open(delivery)).reply
        await store.close()
        return reply

    began = time.monotonic()
    assert asyncio.run(awaited()).status == 503
    store = RedisStore.from_url(server.url, timeout=TIMEOUT)
    assert Guard(Verifier("stripe", SECRET), store).open(delivery).reply.status == 503
    # The first delivery also checks the store.
    assert time.monotonic() - began < 4 * TIMEOUT + SLACK
    store.close()
