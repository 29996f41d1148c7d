"""The SQL stores under the contract and the state machine, on every database and by every driver."""

import os
import tempfile

import pytest

pytest.importorskip("sqlalchemy")

from hypothesis import settings
from loops import Loop
from sql_urls import AWAITED, BLOCKING, AsyncSQLStore, SQLStore, async_engine, engine, fresh
from sqlalchemy import text

from hookguard.testing import StoreContract
from hookguard.testing.machine import store_machine

#: Worked out from the steps that each example has, so that no database gets fewer than 100,000.
MACHINE = settings(max_examples=int(os.environ.get("HOOKGUARD_MACHINE_EXAMPLES", "1000")), stateful_step_count=100)


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
        return SQLStore(self.engine, table="hookguard_contract", clock=clock)


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
        self.loop.run(self.empty())
        return AsyncSQLStore(self.engine, table="hookguard_awaited", timeout=20, clock=clock)

    async def empty(self):
        async with self.engine.begin() as connection:
            await connection.execute(text("DELETE FROM hookguard_awaited"))

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


@pytest.mark.parametrize("driver", BLOCKING)
def test_a_machine_of_100_000_steps_finds_no_difference(driver, tmp_path):
    made = engine(driver, tmp_path)
    fresh(made, "hookguard_machine")

    class Store(SQLStore):
        def close(self):
            """The machine closes its store after each example; the connections are used again."""

    def make(clock):
        with made.begin() as connection:
            connection.execute(text("DELETE FROM hookguard_machine"))
        return Store(made, table="hookguard_machine", clock=clock)

    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(store_machine(make), settings=MACHINE)
    made.dispose()
