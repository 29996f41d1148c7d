"""A failover: the name leads to the new primary immediately, and pooled connections to the old one, which takes no writes any more.

Servers of the tests' own, demoted in the middle. The very next delivery must be served by the new one.
"""

import asyncio
import itertools
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

pytest.importorskip("sqlalchemy")

import pymysql
import sql_urls
from paid_entries import LANE, SETTINGS, kept
from sql_servers import MariaDB, PostgreSQL, Proxy
from sql_shops import AsyncShop, Shop, make_tables
from sqlalchemy import create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from hookguard.errors import StoreUnavailable
from hookguard.inbox.contract import PutStatus
from hookguard.store import ClaimStatus, StoreKey
from hookguard.stores.driver_errors import is_demoted
from hookguard.stores.sql import AsyncSQLStore, SQLStore, create_table

BLOCKING = ("postgresql+psycopg", "mysql+pymysql")
AWAITED = ("postgresql+psycopg_async", "postgresql+asyncpg", "mysql+asyncmy")
TABLE = "hookguard_failover"

_number = itertools.count()


def fresh_id():
    return f"evt_{next(_number)}_{time.time_ns()}"


class Pair:
    """Two servers behind one name."""

    def __init__(self, kind):
        self.servers = [kind(), kind()]
        self.name = Proxy(self.servers[0].port)

    def url(self, driver, server=None):
        scheme, _, rest = self.servers[0].url.partition("://")
        port = self.name.port if server is None else server.port
        return f"{driver or scheme}://{rest.replace(str(self.servers[0].port), str(port))}"

    def begin(self):
        """The first one is the primary again, and both are empty."""
        self.name.leads_to(self.servers[0].port)
        blocking = "postgresql+psycopg" if self.servers[0].url.startswith("postgresql") else "mysql+pymysql"
        for server in self.servers:
            server.demote(False)
            made = create_engine(self.url(blocking, server), poolclass=NullPool)
            with made.begin() as connection:
                connection.execute(text(f"DROP TABLE IF EXISTS {TABLE}"))
                create_table(connection, TABLE)
                make_tables(connection)

    def fail_over(self):
        self.name.leads_to(self.servers[1].port)
        self.servers[0].demote()

    def close(self):
        self.name.close()
        for server in self.servers:
            server.close()


@contextmanager
def _pair(kind):
    made = Pair(kind)
    yield made
    made.close()


@pytest.fixture(scope="module")
def postgresql():
    with _pair(PostgreSQL) as made:
        yield made


@pytest.fixture(scope="module")
def mariadb():
    with _pair(MariaDB) as made:
        yield made


@pytest.fixture
def pair(request):
    driver = request.getfixturevalue("driver")
    made = request.getfixturevalue("postgresql" if driver.startswith("postgresql") else "mariadb")
    made.begin()
    return made


def asked(event_id):
    return {"key": StoreKey("faults", event_id), "token": b"t" * 16, "fingerprint": b"f" * 32, "lease": 60.0, "retention": 60.0}


def fill_pool(store):
    """Leave four connections in the pool."""
    held = [store.engine.connect() for _ in range(4)]
    for connection in held:
        connection.close()


async def fill_pool_awaited(store):
    held = [await store.engine.connect() for _ in range(4)]
    for connection in held:
        await connection.close()


@pytest.mark.parametrize("driver", BLOCKING)
def test_the_first_claim_after_a_failover_is_won_on_the_new_server(driver, pair):
    store = SQLStore.from_url(pair.url(driver), table=TABLE, timeout=10)
    fill_pool(store)
    assert store.claim(**asked("before")).status == ClaimStatus.ACQUIRED
    pair.fail_over()
    assert store.claim(**asked("after")).status == ClaimStatus.ACQUIRED
    assert store.complete(StoreKey("faults", "after"), token=b"t" * 16, retention=60.0)
    store.close()


@pytest.mark.parametrize("driver", BLOCKING)
def test_a_store_on_an_engine_of_the_users_follows_a_failover(driver, pair):
    store = SQLStore(create_engine(pair.url(driver)), table=TABLE, timeout=10)
    fill_pool(store)
    pair.fail_over()
    assert store.claim(**asked("after")).status == ClaimStatus.ACQUIRED
    store.close()


