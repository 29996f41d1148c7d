"""Databases that kill their connections, hang, hang up at the commit and lose answers; SQLite locked, full and read-only.

The promise each time: the sender hears 503 within the store's timeout and a little, never 2xx for what is not done, and
nothing is lost or doubled once the database works again.
"""

import asyncio
import itertools
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

pytest.importorskip("sqlalchemy")

import servers
from loops import Loop
from sql_servers import PostgreSQL, Proxy
from sql_shops import EVENTS, SECRET, shop_for, signed
from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import NullPool

from hookguard import AsyncGuard, Endpoint, Guard, Verifier
from hookguard.errors import StoreError, StoreUnavailable
from hookguard.store import ClaimStatus, StoreKey
from hookguard.stores.sql import AsyncSQLStore, SQLStore, deadline, store_from_url

#: How much longer than the timeout an answer may take on a machine that is busy with other tests.
SLACK = 4.0

NETWORKED = ("postgresql+psycopg", "mysql+pymysql", "postgresql+asyncpg", "mysql+asyncmy")
LEASED = (*NETWORKED, "postgresql+psycopg_async")

_number = itertools.count()


def fresh_id():
    return f"evt_{next(_number)}_{time.time_ns()}"


def address(driver):
    """The server's URL for this driver, its host and its port."""
    name = "PostgreSQL" if driver.startswith("postgresql") else "MariaDB"
    servers.needs(name)
    url = servers.POSTGRESQL if name == "PostgreSQL" else servers.MARIADB
    parts = urlsplit(url)
    return driver + url[url.index(":") :], parts.hostname, parts.port


def through(driver, proxy):
    """The URL of the server behind the proxy."""
    url, host, port = address(driver)
    return url.replace(f"{host}:{port}", f"127.0.0.1:{proxy.port}")


@pytest.fixture
def proxy(request):
    driver = request.getfixturevalue("driver")
    _, host, port = address(driver)
    made = Proxy(port, host)
    yield made
    made.close()


class Leased:
    """A guard in lease mode, blocking or awaited, whose handler counts."""

    def __init__(self, url, *, timeout=20.0, lease=30.0, table="hookguard_faults", options=None):
        self.store = store_from_url(url)
        cls = type(self.store)
        self.store = cls.from_url(url, timeout=timeout, table=table)
        self.runs = {}
        endpoint = Endpoint(Verifier("stripe", [SECRET]), lease=lease)
        self.awaited = cls is AsyncSQLStore
        self.loop = Loop() if self.awaited else None
        self.guard = (AsyncGuard if self.awaited else Guard)(endpoint, self.store)
        self.engine = self.store.engine.sync_engine if self.awaited else self.store.engine

    def send(self, event_id):
        return self.loop.run(self.asend(event_id)) if self.awaited else self._send(event_id)

    def _send(self, event_id):
        try:
            with self.guard.receive(signed(event_id)) as receipt:
                if receipt.reply is not None:
                    return receipt.reply.status
                self.runs[event_id] = self.runs.get(event_id, 0) + 1
                receipt.answered(200)
        except StoreError as error:
            return error.status
        return 200 if receipt.reply is None else receipt.reply.status

    async def asend(self, event_id):
        try:
            async with self.guard.receive(signed(event_id)) as receipt:
                if receipt.reply is not None:
                    return receipt.reply.status
                self.runs[event_id] = self.runs.get(event_id, 0) + 1
                receipt.answered(200)
        except StoreError as error:
            return error.status
        return 200 if receipt.reply is None else receipt.reply.status

    def close(self):
        for thread in threading.enumerate():
            if thread.name == "hookguard-connect":  # nobody waits for it, but it closes what it opens
                thread.join(10)
        if self.awaited:
            self.loop.run(self.aclose())
            self.loop.close()
        else:
            self.store.close()

    async def aclose(self):
        await lingering()
        await self.store.close()


async def lingering():
    """Wait for the steps that nobody waits for, so that their connections are closed with their loop."""
    here = [task for task in deadline._lingering if task.get_loop() is asyncio.get_running_loop()]
    if here:
        await asyncio.wait(here, timeout=20)


async def good(hand):
    await hand.write()
    return 200


# --- the server ends a connection, at each boundary


def _process_of(connection):
    raw = connection.connection.driver_connection
    if hasattr(raw, "get_server_pid"):  # asyncpg
        return raw.get_server_pid()
    return raw.info.backend_pid if hasattr(raw, "info") else raw.thread_id()


def _kill(driver, process):
    url, _, _ = address("postgresql+psycopg" if driver.startswith("postgresql") else "mysql+pymysql")
    made = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with made.connect() as connection:
        if made.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})
        else:
            connection.execute(text(f"KILL {process}"))


