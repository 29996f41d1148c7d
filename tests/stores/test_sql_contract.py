"""The SQL stores under the contract, on every database and by every driver."""

import asyncio
import re
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import traceback
from contextlib import contextmanager

import pytest

pytest.importorskip("sqlalchemy")

from loops import Loop
from sql_urls import AWAITED, BLOCKING, AsyncSQLStore, SQLStore, async_engine, engine, fresh, url
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import sessionmaker

from hookguard.errors import ConfigurationError, MissingTable, StoreMisconfigured
from hookguard.store import ClaimStatus, StoreKey
from hookguard.stores.sql import SQLTransactionStore, create_table, store_from_url
from hookguard.stores.statements import Statements
from hookguard.testing import StoreContract


class BlockingContract(StoreContract):
    driver = ""

    @classmethod
    def setup_class(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.engine = engine(cls.driver, cls.folder.name)
        fresh(cls.engine, "hookguard_contract")

    @classmethod
    def teardown_class(cls):
        cls.engine.dispose()
        cls.folder.cleanup()

    def make_store(self, clock):
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM hookguard_contract"))
        return SQLStore(self.engine, table="hookguard_contract", clock=clock, timeout=20)

    @contextmanager
    def outage(self):
        with self.engine.begin() as connection:
            connection.execute(text("ALTER TABLE hookguard_contract RENAME TO hookguard_out_of_reach"))
        yield
        with self.engine.begin() as connection:
            connection.execute(text("ALTER TABLE hookguard_out_of_reach RENAME TO hookguard_contract"))


class AwaitedContract(StoreContract):
    driver = ""

    @classmethod
    def setup_class(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.loop = Loop()
        cls.engine = async_engine(cls.driver, cls.folder.name)
        cls.loop.run(AsyncSQLStore(cls.engine, table="hookguard_awaited", timeout=20).create_table())

    @classmethod
    def teardown_class(cls):
        cls.loop.run(cls.engine.dispose())
        cls.loop.close()
        cls.folder.cleanup()

    def make_store(self, clock):
        self.loop.run(self.execute("DELETE FROM hookguard_awaited"))
        return AsyncSQLStore(self.engine, table="hookguard_awaited", timeout=20, clock=clock)

    async def execute(self, sql):
        async with self.engine.begin() as connection:
            await connection.execute(text(sql))

    @contextmanager
    def outage(self):
        self.loop.run(self.execute("ALTER TABLE hookguard_awaited RENAME TO hookguard_awaited_away"))
        yield
        self.loop.run(self.execute("ALTER TABLE hookguard_awaited_away RENAME TO hookguard_awaited"))

    def do(self, result):
        return self.loop.run(result)


class TestPsycopg(BlockingContract):
    driver = "postgresql+psycopg"


class TestPyMySQL(BlockingContract):
    driver = "mysql+pymysql"


class TestPysqlite(BlockingContract):
    driver = "sqlite+pysqlite"


class TestAsyncpg(AwaitedContract):
    driver = "postgresql+asyncpg"


class TestAsyncPsycopg(AwaitedContract):
    driver = "postgresql+psycopg_async"


class TestAsyncmy(AwaitedContract):
    driver = "mysql+asyncmy"


class TestAiosqlite(AwaitedContract):
    driver = "sqlite+aiosqlite"


def test_every_driver_has_its_contract():
    tried = {cls.driver for base in (BlockingContract, AwaitedContract) for cls in base.__subclasses__()}
    assert tried == {*BLOCKING, *AWAITED}


# --- what is not the contract's


@pytest.fixture(params=BLOCKING)
def made(request, tmp_path):
    """An engine to a database without the table."""
    made = engine(request.param, tmp_path)
    with made.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS hookguard_other"))
    yield made
    made.dispose()


def claim(store, event_id="1", token=b"t" * 16):
    return store.claim(StoreKey("s", event_id), token=token, fingerprint=b"f" * 32, lease=60, retention=60)


def test_a_store_from_a_url_makes_its_table_when_it_is_missed(made):
    store = SQLStore.from_url(made.url, table="hookguard_other", timeout=20)
    assert claim(store).status == ClaimStatus.ACQUIRED
    assert store.check() == []
    fresh(made, "hookguard_other")
    with made.begin() as connection:
        connection.execute(text("DROP TABLE hookguard_other"))
    assert store.check() == []
    store.close()


def test_a_store_that_must_not_make_its_table_says_what_is_missing(made):
    store = SQLStore.from_url(made.url, table="hookguard_other", create=False, timeout=20)
    with pytest.raises(MissingTable, match=r"create the table with create_table\(engine\)"):
        claim(store)
    with pytest.raises(MissingTable, match="there is no table 'hookguard_other'"):
        store.check()
    store.create_table()
    assert store.check() == []
    assert claim(store).status == ClaimStatus.ACQUIRED
    store.close()


def test_the_server_starts_without_a_column_that_a_migration_has_yet_to_add(made):
    store = SQLStore(made, table="hookguard_other", timeout=20)
    store.create_table()
    with made.begin() as connection:
        connection.execute(text("ALTER TABLE hookguard_other DROP COLUMN attempt"))
    for ask in (store.check, lambda: claim(store)):
        with pytest.raises(MissingTable, match="attempt"):
            ask()


def test_a_table_that_may_not_be_created_is_missing(made):
    if made.dialect.name != "postgresql":
        pytest.skip("one database with users of their own is enough")
    with made.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS hookguard_reader"))
        connection.execute(text("CREATE ROLE hookguard_reader LOGIN"))
    store = SQLStore.from_url(made.url.set(username="hookguard_reader"), table="hookguard_other", timeout=20)
    try:
        for ask in (store.check, lambda: claim(store)):
            with pytest.raises(MissingTable, match="cannot create the table 'hookguard_other'.*migration of your own"):
                ask()
    finally:
        store.close()
        with made.begin() as connection:
            connection.execute(text("DROP ROLE hookguard_reader"))


def test_a_check_leaves_nothing_behind_and_finds_what_is_wrong(made):
    store = SQLStore(made, table="hookguard_other", timeout=20)
    store.create_table()
    assert store.check() == []
    with made.begin() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM hookguard_other")).scalar() == 0
        connection.execute(text("DROP TABLE hookguard_other"))
        connection.execute(text("CREATE TABLE hookguard_other (id VARCHAR(64), scope VARCHAR(255))"))
    with pytest.raises(StoreMisconfigured, match=r"no column event_id, state.*primary key.*no index on expires_at"):
        store.check()


def test_a_check_reports_clocks_that_differ_and_rows_that_no_purge_reached(made, monkeypatch):
    store = SQLStore(made, table="hookguard_other", timeout=20)
    store.create_table()
    true = time.time
    if made.dialect.name == "sqlite":
        # Its clock is the process's, so there is nothing that could differ.
        assert store.check() == []
    else:
        monkeypatch.setattr("hookguard.stores.fitness.time.time", lambda: true() - 90)
        (remark,) = store.check()
        assert re.match(r"the database's clock is (89\.\d|9\d\.\d) s ahead of this process's", remark)
        monkeypatch.undo()
    monkeypatch.setattr("hookguard.stores.fitness.EXPIRED", 2)
    old = SQLStore(made, table="hookguard_other", timeout=20, clock=lambda: true() - 1000)
    for number in range(3):
        claim(old, str(number))
    assert store.check() == ["at least 2 expired events wait to be deleted: call purge(limit=1000) until it returns 0"]


@pytest.mark.parametrize("make", [SQLStore.from_url, AsyncSQLStore.from_url, store_from_url])
@pytest.mark.parametrize("given", ["postgresql://u:s3cr/et@h:s3cr/db", "s3cr", "mysql://u:pw@h:33s3cr/db"])
def test_no_piece_of_a_url_that_cannot_be_read_is_in_an_error(given, make):
    with pytest.raises(ConfigurationError, match="percent-encode special characters in the password") as caught:
        make(given)
    assert "s3cr" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("given", ["postgresql://u:s3cr@h/db?sslmode=require", "postgresql://h/db?user=u&password=s3cr"])
def test_a_password_of_a_url_is_in_no_repr(given):
    transactional = SQLTransactionStore(sessionmaker(create_engine(given.replace("postgresql", "postgresql+psycopg"))))
    for store in (SQLStore.from_url(given), AsyncSQLStore.from_url(given), store_from_url(given), transactional):
        assert "s3cr" not in repr(store)
        assert "@h/db?" in repr(store) or "//h/db?" in repr(store)


def test_a_database_that_sqlalchemy_does_not_know_is_named():
    for given in ("nosuch://u:pw@h/db", "postgresql+nosuch://u:pw@h/db"):
        for make in (store_from_url, SQLStore.from_url, AsyncSQLStore.from_url):
            with pytest.raises(
                ConfigurationError, match="SQLAlchemy has no driver '(postgresql.)?nosuch'.*write postgresql://"
            ) as told:
                make(given)
            assert "pw" not in str(told.value)


@pytest.mark.parametrize(
    ("package", "given", "command"),
    [
        ("pymysql", "mysql://u:pw@h/db", "'hookguard-webhooks[mysql]'"),
        ("pymysql", "mariadb://u:pw@h/db", "'hookguard-webhooks[mysql]'"),
        ("psycopg", "postgresql://u:pw@h/db", "'hookguard-webhooks[postgresql]'"),
        ("asyncpg", "postgresql+asyncpg://u:pw@h/db", "'hookguard-webhooks[sqlalchemy]' asyncpg"),
        ("asyncmy", "mysql+asyncmy://u:pw@h/db", "'hookguard-webhooks[sqlalchemy]' asyncmy"),
        ("MySQLdb", "mysql+mysqldb://u:pw@h/db", "'hookguard-webhooks[sqlalchemy]' mysqlclient"),
    ],
)
def test_the_error_for_a_missing_driver_names_the_package(package, given, command, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    own = AsyncSQLStore.from_url if package.startswith("async") else SQLStore.from_url
    for make in (store_from_url, own):
        with pytest.raises(ConfigurationError) as told:
            make(given)
        assert str(told.value).endswith(f"pip install {command}")
        assert "pw" not in str(told.value)


@pytest.mark.parametrize("driver", AWAITED)
def test_an_awaited_store_from_a_url_makes_its_table_and_is_checked(driver, tmp_path):
    async def scenario():
        store = store_from_url(url(driver, tmp_path))
        store.table, store._steps = "hookguard_other", Statements(store._steps.database, table="hookguard_other")
        store._timeout = 20
        async with store.engine.begin() as connection:
            await connection.execute(text("DROP TABLE IF EXISTS hookguard_other"))
        assert await store.check() == []
        assert (await store.claim(StoreKey("s", "1"), token=b"t" * 16, fingerprint=b"f", lease=60, retention=60)).attempt == 1
        await store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("driver", BLOCKING)
def test_a_forked_process_opens_connections_of_its_own(driver, tmp_path):
    import multiprocessing

    store = SQLStore.from_url(url(driver, tmp_path), table="hookguard_forked", timeout=20)
    fresh(store.engine, "hookguard_forked")
    assert claim(store, "mine").status == ClaimStatus.ACQUIRED
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    children = [
        fork.Process(target=lambda number=number: answers.put([claim(store, f"{number} {n}").status for n in range(50)]))
        for number in range(4)
    ]
    for child in children:
        child.start()
    mine = [claim(store, f"mine {n}").status for n in range(50)]
    assert [answers.get(timeout=60) for _ in children] == [mine] * 4 == [[ClaimStatus.ACQUIRED] * 50] * 4
    for child in children:
        child.join(60)
    store.close()


def test_a_table_can_be_made_by_many_workers_concurrently(made):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(create_table, made, "hookguard_other") for _ in range(8)]:
            done.result()
    assert SQLStore(made, table="hookguard_other", timeout=20).check() == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"timeout": 0}, "timeout is 0"),
        ({"table": "Events"}, "lower case"),
        ({"table": "e; DROP TABLE users"}, "table is"),
    ],
)
def test_impossible_settings_are_rejected_when_the_store_is_made(arguments, why):
    with pytest.raises(ConfigurationError, match=why):
        SQLStore(create_engine("sqlite://"), **arguments)