@pytest.mark.parametrize("driver", BLOCKING)
def test_a_check_after_a_failover_is_of_the_new_server(driver, pair):
    store = SQLStore.from_url(pair.url(driver), table=TABLE, timeout=10)
    fill_pool(store)
    pair.fail_over()
    assert store.check() == []
    store.close()


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("driver", AWAITED)
def test_an_awaited_store_follows_a_failover(driver, own, pair):
    async def scenario():
        if own:
            store = AsyncSQLStore.from_url(pair.url(driver), table=TABLE, timeout=10)
        else:
            store = AsyncSQLStore(create_async_engine(pair.url(driver)), table=TABLE, timeout=10)
        await fill_pool_awaited(store)
        pair.fail_over()
        assert await store.check() == []
        assert (await store.claim(**asked("after"))).status == ClaimStatus.ACQUIRED
        assert await store.complete(StoreKey("faults", "after"), token=b"t" * 16, retention=60.0)
        await store.close()

    asyncio.run(scenario())


BOXED = "hookguard_failed_event"
#: The steps of an endpoint and of a worker in an inbox.
INBOX_STEPS = (
    lambda inbox, held: inbox.put([kept(9)]),
    lambda inbox, held: inbox.take(LANE, limit=1, lease=60.0, settings=SETTINGS),
    lambda inbox, held: inbox.complete(held.key, token=held.token, settings=SETTINGS),
    lambda inbox, held: inbox.release(held.key, token=held.token, after=1.0, reason="no", settings=SETTINGS),
    lambda inbox, held: inbox.extend(held.key, token=held.token, lease=60.0),
    lambda inbox, held: inbox.give_up(held.key, token=held.token, reason="no", settings=SETTINGS),
)


def held_on_the_new_server(pair, driver):
    """Put events into an inbox on both servers; return the entries that a worker took from the second one, one for each step."""
    blocking = BLOCKING[0] if driver.startswith("postgresql") else BLOCKING[1]
    for server in pair.servers:
        with create_engine(pair.url(blocking, server), poolclass=NullPool).begin() as connection:
            for name in (BOXED, BOXED.replace("event", "inbox")):
                connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
            create_table(connection, BOXED, inbox=True)
        store = SQLStore.from_url(pair.url(blocking, server), table=BOXED, timeout=10)
        assert {put.status for put in store.inbox().put([kept(number) for number in range(8)])} == {PutStatus.STORED}
        if server is pair.servers[1]:
            held = store.inbox().take(LANE, limit=len(INBOX_STEPS), lease=60.0, settings=SETTINGS)
        store.close()
    return held


@pytest.mark.parametrize("driver", BLOCKING)
def test_each_step_of_an_inbox_follows_a_failover(driver, pair):
    held = held_on_the_new_server(pair, driver)
    stores = [SQLStore.from_url(pair.url(driver), table=BOXED, timeout=10) for _ in INBOX_STEPS]
    for store in stores:
        fill_pool(store)
    pair.fail_over()
    for store, step, entry in zip(stores, INBOX_STEPS, held, strict=True):
        assert step(store.inbox(), entry)
        store.close()


@pytest.mark.parametrize("driver", AWAITED)
def test_each_step_of_an_awaited_inbox_follows_a_failover(driver, pair):
    async def scenario():
        stores = [AsyncSQLStore.from_url(pair.url(driver), table=BOXED, timeout=10) for _ in INBOX_STEPS]
        for store in stores:
            await fill_pool_awaited(store)
        pair.fail_over()
        for store, step, entry in zip(stores, INBOX_STEPS, held, strict=True):
            assert await step(store.inbox(), entry)
            await store.close()

    held = held_on_the_new_server(pair, driver)
    asyncio.run(scenario())


def shop_at(url, monkeypatch):
    monkeypatch.setattr(sql_urls, "url", lambda driver, folder: url)
    awaited = url.partition("://")[0] in AWAITED
    return (AsyncShop if awaited else Shop)(url.partition("://")[0], None)


