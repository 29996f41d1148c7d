"""The contract of the inbox in Django's database, on three databases; and what is theirs alone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

pytest.importorskip("django")

from django_site import configure

configure()

from django.core.management import call_command
from django.db import connections, transaction
from django.test import TestCase
from django_tables import InOneDatabase, close_database, open_database
from paid_entries import SETTINGS, kept, live, states, take

from hookguard.errors import MissingTable, StoreMisconfigured, StoreUnavailable
from hookguard.inbox.contract import EntryState, PutStatus
from hookguard.store import ClaimStatus, StoreKey
from hookguard.testing import InboxContract
from hookguard_django.models import WebhookInbox
from hookguard_django.stores import ORMStore

ALIASES = ("sqlite", "postgresql", "mysql")
STORED, KNOWN, AGAIN = PutStatus.STORED, PutStatus.KNOWN, PutStatus.AGAIN


class TestSQLite(InOneDatabase, InboxContract):
    alias = "sqlite"


class TestPostgreSQL(InOneDatabase, InboxContract):
    alias = "postgresql"


class TestMariaDB(InOneDatabase, InboxContract):
    alias = "mysql"


# --- what is not the contract's


@pytest.fixture(params=ALIASES)
def alias(request):
    """A database with empty tables."""
    open_database(request.param)
    yield request.param
    close_database(request.param)


@pytest.fixture
def inbox(alias):
    return ORMStore(alias).inbox()


def statuses(answers):
    return [put.status for put in answers]


def execute(alias, *statements):
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def in_threads(number, work, *given):
    """Call it in threads, whose connections nobody else would close."""

    def tidy():
        try:
            return work(*given)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as threads:
        return [one.result() for one in [threads.submit(tidy) for _ in range(number)]]


def test_an_entry_lives_by_the_database_s_clock(inbox):
    live(inbox)


def test_each_entry_goes_to_one_of_many_workers_and_a_line_keeps_its_order(inbox):
    lines = [None, "a" * 64, "b" * 64, "c" * 64]
    inbox.put([kept(number, line=lines[number % 4]) for number in range(80)])
    ran, mutex, barrier = [], threading.Lock(), threading.Barrier(4)

    def work():
        barrier.wait()
        while any(count.state in (EntryState.WAITING, EntryState.HELD) for count in inbox.counts()):
            for held in take(inbox, 4):
                with mutex:
                    ran.append(int(held.kept.key.id))
                assert inbox.complete(held.key, token=held.token, settings=SETTINGS)

    in_threads(4, work)
    assert sorted(ran) == list(range(80))
    for line in (1, 2, 3):
        ordered = [number for number in ran if number % 4 == line]
        assert ordered == sorted(ordered)


SNAPSHOTS = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "mysql": "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
}


def test_an_event_that_many_receive_at_the_same_moment_is_stored_once(alias, inbox):
    """Also where the project's transactions read a snapshot: an answer by it would be an old one."""
    inbox.put([kept("first")])
    barrier = threading.Barrier(5)

    def put():
        if alias in SNAPSHOTS:
            execute(alias, SNAPSHOTS[alias])
        barrier.wait()
        return [statuses(inbox.put([kept(number), kept(f"{number} too")])) for number in range(10)]

    answers = in_threads(5, put)
    for each in zip(*answers, strict=True):
        for event in (0, 1):
            assert sorted(answer[event] for answer in each) == [STORED] + [KNOWN] * 4
    assert len(take(inbox, 100)) == 21


def test_a_put_that_fails_stores_nothing_and_leaves_its_connection_as_it_was(alias, inbox):
    with pytest.raises(StoreUnavailable):
        inbox.put([kept(1), kept(2, head=None)])
    assert not connections[alias].in_atomic_block
    assert connections[alias].get_autocommit()
    assert inbox.find(limit=1) == []
    claimed = ORMStore(alias).claim(StoreKey("s", "1"), token=b"t" * 16, fingerprint=b"", lease=60, retention=60)
    assert claimed.status == ClaimStatus.ACQUIRED


# --- transactions of others


