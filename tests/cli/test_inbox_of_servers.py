"""``hookguard inbox`` on PostgreSQL and MariaDB, with blocking and awaited drivers."""

import gc
import sys
import warnings

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("sqlalchemy")

from click.testing import CliRunner
from inboxes import put_event
from sql_urls import engine, url
from sqlalchemy import inspect, text

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


def test_command_that_looks_creates_no_table(driver, database, tmp_path):
    where = url(driver, tmp_path)
    for arguments, table, status in (
        (("inbox", where), "hookguard_inbox", 2),
        (("inbox", where, "prune"), "hookguard_inbox", 2),
        (("deliveries", where), "hookguard_delivery", 2),
        (("store", "check", where), "hookguard_event", 1),
    ):
        said = run(*arguments, status=status)
        assert table in said
        assert "create the table with create_table(engine" in said or "create it with create_table(engine)" in said
        assert "An application that starts with this store's URL creates it, a command does not" in said
        assert not set(TABLES) & set(inspect(database).get_table_names())


def test_store_of_a_module_creates_no_table_for_a_command(driver, database, tmp_path, monkeypatch):
    (tmp_path / "looked_at.py").write_text(
        f"from hookguard.config import store_from\nSTORE = store_from({url(driver, tmp_path)!r})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert "hookguard_inbox" in run("inbox", "looked_at.STORE", status=2)
        assert not set(TABLES) & set(inspect(database).get_table_names())
    finally:
        sys.modules.pop("looked_at", None)
