"""The state machine on every store: not one answer differs from the contract's model.

``HOOKGUARD_STEPS`` says how many steps each store is taken through, 100,000 in CI and 2,000 for a look; stores that differ
from another only in whose connection they use get a tenth, and those that differ only in how they wait a twentieth. They are
counted as they are done.
"""

import asyncio
import os
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import servers
from hypothesis import Phase
from walking import walk

from hookguard import MemoryStore, SQLiteStore, StoreKey
from hookguard.testing.machine import store_machine

STEPS = int(os.environ.get("HOOKGUARD_STEPS", "2000"))
NAME = f"hookguard_machine_{os.getpid()}"  # of the table, or before the keys
TIMEOUT = 60  # seconds, for a machine that is busy with other things
#: Longer examples are cut by Hypothesis, which bounds what one may draw.
STEPS_OF_ONE = 200

#: MariaDB waits for the disk at each commit, for 10 ms or so, and no session can switch that off. So an example is one
#: transaction there, opened behind the store's back: what is asked here is what the statements answer, not who sees it when.
AFRESH = {"mysql": ("ROLLBACK", "DELETE FROM {table}", "BEGIN")}
#: Steps that leave a connection as it is.
UNTOUCHED = {
    "pool_size": 1,
    "isolation_level": "AUTOCOMMIT",
    "pool_reset_on_return": None,
    "skip_autocommit_rollback": True,
}


def afresh(database, table):
    """The statements before an example, so that it finds an empty table."""
    return [sql.format(table=table) for sql in AFRESH.get(database, ("DELETE FROM {table}",))]


class ReleaseOnCancel:
    """A store whose connections are used again by the next example, whatever the machine does at the end of one."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def close(self):
        """Not yet."""


class OnLoop(ReleaseOnCancel):
    """An asynchronous store, each call awaited to its end."""

    def __init__(self, store, loop):
        super().__init__(store)
        self._loop = loop

    def __getattr__(self, name):
        call = getattr(self._store, name)
        return lambda *args, **named: self._loop.run_until_complete(call(*args, **named))


@contextmanager
def memory():
    yield lambda clock: MemoryStore(clock=clock)


@contextmanager
def sqlite():
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder, "claims.sqlite3"))
        connection = store._database.here().connection
        connection.execute("PRAGMA synchronous = OFF")

        def make(clock):
            connection.execute("DELETE FROM hookguard_claim")
            store._clock = clock
            return ReleaseOnCancel(store)

        yield make
        store.close()


@contextmanager
def sqlite_awaited():
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder, "claims.sqlite3"))
        connection = store._database.here().connection
        connection.execute("PRAGMA synchronous = OFF")

        def make(clock):
            connection.execute("DELETE FROM hookguard_claim")
            store._clock = clock
            return OnLoop(store.awaited(asyncio.to_thread), loop)

        yield make
        store.close()
    loop.close()


@contextmanager
def redis():
    pytest.importorskip("redis")
    servers.needs("Redis")
    from hookguard.stores.redis import RedisStore

    with RedisStore.from_url(servers.REDIS, timeout=TIMEOUT).client as client:

        def make(clock):
            _forget_keys(client)
            return ReleaseOnCancel(RedisStore(client, prefix=NAME, timeout=TIMEOUT, clock=clock))

        yield make
        _forget_keys(client)


@contextmanager
def redis_awaited():
    pytest.importorskip("redis")
    servers.needs("Redis")
    from redis import Redis

    from hookguard.stores.redis import AsyncRedisStore

    loop = asyncio.new_event_loop()
    first = AsyncRedisStore.from_url(servers.REDIS, timeout=TIMEOUT)
    with Redis.from_url(servers.REDIS) as plain:

        def make(clock):
            _forget_keys(plain)
            return OnLoop(AsyncRedisStore(first.client, prefix=NAME, timeout=TIMEOUT, clock=clock), loop)

        yield make
        _forget_keys(plain)
    loop.run_until_complete(first.close())
    loop.close()


def _forget_keys(client):
    from hookguard.stores.redis.scripts import Calls

    calls = Calls(NAME, None)
    client.delete(*(calls.key(StoreKey(*key)) for key in (("a", "1"), ("a", "2"), ("b", "1"))))


def sql(driver):
    @contextmanager
    def stores():
        pytest.importorskip("sqlalchemy")
        from sql_urls import SQLStore, engine, fresh
        from sqlalchemy import text

        with tempfile.TemporaryDirectory() as folder:
            made = engine(driver, folder, **UNTOUCHED)
            fresh(made, NAME)

            def make(clock):
                with made.connect() as connection:
                    for statement in afresh(made.dialect.name, NAME):
                        connection.execute(text(statement))
                return ReleaseOnCancel(SQLStore(made, table=NAME, timeout=TIMEOUT, clock=clock))

            yield make
            with made.connect() as connection:
                connection.execute(text(f"DROP TABLE {NAME}"))
            made.dispose()

    return stores


def sql_awaited(driver):
    @contextmanager
    def stores():
        pytest.importorskip("sqlalchemy")
        from sql_urls import AsyncSQLStore, async_engine
        from sqlalchemy import text

        loop = asyncio.new_event_loop()
        with tempfile.TemporaryDirectory() as folder:
            made = async_engine(driver, folder, **UNTOUCHED)

            async def execute(*statements):
                async with made.connect() as connection:
                    for statement in statements:
                        await connection.execute(text(statement))

            loop.run_until_complete(execute(f"DROP TABLE IF EXISTS {NAME}"))
            loop.run_until_complete(AsyncSQLStore(made, table=NAME, timeout=TIMEOUT).create_table())

            def make(clock):
                loop.run_until_complete(execute(*afresh(made.dialect.name, NAME)))
                return OnLoop(AsyncSQLStore(made, table=NAME, timeout=TIMEOUT, clock=clock), loop)

            yield make
            loop.run_until_complete(execute(f"DROP TABLE {NAME}"))
            loop.run_until_complete(made.dispose())
        loop.close()

    return stores


def django(alias):
    @contextmanager
    def stores():
        pytest.importorskip("django")
        from django.db import connections, transaction
        from django_tables import close_database, open_database

        from hookguard_django.stores import ORMStore

        open_database(alias)
        open_transaction = ExitStack()

        def make(clock):
            if connections[alias].vendor == "mysql":  # see AFRESH; the store must know of it, or it would try to open its own
                open_transaction.close()
                open_transaction.enter_context(transaction.atomic(alias))
                open_transaction.callback(transaction.set_rollback, True, alias)
            with connections[alias].cursor() as cursor:
                cursor.execute("DELETE FROM hookguard_event")
            return ORMStore(alias, clock=clock)

        yield make
        open_transaction.close()
        close_database(alias)

    return stores


@contextmanager
def memcached():
    """Django's cache over it; over Redis that is the Redis store itself."""
    pytest.importorskip("django")
    from test_django_stores import CacheStore, cache_settings

    with cache_settings("memcached"):
        from django.core.cache import caches

        def make(clock):
            caches["default"].clear()
            return CacheStore(timeout=TIMEOUT, clock=clock)

        yield make
        caches.close_all()