class Killer:
    """Ends the connection of the shop once, when it comes to a certain point."""

    def __init__(self, shop, where):
        self.shop, self.where, self.armed = shop, where, False
        event.listen(shop.engine, "begin", self._begin)
        event.listen(shop.engine, "before_cursor_execute", self._before)
        event.listen(shop.engine, "after_cursor_execute", self._after)
        event.listen(shop.engine, "commit", self._commit)

    def at(self, where, connection):
        if self.armed and where == self.where:
            self.armed = False
            _kill(self.shop.driver, _process_of(connection))

    def _begin(self, connection):
        self.at("as it begins", connection)

    def _before(self, connection, _cursor, statement, _parameters, _context, _many):
        if statement.lstrip().startswith(f"UPDATE {EVENTS}"):
            self.at("before the completion", connection)

    def _after(self, connection, _cursor, statement, _parameters, _context, _many):
        if "LOCK(" in statement.upper():
            self.at("after the lock", connection)
        if f"INTO {EVENTS}" in statement:
            self.at("after the claim", connection)
        if statement.lstrip().startswith(f"UPDATE {EVENTS}"):
            self.at("before the commit", connection)

    def _commit(self, connection):
        self.at("at the commit", connection)


BOUNDARIES = (
    "as it begins",
    "after the lock",
    "after the claim",
    "in the handler",
    "before the completion",
    "before the commit",
    "at the commit",
)


@pytest.mark.parametrize("where", BOUNDARIES)
@pytest.mark.parametrize("driver", NETWORKED)
def test_a_connection_that_the_server_ends_costs_a_retry_and_no_more(driver, where, tmp_path):
    shop = shop_for(driver, tmp_path)
    shop.make_tables()
    assert shop.send(fresh_id(), good) == 200  # the first delivery checks the store, which is not tested here
    killer = Killer(shop, where)

    async def handler(hand):
        await hand.write()
        if killer.armed and where == "in the handler":
            killer.armed = False
            connection = await hand.connection()
            _kill(driver, _process_of(getattr(connection, "sync_connection", connection)))
        return 200

    for _ in range(5):
        event_id = fresh_id()
        killer.armed = True
        status = shop.send(event_id, handler)
        assert not killer.armed, "nobody came to that point"
        if where in ("as it begins", "after the lock"):
            # Nothing was claimed yet, so the store itself begins once more.
            assert (status, shop.truth(event_id)) == (200, (1, True))
            continue
        # After the claim it is the handler's own statement that fails, and the handler that raises.
        assert (status, shop.truth(event_id)) == (500 if where == "after the claim" else 503, (0, False))
        assert [shop.send(event_id, handler) for _ in range(2)] == [200, 200]
        assert shop.truth(event_id) == (1, True)
    shop.close()


@pytest.mark.parametrize("driver", LEASED)
def test_a_lease_survives_that_each_of_its_connections_is_ended(driver):
    leased = Leased(address(driver)[0])
    kills = {"before": 0, "after": 0}
    armed = set()

    @event.listens_for(leased.engine, "before_cursor_execute")
    def before(connection, _cursor, statement, _parameters, _context, _many):
        if "before" in armed and "hookguard_faults" in statement:
            armed.discard("before")
            kills["before"] += 1
            _kill(driver, _process_of(connection))

    @event.listens_for(leased.engine, "after_cursor_execute")
    def after(connection, _cursor, statement, _parameters, _context, _many):
        if "after" in armed and "hookguard_faults" in statement:
            armed.discard("after")
            kills["after"] += 1
            _kill(driver, _process_of(connection))

    assert leased.send(fresh_id()) == 200
    for when in ["before", "after"] * 5:
        event_id = fresh_id()
        armed.add(when)
        # Lost before it was asked, or before the answer was used: the same token asks again.
        assert leased.send(event_id) == 200
        assert leased.send(event_id) == 200
        assert leased.runs[event_id] == 1
    assert kills == {"before": 5, "after": 5}
    leased.close()


# --- the commit whose answer is lost


