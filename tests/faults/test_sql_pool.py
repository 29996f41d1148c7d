"""The stores' pools of connections: a burst waits its turn, and an empty pool is reported. PgBouncer in front of PostgreSQL."""

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("sqlalchemy")

import servers
import sql_urls
from running import free_port
from servers import missing
from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.store import ClaimStatus, StoreKey
from hookguard.stores.sql import AsyncSQLStore, AsyncSQLTransactionStore, SQLStore
from hookguard.stores.sql.engines import POOL_SIZE

TABLE = "hookguard_pool"
AWAITED = ("postgresql+asyncpg", "postgresql+psycopg_async", "mysql+asyncmy")


def asked(event_id):
    return {"key": StoreKey("pool", event_id), "token": b"t" * 16, "fingerprint": b"f" * 32, "lease": 60.0, "retention": 60.0}


def fresh_id():
    return f"evt_{time.time_ns()}"


async def handle(store, event_id):
    assert (await store.claim(**asked(event_id))).status == ClaimStatus.ACQUIRED
    assert await store.complete(StoreKey("pool", event_id), token=b"t" * 16, retention=60.0)


# --- the size of the pool


@pytest.mark.parametrize("driver", AWAITED)
def test_a_burst_waits_for_the_pool_and_opens_no_connection_twice(driver, tmp_path):
    async def scenario():
        store = AsyncSQLStore.from_url(sql_urls.url(driver, tmp_path), table=TABLE, timeout=30, pool_size=4)
        await store.create_table()
        opened = []
        event.listen(store.engine.sync_engine, "connect", lambda *_: opened.append(1))
        began = fresh_id()
        await asyncio.gather(*(handle(store, f"{began}-{number}") for number in range(120)))
        await store.close()
        return len(opened)

    assert asyncio.run(scenario()) <= 4


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
def test_a_pool_that_is_exhausted_is_named(driver, tmp_path):
    store = SQLStore.from_url(sql_urls.url(driver, tmp_path), table=TABLE, timeout=2.0, pool_size=2)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(store.engine.connect())
        with pytest.raises(StoreUnavailable, match="all connections of the .* pool stayed in use.*pool_size"):
            store.claim(**asked(fresh_id()))
    store.close()


@pytest.mark.parametrize("driver", AWAITED)
def test_an_awaited_pool_that_is_exhausted_is_named(driver, tmp_path):
    async def scenario():
        store = AsyncSQLStore.from_url(sql_urls.url(driver, tmp_path), table=TABLE, timeout=2.0, pool_size=1)
        async with store.engine.connect():
            with pytest.raises(StoreUnavailable, match="all connections of the .* pool stayed in use.*pool_size"):
                await store.claim(**asked(fresh_id()))
        await store.close()

    asyncio.run(scenario())


def test_a_pool_has_a_connection_for_each_thread_that_the_server_declares(monkeypatch):
    url = "postgresql+psycopg://nobody@127.0.0.1/nothing"
    assert SQLStore.from_url(url).engine.pool.size() == POOL_SIZE
    monkeypatch.setattr(sys, "argv", ["/usr/bin/gunicorn", "--threads", "40", "app:app"])
    assert SQLStore.from_url(url).engine.pool.size() == 40
    assert SQLStore.from_url(url, pool_size=7).engine.pool.size() == 7


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "8"])
def test_a_pool_size_that_is_not_one_is_rejected(size):
    with pytest.raises(ConfigurationError, match="pool_size"):
        SQLStore.from_url("postgresql+psycopg://nobody@127.0.0.1/nothing", pool_size=size)


# --- PgBouncer


@pytest.fixture(scope="module")
def pgbouncer():
    """One in transaction mode, with fewer connections than clients."""
    servers.needs("PostgreSQL")
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        missing("PgBouncer is not installed: apt-get install pgbouncer")
    there, port = urlsplit(servers.POSTGRESQL), free_port()
    with tempfile.TemporaryDirectory(prefix="hookguard-pgbouncer-") as folder:
        Path(folder).chmod(0o755)
        Path(folder, "users").write_text(f'"{there.username}" "{there.password or ""}"\n')
        Path(folder, "settings").write_text(
            f"[databases]\n* = host={there.hostname} port={there.port or 5432}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nauth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\n"
            "default_pool_size = 3\nunix_socket_dir =\n"
        )
        user = {}
        if os.getuid() == 0:  # as which it does not run
            entry = pwd.getpwnam("postgres")
            user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([program, f"{folder}/settings"], **user, **quiet)
        try:
            yield f"{there.username}@127.0.0.1:{port}{there.path}"
        finally:
            process.terminate()
            process.wait(20)


async def _ready(store):
    deadline = time.monotonic() + 20
    while True:
        try:
            return await store.create_table()
        except (StoreUnavailable, OSError):
            assert time.monotonic() < deadline, "PgBouncer does not start"
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg_async"])
def test_many_concurrent_steps_behind_pgbouncer_in_transaction_mode_succeed(driver, pgbouncer):
    def make():
        if driver == "postgresql+asyncpg":
            return AsyncSQLStore.from_url(f"{driver}://{pgbouncer}", table=TABLE, timeout=20)
        options = {"poolclass": NullPool, "connect_args": {"prepare_threshold": None}}  # as the page on the store says
        return AsyncSQLStore(create_async_engine(f"{driver}://{pgbouncer}", **options), table=TABLE, timeout=20)

    async def scenario():
        # Two stores, as two workers: their statements would have the same names.
        stores = [make(), make()]
        await _ready(stores[0])
        began = fresh_id()
        for turn in range(4):
            await asyncio.gather(
                *(handle(store, f"{began}-{turn}-{number}-{which}") for which, store in enumerate(stores) for number in range(15))
            )
        assert [await store.check() for store in stores] == [[], []]
        for store in stores:
            await store.close()

    asyncio.run(scenario())


#: As the page on the store says.
FOR_PGBOUNCER = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}


def test_a_transactional_store_behind_pgbouncer_in_transaction_mode(pgbouncer):
    async def scenario():
        engine = create_async_engine(f"postgresql+asyncpg://{pgbouncer}", connect_args=FOR_PGBOUNCER)
        store = AsyncSQLTransactionStore(async_sessionmaker(engine), table=TABLE, timeout=20)
        await _ready(store)
        began = fresh_id()
        for turn in range(4):
            await asyncio.gather(*(handle(store, f"{began}-{turn}-{number}") for number in range(12)))
        assert await store.check() == []
        await engine.dispose()

    asyncio.run(scenario())


def test_asyncpg_behind_a_pooler_with_its_usual_settings_is_remarked(pgbouncer):
    async def scenario():
        engine = create_async_engine(f"postgresql+asyncpg://{pgbouncer}")
        store = AsyncSQLTransactionStore(async_sessionmaker(engine), table=TABLE, timeout=20)
        await _ready(store)
        (remark,) = await store.check()
        assert "PgBouncer" in remark
        assert "prepared_statement_name_func" in remark
        await engine.dispose()

    asyncio.run(scenario())