MACHINES = {
    "memory": (memory, STEPS),
    "sqlite": (sqlite, STEPS),
    "redis": (redis, STEPS),
    "postgresql by psycopg": (sql("postgresql+psycopg"), STEPS),
    "mariadb by pymysql": (sql("mysql+pymysql"), STEPS),
    "sqlite by pysqlite": (sql("sqlite+pysqlite"), STEPS),
    "django on sqlite": (django("sqlite"), STEPS),
    "django on postgresql": (django("postgresql"), STEPS // 10),
    "django on mariadb": (django("mysql"), STEPS // 10),
    "django's cache on memcached": (memcached, STEPS),
    "sqlite, awaited": (sqlite_awaited, STEPS // 20),
    "redis, awaited": (redis_awaited, STEPS // 20),
    "postgresql by asyncpg": (sql_awaited("postgresql+asyncpg"), STEPS // 20),
    "postgresql by psycopg, awaited": (sql_awaited("postgresql+psycopg_async"), STEPS // 20),
    "mariadb by asyncmy": (sql_awaited("mysql+asyncmy"), STEPS // 20),
    "sqlite by aiosqlite": (sql_awaited("sqlite+aiosqlite"), STEPS // 20),
}


@pytest.mark.parametrize("name", MACHINES)
def test_no_answer_differs_from_the_model(name):
    stores, steps = MACHINES[name]
    with stores() as make:
        assert walk(store_machine(make), steps, steps_of_one=STEPS_OF_ONE) >= steps > 0


def test_the_machine_finds_a_store_that_differs():
    class Broken(MemoryStore):
        def release(self, key, *, token):
            released = super().release(key, token=token)
            if released:
                self.forget(key)
            return released

    with pytest.raises(AssertionError):
        machine = store_machine(lambda clock: Broken(clock=clock))
        walk(machine, 50_000, steps_of_one=STEPS_OF_ONE, phases=[Phase.generate], report_multiple_bugs=False)