@pytest.mark.parametrize("fate", [Proxy.LOSE_REPLY, Proxy.LOSE_REQUEST])
@pytest.mark.parametrize("driver", NETWORKED)
def test_a_commit_without_an_answer_is_503_and_the_next_try_finds_the_truth(driver, fate, proxy, tmp_path, monkeypatch):
    monkeypatch.setattr("sql_urls.url", lambda *_: through(driver, proxy))
    shop = shop_for(driver, tmp_path)
    shop.make_tables()
    assert shop.send(fresh_id(), good) == 200
    for _ in range(5):
        event_id, fates = fresh_id(), [fate]
        runs = []

        async def handler(hand, runs=runs):
            runs.append(1)
            await hand.write()
            return 200

        proxy.chooses = lambda sent, fates=fates: fates.pop() if b"COMMIT" in sent and fates else Proxy.PASS
        assert shop.send(event_id, handler) == 503
        assert not fates
        # The server hears of the hang-up in its own time.
        until = time.monotonic() + 10
        while (status := shop.send(event_id, handler)) != 200:
            assert status == 503
            assert time.monotonic() < until
        assert shop.truth(event_id) == (1, True)
        assert len(runs) == (1 if fate == Proxy.LOSE_REPLY else 2)
    shop.close()


# --- answers that get lost at random


@pytest.mark.parametrize("driver", NETWORKED)
def test_in_transactional_mode_lost_answers_double_nothing_and_lose_nothing(driver, proxy, tmp_path, monkeypatch):
    monkeypatch.setattr("sql_urls.url", lambda *_: through(driver, proxy))
    shop = shop_for(driver, tmp_path)
    shop.make_tables()
    proxy.loses(0.05, seed=1)
    events = [fresh_id() for _ in range(100)]
    for event_id in events:
        until = time.monotonic() + 20
        while (status := shop.send(event_id, good)) != 200:
            # 500 where the handler's own statement failed.
            assert status in (500, 503)
            assert time.monotonic() < until
    proxy.chooses = lambda sent: Proxy.PASS
    assert proxy.lost >= 20
    assert {shop.truth(event_id) for event_id in events} == {(1, True)}
    shop.close()


@pytest.mark.parametrize("driver", LEASED)
def test_in_lease_mode_a_lost_answer_locks_nobody_out(driver, proxy):
    leased = Leased(through(driver, proxy))
    events = [fresh_id() for _ in range(200)]
    assert leased.send(fresh_id()) == 200
    statuses = []
    proxy.loses(0.05, seed=2, apart=20)
    statuses += [leased.send(event_id) for event_id in events]
    proxy.chooses = lambda sent: Proxy.PASS
    assert proxy.lost >= 10
    # Not one 503: a claim whose holder did not hear of it would be answered "in progress" until its lease ends.
    assert set(statuses) == {200}
    assert {leased.runs[event_id] for event_id in events} == {1}
    assert {leased.send(event_id) for event_id in events} == {200}
    assert {leased.runs[event_id] for event_id in events} == {1}
    leased.close()


# --- a server that hangs


@pytest.fixture(scope="module")
def stoppable():
    made = PostgreSQL()
    yield made
    made.close()


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg", "psycopg_async"])
def test_a_stopped_postgresql_is_503_in_time(driver, stoppable):
    leased = Leased(stoppable.url.replace("postgresql:", f"postgresql+{driver}:"), timeout=0.5)
    warm = fresh_id()
    until = time.monotonic() + 20
    while leased.send(warm) != 200:  # the first connection of a busy machine may take longer than that
        assert time.monotonic() < until
    stoppable.pause()
    try:
        for _ in range(4):  # the connection that was open, and ones that are to be made
            began = time.monotonic()
            assert leased.send(fresh_id()) == 503
            assert time.monotonic() - began < 0.5 + SLACK
    finally:
        stoppable.resume()
    event_id, began = fresh_id(), time.monotonic()
    while leased.send(event_id) != 200:
        assert time.monotonic() - began < 10, "it does not recover"
    assert leased.runs[event_id] == 1
    leased.close()


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_a_postgresql_that_is_stopped_under_a_transaction_is_503_in_time(driver, stoppable, tmp_path, monkeypatch):
    monkeypatch.setattr("sql_urls.url", lambda *_: stoppable.url.replace("postgresql:", f"{driver}:"))
    shop = shop_for(driver, tmp_path, lambda sessions, **options: _with_timeout(driver, sessions, **options))
    shop.make_tables()
    event_id = fresh_id()

    async def stops(hand):
        await hand.write()
        stoppable.pause()
        return 200

    assert shop.send(fresh_id(), good) == 200
    try:
        began = time.monotonic()
        assert shop.send(event_id, stops) == 503
        assert time.monotonic() - began < 0.5 + SLACK
    finally:
        stoppable.resume()
    began = time.monotonic()
    while shop.send(event_id, good) != 200:
        assert time.monotonic() - began < 20, "it does not recover"
    assert shop.truth(event_id) == (1, True)
    if hasattr(shop, "loop"):
        shop.loop.run(lingering())
    shop.close()