def test_a_deadlock_is_tried_again(tmp_path):
    """A purge that waits for a row, whose holder waits for one of the purge's: MySQL undoes the one that did less."""
    made = engine("mysql+pymysql", tmp_path)
    fresh(made, "hookguard_deadlock")
    seen = []
    event.listen(made, "handle_error", lambda context: seen.append(context.original_exception.args[0]))
    store = SQLStore(made, table="hookguard_deadlock", timeout=30)
    # The first by its key is the first to expire, so that the purge begins with it whichever way it goes.
    keys = sorted((StoreKey("s", str(number)) for number in range(30)), key=lambda key: key.idempotency_key)
    for rank, key in enumerate(keys):
        old = SQLStore(made, table="hookguard_deadlock", timeout=30, clock=lambda rank=rank: 1000.0 + rank)
        claim(old, key.id)
    purged = []
    purging = threading.Thread(target=lambda: purged.append(store.purge(limit=100)))
    other = create_engine(made.url)
    with other.begin() as connection:
        touch = text("UPDATE hookguard_deadlock SET attempt = 7 WHERE id = :id")
        connection.execute(touch, [{"id": key.idempotency_key} for key in keys[1:]])
        purging.start()
        waits = text(
            "SELECT COUNT(*) FROM information_schema.innodb_trx"
            " WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE '%DELETE FROM hookguard_deadlock%'"
        )
        with other.connect().execution_options(isolation_level="AUTOCOMMIT") as looking:
            until = time.monotonic() + 60
            while not looking.scalar(waits):
                assert time.monotonic() < until
                time.sleep(0.01)
        connection.execute(touch, {"id": keys[0].idempotency_key})
    purging.join(30)
    assert seen == [1213]
    assert purged == [30]
    other.dispose()
    made.dispose()


