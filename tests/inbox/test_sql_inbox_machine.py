"""The inbox's state machine over PostgreSQL and MariaDB, blocking and awaited; see test_inbox_machine.py for the steps."""

import pytest

pytest.importorskip("sqlalchemy")

from loops import Blocked, Loop
from sql_urls import AsyncSQLStore, SQLStore, async_engine, engine
from sqlalchemy import text
from test_inbox_machine import STEPS, Reused, walk_inbox

from hookguard.stores.sql import create_table

TABLES = ("hookguard_walked_event", "hookguard_walked_inbox")
BLOCKING = ("postgresql+psycopg", "mysql+pymysql")
AWAITED = ("postgresql+asyncpg", "mysql+asyncmy")


@pytest.fixture
def emptied(request):
    """Fresh tables, and a function that empties them."""
    made = engine(BLOCKING["mysql" in request.param], None)

    def drop():
        with made.begin() as connection:
            for table in TABLES:
                connection.execute(text(f"DROP TABLE IF EXISTS {table}"))

    def empty():
        with made.begin() as connection:
            for table in TABLES:
                connection.execute(text(f"DELETE FROM {table}"))

    drop()
    create_table(made, TABLES[0], inbox=True)
    yield request.param, empty
    drop()
    made.dispose()


def with_clock(store, clock):
    store._clock = store._steps._clock = store.inbox()._operations._clock = clock


@pytest.mark.parametrize("emptied", BLOCKING, indirect=True)
def test_no_answer_differs_from_the_model(emptied):
    driver, empty = emptied
    made = engine(driver, None)
    store = SQLStore(made, table=TABLES[0], timeout=20, clock=lambda: 0.0)

    def make(clock):
        empty()
        with_clock(store, clock)
        return Reused(store)

    assert walk_inbox(make, STEPS, deadline=None) >= STEPS > 0
    made.dispose()


@pytest.mark.parametrize("emptied", AWAITED, indirect=True)
def test_no_awaited_answer_differs_from_the_model(emptied):
    driver, empty = emptied
    loop = Loop()
    made = async_engine(driver, None)
    store = AsyncSQLStore(made, table=TABLES[0], timeout=20, clock=lambda: 0.0)

    def make(clock):
        empty()
        with_clock(store, clock)
        return Blocked(store, loop)

    assert walk_inbox(make, STEPS, deadline=None) >= STEPS > 0
    loop.run(made.dispose())
    loop.close()