def _with_timeout(driver, sessions, **options):
    from hookguard.stores.sql import AsyncSQLTransactionStore, SQLTransactionStore

    return (AsyncSQLTransactionStore if driver.endswith("asyncpg") else SQLTransactionStore)(sessions, timeout=0.5, **options)


@pytest.mark.parametrize("driver", LEASED)
def test_a_network_that_swallows_everything_is_503_in_time(driver, proxy):
    leased = Leased(through(driver, proxy), timeout=0.5)
    until = time.monotonic() + 20
    while leased.send(fresh_id()) != 200:
        assert time.monotonic() < until
    proxy.chooses = lambda sent: Proxy.HANG
    for _ in range(3):
        began = time.monotonic()
        assert leased.send(fresh_id()) == 503
        assert time.monotonic() - began < 0.5 + SLACK
    proxy.chooses = lambda sent: Proxy.PASS
    event_id, began = fresh_id(), time.monotonic()
    while leased.send(event_id) != 200:
        assert time.monotonic() - began < 10, "it does not recover"
    leased.close()


def test_a_server_that_is_not_there_is_503_and_found_when_it_is(stoppable):
    from running import free_port

    port = free_port()
    leased = Leased(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres", timeout=0.5)
    assert [leased.send(fresh_id()) for _ in range(2)] == [503, 503]
    leased.store.engine.dispose()
    leased.close()


def test_a_watchdog_cuts_only_what_is_late(stoppable):
    """Many concurrent steps, of which one hangs: the others go on, and their connections stay."""
    store = SQLStore.from_url(stoppable.url, timeout=4.0, table="hookguard_late")
    store.create_table()
    hung = create_engine(stoppable.url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    key = StoreKey("s", "held")
    ask = {"fingerprint": b"f" * 32, "lease": 60.0, "retention": 60.0}
    assert store.claim(key, token=b"a" * 16, **ask).status == ClaimStatus.ACQUIRED
    errors, answered = [], []
    with hung.begin() as connection:
        connection.execute(text("SELECT 1 FROM hookguard_late FOR UPDATE"))

        def waits():
            try:
                store.complete(key, token=b"a" * 16, retention=60)
            except StoreUnavailable as error:
                errors.append(error)

        def flies(number):
            keys = (StoreKey("s", f"{number} {each}") for each in range(30))
            answered.extend(store.claim(key, token=b"b" * 16, **ask).status for key in keys)

        threads = [threading.Thread(target=waits), *(threading.Thread(target=flies, args=(n,)) for n in range(3))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(errors) == 1
    assert answered == [ClaimStatus.ACQUIRED] * 90
    assert store.complete(key, token=b"a" * 16, retention=60)
    store.close()
    hung.dispose()


# --- SQLite

SQLITE = ("sqlite+pysqlite", "sqlite+aiosqlite")


@pytest.mark.parametrize("driver", SQLITE)
def test_a_locked_file_is_503_and_then_it_is_not(driver, tmp_path):
    leased = Leased(f"{driver}:///{tmp_path}/claims.db", timeout=0.3)
    assert leased.send(fresh_id()) == 200
    engine = create_engine(f"sqlite:///{tmp_path}/claims.db")
    other = engine.raw_connection()
    other.driver_connection.execute("BEGIN EXCLUSIVE")
    event_id, began = fresh_id(), time.monotonic()
    assert leased.send(event_id) == 503
    assert time.monotonic() - began < 0.3 + SLACK
    other.driver_connection.rollback()
    other.close()
    engine.dispose()
    until = time.monotonic() + 10
    while leased.send(event_id) != 200:
        assert time.monotonic() < until, "it does not recover"
    assert leased.runs[event_id] == 1
    leased.close()


def _limits(engine):
    """The commands for each connection when it is lent."""
    told = {}

    @event.listens_for(engine, "checkout")
    def tell(connection, _record, _proxy):
        cursor = connection.cursor()
        for name, value in told.items():
            cursor.execute(f"PRAGMA {name} = {value}")
        cursor.close()

    return told


@pytest.mark.parametrize("fault", [{"max_page_count": 1}, {"query_only": 1}], ids=["full", "read-only"])
@pytest.mark.parametrize("driver", SQLITE)
def test_a_file_that_is_full_or_read_only_is_503_and_then_it_is_not(driver, fault, tmp_path):
    leased = Leased(f"{driver}:///{tmp_path}/claims.db")
    told = _limits(leased.engine)
    assert leased.send(fresh_id()) == 200
    told.update(fault)
    statuses, events = [], [fresh_id() for _ in range(60)]
    statuses = {event_id: leased.send(event_id) for event_id in events}  # a page that is there has room for a few more
    assert 503 in statuses.values()
    assert set(statuses.values()) <= {200, 503}
    assert all(leased.runs.get(event_id, 0) == (status == 200) for event_id, status in statuses.items())
    told.update(max_page_count=1_000_000, query_only=0)
    assert {leased.send(event_id) for event_id in events} == {200}
    assert {leased.runs[event_id] for event_id in events} == {1}
    leased.close()


@pytest.mark.parametrize("fault", [{"max_page_count": 1}, {"query_only": 1}], ids=["full", "read-only"])
@pytest.mark.parametrize("driver", SQLITE)
def test_transactional_mode_loses_nothing(driver, fault, tmp_path):
    shop = shop_for(driver, tmp_path)
    shop.make_tables()
    told = _limits(shop.engine)
    told.update(fault)
    events = [fresh_id() for _ in range(60)]
    statuses = {event_id: shop.send(event_id, good) for event_id in events}
    told.update(max_page_count=1_000_000, query_only=0)
    assert set(statuses.values()) & {500, 503}
    assert set(statuses.values()) <= {200, 500, 503}
    for event_id, status in statuses.items():
        assert shop.truth(event_id) == ((1, True) if status == 200 else (0, False))
    assert {shop.send(event_id, good) for event_id in events} == {200}
    assert {shop.truth(event_id) for event_id in events} == {(1, True)}
    shop.close()


@pytest.mark.parametrize("driver", SQLITE)
def test_a_file_that_is_gone_is_503_and_one_that_is_back_is_used(driver, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    leased = Leased(f"{driver}:///{folder}/claims.db")
    assert leased.send(fresh_id()) == 200
    folder.rename(tmp_path / "away")
    event_id = fresh_id()
    assert [leased.send(event_id) for _ in range(2)] == [503, 503]
    assert event_id not in leased.runs
    (tmp_path / "away").rename(folder)
    assert leased.send(event_id) == 200
    # Deleted and made again: a connection that went on with the old file would claim where nobody else looks.
    (folder / "claims.db").unlink()
    assert leased.send(event_id) == 200
    assert leased.runs[event_id] == 2
    assert (folder / "claims.db").exists()
    leased.close()


# --- nothing of it reaches the sender


def test_the_sender_reads_nothing_of_what_failed():
    leased = Leased("postgresql+psycopg://secret-user:secret-password@127.0.0.1:1/secret-database", timeout=0.5)
    receipt = leased.guard.open(signed(fresh_id()))
    sent = f"{receipt.reply.status} {receipt.reply.headers} {receipt.reply.body!r}"
    assert receipt.reply.status == 503
    assert ("Retry-After", "30") in receipt.reply.headers
    assert "secret" not in sent
    assert "psycopg" not in sent
    assert "secret-password" not in str(receipt.error)
    assert "secret-password" not in repr(leased.store)
    leased.close()


def test_an_abandoned_step_releases_its_claim(tmp_path):
    """An awaited claim that is cancelled, or late, must not leave its transaction open."""
    shop = shop_for("postgresql+asyncpg", tmp_path)
    shop.make_tables()

    async def scenario():
        for delay in (0, 0.001, 0.002, 0.004, 0.008, 0.016):
            event_id = fresh_id()
            key = shop.guard.endpoint.key(shop.guard.endpoint.verifier.verify(signed(event_id)))
            claiming = asyncio.ensure_future(
                shop.store.claim(key, token=event_id.encode()[:16], fingerprint=b"f", lease=60, retention=60)
            )
            await asyncio.sleep(delay)
            if not claiming.cancel():
                await shop.store.release(key, token=event_id.encode()[:16])
            until = time.monotonic() + 10
            while await shop.asend(event_id, good) != 200:
                assert time.monotonic() < until, "the event stays locked"
                await asyncio.sleep(0.01)

    shop.loop.run(scenario())
    shop.close()


def test_the_result_of_an_abandoned_step_is_handed_over():
    """A step may end well in the very moment in which nobody waits for it any more: its claim must be released."""

    async def cannot_be_stopped(done):
        with suppress(asyncio.CancelledError):
            await done.wait()
        return "a claim"

    async def scenario():
        for gives_up in (lambda waiting: None, lambda waiting: waiting.cancel()):
            done, late = asyncio.Event(), []
            waiting = asyncio.ensure_future(deadline.in_time(cannot_be_stopped(done), 0.01, late.append))
            await asyncio.sleep(0)
            gives_up(waiting)
            with pytest.raises((asyncio.TimeoutError, asyncio.CancelledError)):
                await waiting
            await lingering()
            assert late == ["a claim"]

    asyncio.run(scenario())