def test_a_purge_on_postgresql_reads_only_what_has_expired(tmp_path):
    """An instant that may change from row to row would be compared with every row of the index."""
    made = engine("postgresql+psycopg", tmp_path)
    fresh(made, "hookguard_plan")
    (statement,) = Statements("postgresql", table="hookguard_plan").purge(10)
    with made.connect() as connection:
        connection.execute(text("SET enable_seqscan = off"))
        plan = "\n".join(row[0] for row in connection.execute(text(f"EXPLAIN {statement.sql}"), statement.values))
    assert "Index Cond: (expires_at <= " in plan
    assert "Filter" not in plan
    made.dispose()


def test_the_blocking_stores_do_without_greenlet(tmp_path):
    script = f"""
    import sys
    sys.modules["greenlet"] = None
    from hookguard.errors import ConfigurationError
    from hookguard.stores import sql
    assert sql.SQLStore.from_url("sqlite+pysqlite:///{tmp_path}/claims.db").check() == []
    assert sql.SQLTransactionStore
    try:
        sql.AsyncSQLStore.from_url("sqlite+aiosqlite:///{tmp_path}/claims.db")
    except (ConfigurationError, ImportError, ValueError) as error:
        assert "greenlet" in str(error)
    else:
        raise SystemExit("an awaited store without greenlet")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)