async def good(hand):
    await hand.write()
    return 200


@pytest.mark.parametrize("driver", [*BLOCKING, "postgresql+asyncpg", "mysql+asyncmy"])
def test_a_transaction_begins_on_the_new_server_after_a_failover(driver, pair, monkeypatch):
    shop = shop_at(pair.url(driver), monkeypatch)
    assert shop.send(fresh_id(), good) == 200
    pair.fail_over()
    event_id = fresh_id()
    assert shop.send(event_id, good) == 200
    assert shop.truth(event_id) == (1, True)
    shop.close()


@pytest.mark.parametrize("driver", ["mysql+pymysql", "mysql+asyncmy"])
def test_a_server_demoted_under_a_handler_is_503_and_the_next_try_runs_it_on_the_new_one(driver, pair, monkeypatch):
    shop = shop_at(pair.url(driver), monkeypatch)

    async def demoting(hand):
        await hand.write()
        pair.fail_over()
        return 200

    event_id = fresh_id()
    assert shop.send(event_id, demoting) == 503  # the commit is what fails
    assert shop.send(event_id, good) == 200
    assert shop.truth(event_id) == (1, True)
    shop.close()


# --- what a server says that was demoted, in all its words


@pytest.mark.parametrize("number", [1036, 1047, 1290, 1792, 1836, 1874])
@pytest.mark.parametrize("driver", ["mysql+pymysql"])
def test_each_way_in_which_mysql_says_it_drops_the_connection(driver, number, pair):
    store = SQLStore.from_url(pair.url(driver), table=TABLE, timeout=10)
    fill_pool(store)
    signal = f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'as the old primary says it'"
    pair.servers[0].execute(f"CREATE TRIGGER shop.rejects BEFORE INSERT ON shop.{TABLE} FOR EACH ROW {signal}")
    pair.name.leads_to(pair.servers[1].port)
    assert store.claim(**asked("after")).status == ClaimStatus.ACQUIRED
    store.close()


@pytest.mark.parametrize(
    ("error", "demoted"),
    [
        (pymysql.err.OperationalError(1105, "target: shop.0.primary: vttablet: not primary"), True),
        (pymysql.err.OperationalError(1205, "Lock wait timeout exceeded"), False),
        (pymysql.err.OperationalError(1213, "Deadlock found when trying to get lock"), False),
        (Exception("attempt to write a readonly database"), True),
        (Exception("database is locked"), False),
        (Exception("node is not the leader"), True),
    ],
)
def test_words_of_a_server_that_takes_no_writes(error, demoted):
    assert is_demoted(error) is demoted


def test_a_sqlite_connection_that_became_read_only_is_dropped(tmp_path):
    store = SQLStore.from_url(f"sqlite+pysqlite:///{tmp_path}/claims.db")
    store.create_table()
    with store.engine.connect() as connection:
        connection.execute(text("PRAGMA query_only = 1"))
    assert store.claim(**asked("1")).status == ClaimStatus.ACQUIRED
    store.close()


def test_other_uses_of_the_engine_drop_no_connection(tmp_path):
    engine = create_engine(f"sqlite+pysqlite:///{tmp_path}/claims.db")
    SQLStore(engine).create_table()
    dropped = []
    event.listen(engine, "invalidate", lambda *_: dropped.append(1))
    with engine.connect() as connection:
        connection.execute(text("PRAGMA query_only = 1"))
        with pytest.raises(Exception, match="readonly"):
            connection.execute(text("CREATE TABLE other (id INTEGER)"))
        connection.execute(text("PRAGMA query_only = 0"))
    assert not dropped
    engine.dispose()


# --- Django's