def test_nothing_is_answered_that_an_open_transaction_may_take_back(alias, inbox):
    with (
        transaction.atomic(using=alias),
        pytest.raises(StoreMisconfigured, match=r"put @webhook outside of @transaction\.atomic"),
    ):
        inbox.put([kept(1)])
    assert inbox.find(limit=1) == []
    assert statuses(inbox.put([kept(1)])) == [STORED]


def test_the_transaction_of_a_test_case_rejects_nothing(alias, inbox):
    block = transaction.atomic(using=alias)
    block._from_testcase = True
    with block:
        assert statuses(inbox.put([kept(1), kept(2)])) == [STORED, STORED]
        (held, _) = take(inbox)
        assert inbox.complete(held.key, token=held.token, settings=SETTINGS)
        assert statuses(inbox.put([kept(1), kept(3)])) == [KNOWN, STORED]
        transaction.set_rollback(True, using=alias)
    assert inbox.find(limit=1) == []


def test_django_marks_the_transactions_of_its_test_cases():
    """Which the test above sets by hand."""
    assert "_from_testcase" in TestCase._enter_atomics.__code__.co_names


def test_a_rerun_is_part_of_the_caller_s_transaction(alias, inbox):
    inbox.put([kept(1)])
    (held,) = take(inbox)
    inbox.give_up(held.key, token=held.token, reason="gone", settings=SETTINGS)
    with transaction.atomic(using=alias):
        assert inbox.rerun([held.key], reason="mended", by="anna") == 1
        transaction.set_rollback(True, using=alias)
    assert states(inbox) == {"1": EntryState.DEAD}


# --- connections


@contextmanager
def broken(alias):
    """The thread's connection, which the server has closed meanwhile."""
    mine = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}[alias]
    with connections[alias].cursor() as cursor:
        cursor.execute(mine)
        (number,) = cursor.fetchone()
    kill = {"postgresql": f"SELECT pg_terminate_backend({number})", "mysql": f"KILL {number}"}[alias]
    in_threads(1, execute, alias, kill)
    yield


@pytest.mark.parametrize("alias", ["postgresql", "mysql"], indirect=True)
@pytest.mark.parametrize("number", [1, 2])
def test_a_connection_that_broke_since_the_last_event_is_replaced(alias, inbox, number):
    inbox.put([kept("first")])
    with broken(alias):
        assert statuses(inbox.put([kept(each) for each in range(number)])) == [STORED] * number
    with broken(alias):
        assert len(take(inbox)) == 1 + number


def test_a_worker_s_threads_keep_no_connection_longer_than_the_project_allows_and_none_when_they_end(alias, inbox):
    from hookguard.process.threads import OwnThread

    def work(seconds):
        connection = connections[alias]
        connection.settings_dict["CONN_MAX_AGE"] = seconds
        inbox.counts()
        open_then.append(connection.connection is not None)
        used.append(connection)

    open_then, used = [], []
    for seconds in (0, 600):
        thread = OwnThread(lambda seconds=seconds: work(seconds), "own")
        thread.start()
        thread.join(60)
    connections[alias].settings_dict["CONN_MAX_AGE"] = 0
    assert open_then == [False, True]
    assert [connection.connection for connection in used] == [None, None]


# --- the table and the server


@pytest.fixture(params=ALIASES)
def migrated(request):
    """A database with the tables of the migrations."""
    open_database(request.param)  # which skips where the server is missing
    close_database(request.param)
    drop = "DROP TABLE IF EXISTS django_migrations"
    execute(request.param, drop)
    call_command("migrate", "hookguard", database=request.param, verbosity=0)
    yield request.param
    call_command("migrate", "hookguard", "zero", database=request.param, verbosity=0)
    execute(request.param, drop)
    connections.close_all()


def checked(alias):
    """The check of a store with an inbox."""
    store = ORMStore(alias)
    store.inbox()
    return store.check()


def test_the_migrations_make_what_the_check_wants(migrated):
    assert checked(migrated) == []
    if migrated == "postgresql":
        with connections[migrated].cursor() as cursor:
            cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'hookguard_inbox'")
            assert cursor.fetchone()[0] == ["fillfactor=80", "autovacuum_vacuum_scale_factor=0.02"]


