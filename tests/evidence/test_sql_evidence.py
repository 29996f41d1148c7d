"""Records of deliveries in PostgreSQL, MariaDB and SQLite by SQLAlchemy: the contract for every driver, and a real guard."""

import asyncio
import json
import time

import pytest

pytest.importorskip("sqlalchemy")

from sql_urls import AsyncSQLStore, SQLStore, engine, url
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import sessionmaker

from hookguard import AsyncGuard, Endpoint, Guard, Verifier, presets
from hookguard.errors import ConfigurationError, MissingTable
from hookguard.guard.recording import flush
from hookguard.stores.sql import SQLTransactionStore, create_table
from hookguard.testing import EvidenceContract, FrozenClock

SECRET = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"
EVENTS, DELIVERIES = "hookguard_seen_event", "hookguard_seen_delivery"
BLOCKING = ("postgresql+psycopg", "mysql+pymysql", "sqlite+pysqlite")
AWAITED = ("postgresql+asyncpg", "postgresql+psycopg_async", "mysql+asyncmy", "sqlite+aiosqlite")
SAME = {"asyncpg": "psycopg", "psycopg_async": "psycopg", "asyncmy": "pymysql", "aiosqlite": "pysqlite"}


def drop_tables(driver, folder):
    database, _, name = driver.partition("+")
    made = engine(f"{database}+{SAME.get(name, name)}", folder)
    with made.begin() as connection:
        for table in (EVENTS, DELIVERIES):
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
    made.dispose()


class Contract(EvidenceContract):
    driver = ""

    @pytest.fixture(autouse=True)
    def _tables(self, tmp_path):
        drop_tables(self.driver, tmp_path)
        kind = AsyncSQLStore if self.driver in AWAITED else SQLStore
        self.clock = FrozenClock()
        self.store = kind.from_url(url(self.driver, tmp_path), table=EVENTS, timeout=20)
        self.store._clock = self.clock
        self.evidence = self.store.evidence()
        yield
        closing = self.store.close()
        if closing is not None:
            asyncio.run(closing)
        drop_tables(self.driver, tmp_path)

    def setup_method(self):
        """The fixture makes the store."""


class TestPsycopg(Contract):
    driver = "postgresql+psycopg"


class TestPyMySQL(Contract):
    driver = "mysql+pymysql"


class TestSQLiteBySQLAlchemy(Contract):
    driver = "sqlite+pysqlite"


class TestAsyncpg(Contract):
    driver = "postgresql+asyncpg"


class TestAsyncMy(Contract):
    driver = "mysql+asyncmy"


def delivery(number=1):
    body = json.dumps({"id": f"evt_{number}", "type": "invoice.paid"}).encode()
    return presets.STRIPE.sign(body, SECRET)


@pytest.mark.parametrize("driver", [*BLOCKING, *AWAITED])
def test_guard_records_through_each_driver(driver, tmp_path):
    drop_tables(driver, tmp_path)
    endpoint = Endpoint(Verifier("stripe", [SECRET]), name="billing", evidence={"keep_body": "1h"})
    if driver in AWAITED:
        store = AsyncSQLStore.from_url(url(driver, tmp_path), table=EVENTS, timeout=20)

        async def receive():
            guarded = AsyncGuard(endpoint, store)
            found = [await guarded.run(delivery(number), lambda event: None) for number in (1, 2)]
            await store.close()
            return found

        replies = asyncio.run(receive())
    else:
        store = SQLStore.from_url(url(driver, tmp_path), table=EVENTS, timeout=20)
        guarded = Guard(endpoint, store)
        replies = [guarded.run(delivery(number), lambda event: None) for number in (1, 2)]
    assert [reply.status for reply in replies] == [200, 200]
    assert flush()
    found = store.evidence().find(limit=10)
    assert [record.event_id for record in found] == ["evt_2", "evt_1"]
    assert b"invoice.paid" in store.evidence().body(found[0].delivery).body
    if driver not in AWAITED:
        store.close()
    drop_tables(driver, tmp_path)


@pytest.mark.parametrize("driver", BLOCKING)
def test_table_may_come_from_a_migration(driver, tmp_path):
    drop_tables(driver, tmp_path)
    made = engine(driver, tmp_path)
    samples = EvidenceContract()
    samples.clock = time.time
    store = SQLStore(made, table=EVENTS, timeout=20)  # its check makes more statements than a claim
    create_table(made, EVENTS)
    with pytest.raises(MissingTable, match=r"create_table\(engine, evidence=True\)"):
        store.evidence().find(limit=1)
    assert any("evidence=True" in problem for problem in store.check())
    create_table(made, EVENTS, evidence=True)
    create_table(made, EVENTS, evidence=True)
    assert store.check() == []
    assert store.evidence().write([(samples.record(), None)]) == 1
    made.dispose()
    drop_tables(driver, tmp_path)


@pytest.mark.parametrize("driver", BLOCKING)
def test_transactional_store_records_on_a_connection_of_its_own(driver, tmp_path):
    drop_tables(driver, tmp_path)
    made = engine(driver, tmp_path)
    create_table(made, EVENTS, evidence=True)
    store = SQLTransactionStore(sessionmaker(made), table=EVENTS)
    guarded = Guard(Endpoint(Verifier("stripe", [SECRET]), name="billing", evidence=True), store)

    def fail(event):
        raise ValueError("the handler failed")

    assert guarded.run(delivery(), fail).status == 500
    assert guarded.run(delivery(), lambda event: None).status == 200
    assert flush()
    assert [record.outcome for record in store.evidence().find(limit=10)] == ["handled", "failed"]
    made.dispose()
    drop_tables(driver, tmp_path)


def test_engine_of_an_asynchronous_driver_is_rejected(tmp_path):
    pytest.importorskip("aiosqlite")
    store = AsyncSQLStore(create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/claims.db"))
    with pytest.raises(ConfigurationError, match="make the store with AsyncSQLStore.from_url"):
        AsyncGuard(Endpoint(Verifier("stripe", [SECRET]), evidence=True), store)
    asyncio.run(store.close())


def test_transactional_store_with_an_asynchronous_session_is_rejected(tmp_path):
    pytest.importorskip("aiosqlite")
    from sqlalchemy.ext.asyncio import async_sessionmaker

    from hookguard.stores.sql import AsyncSQLTransactionStore

    made = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/claims.db")
    with pytest.raises(ConfigurationError, match="AsyncSQLTransactionStore cannot keep records"):
        AsyncGuard(Endpoint(Verifier("stripe", [SECRET]), evidence=True), AsyncSQLTransactionStore(async_sessionmaker(made)))
    asyncio.run(made.dispose())


def test_engine_and_table_are_those_of_the_store(tmp_path):
    store = SQLStore(create_engine(f"sqlite:///{tmp_path}/claims.db"), table="shop_event")
    assert store.evidence().table == "shop_delivery"
    assert store.evidence() is store.evidence()
    store.close()