@pytest.fixture
def django_alias(request, pair):
    """The pair as a database of Django's, migrated on both servers; with psycopg's pool where the test asks for it."""
    pytest.importorskip("django")
    from django_site import configure

    configure()
    from django.db import connections

    from hookguard_django.models import WebhookEvent, WebhookInbox

    driver, pooled = request.getfixturevalue("driver"), request.getfixturevalue("pooled")
    usual = connections.databases["postgresql" if driver.startswith("postgresql") else "mysql"]
    parts = urlsplit(pair.url(driver))
    there = {"HOST": "127.0.0.1", "USER": parts.username, "PASSWORD": "", "NAME": parts.path.strip("/"), "CONN_MAX_AGE": None}
    if pooled:
        pytest.importorskip("psycopg_pool")
        there |= {"OPTIONS": {"pool": {"min_size": 3, "max_size": 4}}, "CONN_MAX_AGE": 0}
    for server in pair.servers:
        connections.databases["failover"] = {**usual, **there, "OPTIONS": {}, "PORT": server.port}
        with connections["failover"].schema_editor() as editor:
            for model in (WebhookEvent, WebhookInbox):
                editor.execute(f"DROP TABLE IF EXISTS {model._meta.db_table}")
                editor.create_model(model)
        connections["failover"].close()
        del connections["failover"]
    connections.databases["failover"] = {**usual, **there, "PORT": pair.name.port}
    yield "failover"
    connections["failover"].close()
    if pooled:
        connections["failover"].close_pool()
    del connections["failover"], connections.databases["failover"]


DJANGO = [("postgresql+psycopg", False), ("postgresql+psycopg", True), ("mysql+pymysql", False)]


@pytest.mark.parametrize(("driver", "pooled"), DJANGO)
@pytest.mark.parametrize("kind", ["ORMStore", "ORMTransactionStore"])
def test_djangos_stores_follow_a_failover(driver, pooled, kind, pair, django_alias):
    from django.db import connections

    from hookguard_django import stores

    store = getattr(stores, kind)(django_alias)

    def handle(event_id):
        claim = store.claim(**asked(event_id))
        assert store.complete(StoreKey("faults", event_id), token=b"t" * 16, retention=60.0)
        return claim.status

    assert handle("before") == ClaimStatus.ACQUIRED
    if pooled:
        connections[django_alias].pool.wait(10)
        connections[django_alias].close()  # as at the end of a request
    pair.fail_over()
    assert handle("after") == ClaimStatus.ACQUIRED
    assert store.check() == []


@pytest.mark.parametrize(("driver", "pooled"), DJANGO)
def test_djangos_inbox_follows_a_failover(driver, pooled, pair, django_alias):
    from hookguard_django.stores import ORMStore

    inbox = ORMStore(django_alias).inbox()
    assert [put.status for put in inbox.put([kept(0)])] == [PutStatus.STORED]  # a connection to the first server
    pair.fail_over()
    assert [put.status for put in inbox.put([kept(number) for number in range(1, 5)])] == [PutStatus.STORED] * 4
    held = inbox.take(LANE, limit=4, lease=60.0, settings=SETTINGS)
    assert all(step(inbox, entry) for step, entry in zip(INBOX_STEPS[2:], held, strict=True))


@pytest.mark.parametrize(("driver", "pooled"), [("mysql+pymysql", False)])
def test_a_server_demoted_under_a_view_costs_one_try(driver, pooled, pair, django_alias):
    from hookguard_django.stores import ORMTransactionStore

    store = ORMTransactionStore(django_alias)
    assert store.claim(**asked("1")).status == ClaimStatus.ACQUIRED
    pair.fail_over()
    with pytest.raises(StoreUnavailable, match="read-only"):
        store.complete(StoreKey("faults", "1"), token=b"t" * 16, retention=60.0)
    assert store.claim(**asked("1")).status == ClaimStatus.ACQUIRED
    assert store.complete(StoreKey("faults", "1"), token=b"t" * 16, retention=60.0)


@pytest.mark.parametrize(("driver", "pooled"), [("postgresql+psycopg", False)])
def test_a_claim_inside_of_a_users_transaction_leaves_a_good_connection_behind(driver, pooled, pair, django_alias):
    from django.db import transaction

    from hookguard_django.stores import ORMStore

    store = ORMStore(django_alias)
    assert store.claim(**asked("before")).status == ClaimStatus.ACQUIRED
    pair.fail_over()
    with transaction.atomic(using=django_alias), pytest.raises(StoreUnavailable, match="read-only"):
        store.claim(**asked("after"))
    assert store.claim(**asked("after")).status == ClaimStatus.ACQUIRED