def test_no_change_of_the_models_lacks_its_migration():
    call_command("makemigrations", "hookguard", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("migrated", ["postgresql", "mysql"], indirect=True)
def test_sqlalchemy_s_store_can_use_the_same_tables(migrated):
    pytest.importorskip("sqlalchemy")
    from sql_urls import SQLStore, url

    other = SQLStore.from_url(url({"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}[migrated], None), create=False)
    theirs, ours = other.inbox(), ORMStore(migrated).inbox()
    assert other.check() == []
    ours.put([kept(1, event_type="Grüße 🎉")])
    assert statuses(theirs.put([kept(1), kept(2)])) == [KNOWN, STORED]
    assert [held.kept.event_type for held in take(theirs)] == ["Grüße 🎉", "paid"]
    assert ours.drop([kept(1).key.idempotency_key], reason="a test", by="anna") == 0
    other.close()


def test_texts_are_compared_byte_for_byte(migrated):
    inbox = ORMStore(migrated).inbox()
    inbox.put([kept(1, event_type="Paid", endpoint="Pay"), kept(2)])
    assert [entry.event_id for entry in inbox.find(type="Paid", limit=9)] == ["1"]
    assert [held.kept.key.id for held in take(inbox)] == ["2"]


WRONG = {
    "DROP TABLE hookguard_inbox": "has no table 'hookguard_inbox': run manage.py migrate hookguard --database",
    "ALTER TABLE hookguard_inbox DROP COLUMN retention": "has no column retention: run manage.py migrate",
    "DROP INDEX hookguard_inbox_due{on}": "no index on endpoint, part, state, due_at, so workers read all of it",
    # SQLite drops no constraint.
    "{unique} hookguard_inbox_held": "no unique index on held_line, so two workers may hold one line",
    "{unique} hookguard_inbox_entry": "no unique index on id, part, so an event may be stored twice",
}


@pytest.mark.parametrize(
    ("alias", "change"),
    [(alias, change) for alias in ALIASES for change in WRONG if alias != "sqlite" or "{unique}" not in change],
    indirect=["alias"],
)
def test_a_wrong_table_is_rejected_with_what_is_wrong(alias, change):
    unique = f"ALTER TABLE hookguard_inbox DROP {'INDEX' if alias == 'mysql' else 'CONSTRAINT'}"
    wait = {"postgresql": "SET synchronous_commit = on", "sqlite": "PRAGMA synchronous = FULL"}.get(alias, "SELECT 1")
    execute(alias, wait, change.format(on=" ON hookguard_inbox" if alias == "mysql" else "", unique=unique))
    with pytest.raises((StoreMisconfigured, MissingTable), match=WRONG[change]):
        checked(alias)
    with connections[alias].schema_editor() as editor:
        if "DROP TABLE" not in change:
            editor.delete_model(WebhookInbox)
        editor.create_model(WebhookInbox)


def test_claims_and_forget_work_before_the_inbox_s_table_is_there(alias):
    store = ORMStore(alias)
    store.claim(StoreKey("s", "1"), token=b"t" * 16, fingerprint=b"", lease=60, retention=60)
    execute(alias, "DROP TABLE hookguard_inbox")
    assert store.check() == []
    with transaction.atomic(using=alias):
        assert store.forget(StoreKey("s", "1")) is True
        assert store.forget(StoreKey("s", "1")) is False
    with pytest.raises(MissingTable, match="did you run manage.py migrate"):
        store.inbox().put([kept(1)])
    with connections[alias].schema_editor() as editor:
        editor.create_model(WebhookInbox)


@pytest.mark.parametrize(
    ("alias", "setting", "says"),
    [
        ("postgresql", "SET synchronous_commit = off", "synchronous_commit is off .* set synchronous_commit = on"),
        ("sqlite", "PRAGMA synchronous = NORMAL", "PRAGMA synchronous is below FULL .* a database alias of its own"),
        ("sqlite", "PRAGMA journal_mode = MEMORY", "journal_mode is memory .* set journal_mode = WAL"),
    ],
    indirect=["alias"],
)
def test_a_database_that_answers_before_the_disk_is_rejected(alias, setting, says):
    if alias == "sqlite":
        execute(alias, "PRAGMA synchronous = FULL")
    execute(alias, setting)
    assert ORMStore(alias).check() == [], "claims may: one that is forgotten runs again"
    with pytest.raises(StoreMisconfigured, match=says):
        checked(alias)
