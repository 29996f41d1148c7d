"""``hookguard inbox`` on PostgreSQL and MariaDB, with blocking and awaited drivers."""

import gc
import warnings

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("sqlalchemy")

from click.testing import CliRunner
from inboxes import put_event
from sql_urls import engine, url
from sqlalchemy import text

from hookguard.cli.app import hookguard
from hookguard.stores.sql import SQLStore

SERVERS = ("postgresql+psycopg", "postgresql+asyncpg", "mysql+pymysql", "mysql+asyncmy")
BLOCKING_DRIVER = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
TABLES = ("hookguard_event", "hookguard_inbox", "hookguard_delivery")


@pytest.fixture(params=SERVERS)
def driver(request):
    return request.param


@pytest.fixture
def database(driver, tmp_path):
    """A database without hookguard's tables, by the blocking driver."""
    made = engine(BLOCKING_DRIVER[driver.partition("+")[0]], tmp_path)

    def drop():
        with made.begin() as connection:
            for table in TABLES:
                connection.execute(text(f"DROP TABLE IF EXISTS {table}"))

    drop()
    yield made
    drop()
    made.dispose()


def run(*arguments, status=0):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        done = CliRunner().invoke(hookguard, arguments)
        gc.collect()
    assert done.exit_code == status, done.output
    return " ".join(done.output.split())


def test_commands_on_an_inbox_share_one_event_loop(driver, database, tmp_path):
    where = url(driver, tmp_path)
    store = SQLStore.from_url(url(BLOCKING_DRIVER[driver.partition("+")[0]], tmp_path), timeout=20)
    key = put_event(store.inbox(), "evt_1")
    store.close()
    assert "evt_1" in run("inbox", where)
    assert "no entry" in run("inbox", where, "--state", "dead")
    assert "/hooks/stripe" in run("inbox", where, "show", key[:12])
    assert "1 of 1" in run("inbox", where, "drop", key[:12], "--reason", "a test event")
    assert "the inbox is empty" in run("inbox", where)
