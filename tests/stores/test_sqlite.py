import gc
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hookguard import ClaimStatus, ConfigurationError, SQLiteStore, StoreKey, StoreUnavailable
from hookguard.errors import StoreMisconfigured
from hookguard.stores.sqlite import check_file
from hookguard.testing import FrozenClock

KEY = StoreKey("s", "evt_1")
ARGUMENTS = {"token": b"t" * 16, "fingerprint": b"f" * 32, "lease": 60.0, "retention": 100.0}
OTHER = ARGUMENTS | {"token": b"u" * 16}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "claims.sqlite3"


@pytest.fixture
def store(path):
    store = SQLiteStore(path, timeout=1.0)
    yield store
    store.close()


def test_claims_survive_a_restart(path):
    first = SQLiteStore(path)
    first.claim(KEY, **ARGUMENTS)
    first.complete(KEY, token=ARGUMENTS["token"], retention=100.0, reply=b"r")
    first.close()
    second = SQLiteStore(path)
    found = second.claim(KEY, **OTHER)
    second.close()
    assert (found.status, found.reply) == (ClaimStatus.DONE, b"r")


def test_a_closed_store_opens_again(store):
    store.claim(KEY, **ARGUMENTS)
    store.close()
    assert store.claim(KEY, **OTHER).status == ClaimStatus.IN_PROGRESS


def test_another_process_sees_the_claim(store, path):
    store.claim(KEY, **ARGUMENTS)
    code = (
        "import sys; from hookguard import *; store = SQLiteStore(sys.argv[1]);"
        "print(store.claim(StoreKey('s', 'evt_1'), token=b'u' * 16, fingerprint=b'f' * 32, lease=60, retention=100).status.name);"
        "store.close()"
    )
    assert subprocess.check_output([sys.executable, "-c", code, str(path)], text=True).strip() == "IN_PROGRESS"


def test_a_store_made_before_the_fork_serves_parent_and_child(store):
    store.claim(KEY, **ARGUMENTS)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            seen = store.claim(KEY, **OTHER).status
            won = store.claim(StoreKey("s", "from the child"), **OTHER).status
            os.write(write, f"{seen.name} {won.name}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as told:
        assert told.read() == "IN_PROGRESS ACQUIRED"
    assert store.complete(KEY, token=ARGUMENTS["token"], retention=100.0)
    assert store.claim(StoreKey("s", "from the child"), **ARGUMENTS).status == ClaimStatus.IN_PROGRESS


def test_a_locked_database_is_unavailable_within_the_timeout_and_never_a_duplicate(store, path):
    store.claim(StoreKey("s", "known"), **ARGUMENTS)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="locked"):
        store.claim(KEY, **ARGUMENTS)
    with pytest.raises(StoreUnavailable):
        store.complete(StoreKey("s", "known"), token=ARGUMENTS["token"], retention=100.0)
    assert time.monotonic() - began < 10  # two waits of a second, on a machine however slow
    # Readers do not wait: what is known is still answered.
    assert store.claim(StoreKey("s", "known"), **OTHER).status == ClaimStatus.IN_PROGRESS
    blocker.execute("ROLLBACK")
    blocker.close()
    assert store.claim(KEY, **ARGUMENTS).status == ClaimStatus.ACQUIRED


def test_claim_waits_for_a_writer_that_finishes_in_time(path):
    store = SQLiteStore(path, timeout=30)
    blocker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN IMMEDIATE")
    letting_go = threading.Timer(0.2, blocker.execute, ["ROLLBACK"])
    letting_go.start()
    assert store.claim(KEY, **ARGUMENTS).status == ClaimStatus.ACQUIRED
    letting_go.join()
    blocker.close()
    store.close()


def test_a_full_disk_is_unavailable_and_recovers(store):
    connection = store._database.here().connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    claimed = []
    with pytest.raises(StoreUnavailable, match="full"):
        for number in range(1000):
            store.claim(StoreKey("s", f"{number:0200d}"), **ARGUMENTS)
            claimed.append(number)
    assert store.complete(StoreKey("s", f"{claimed[0]:0200d}"), token=ARGUMENTS["token"], retention=100.0)
    connection.execute("PRAGMA max_page_count = 1000000")
    assert store.claim(KEY, **ARGUMENTS).status == ClaimStatus.ACQUIRED


def test_missing_table_is_unavailable_and_not_an_answer(store):
    store._database.here().connection.execute("DROP TABLE hookguard_claim")
    with pytest.raises(StoreUnavailable):
        store.claim(KEY, **ARGUMENTS)


def test_file_that_is_not_a_database_is_rejected(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("this is not a database, however long it is made" * 100)
    with pytest.raises(StoreMisconfigured, match="cannot use"):
        SQLiteStore(path)


def test_missing_folder_is_rejected(tmp_path):
    with pytest.raises(StoreMisconfigured, match=f"there is no folder {re.escape(str(tmp_path))}/missing; create it"):
        SQLiteStore(tmp_path / "missing" / "claims.sqlite3")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write to read-only files")
def test_a_read_only_file_is_rejected(path):
    SQLiteStore(path).close()
    path.chmod(0o400)
    with pytest.raises(StoreMisconfigured):
        SQLiteStore(path)


@pytest.mark.parametrize("path", [":memory:", ""])
def test_a_database_without_a_file_is_rejected(path):
    with pytest.raises(ConfigurationError, match="MemoryStore"):
        SQLiteStore(path)


@pytest.mark.parametrize("options", [{"synchronous": "OFF"}, {"timeout": 0}])
def test_invalid_settings_are_rejected(path, options):
    with pytest.raises(ConfigurationError):
        SQLiteStore(path, **options)


def test_an_sqlite_that_is_too_old_is_rejected(path, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(StoreMisconfigured, match=r"3\.35"):
        SQLiteStore(path)


def test_the_file_is_in_wal_mode_and_waits_for_the_disk_when_asked(path):
    store = SQLiteStore(path, synchronous="FULL")
    connection = store._database.here().connection
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    store.close()


def test_expired_events_are_deleted_as_new_ones_come(path):
    clock = FrozenClock()
    store = SQLiteStore(path, clock=clock)
    for number in range(1_000):
        store.claim(StoreKey("s", str(number)), **ARGUMENTS)
        clock.advance(1)
    rows = store._database.here().connection.execute("SELECT count(*) FROM hookguard_claim").fetchone()[0]
    store.close()
    assert rows <= 160 + 64


def test_threads_share_a_store(store):
    won = []

    def work(number):
        for index in range(50):
            token = bytes([number]) * 16
            if store.claim(StoreKey("s", str(index)), **ARGUMENTS | {"token": token}).status == ClaimStatus.ACQUIRED:
                won.append(index)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(50))


def open_files(path):
    """Return how often this process has the file open."""
    return sum(os.path.realpath(link) == str(path) for link in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks for open files in /proc")
def test_the_file_is_open_from_the_first_use_until_the_store_is_dropped(path):
    store = SQLiteStore(path)
    assert open_files(path) == 0, "a server that forks now would hand it down to its workers"
    store.claim(KEY, **ARGUMENTS)
    assert open_files(path) == 1
    del store
    gc.collect()
    assert open_files(path) == 0


def test_file_that_became_unusable_is_an_outage(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    store = SQLiteStore(folder / "claims.sqlite3")
    shutil.rmtree(folder)
    with pytest.raises(StoreUnavailable, match="cannot use"):
        store.claim(KEY, **ARGUMENTS)


def test_threads_that_open_concurrently_share_one_connection(path):
    for _ in range(20):
        store = SQLiteStore(path)
        barrier = threading.Barrier(8)
        found = []

        def work(store=store, barrier=barrier, found=found):
            barrier.wait()
            found.append(store._database.here())

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(opened) for opened in found}) == 1
        store.close()


def test_failed_purge_does_not_reject_the_event(path, monkeypatch):
    store = SQLiteStore(path)

    def purge(*, limit):
        raise StoreUnavailable("locked")

    monkeypatch.setattr(store, "purge", purge)
    for number in range(64):
        assert store.claim(StoreKey("s", str(number)), **ARGUMENTS).status == ClaimStatus.ACQUIRED
    store.close()


def test_a_large_purge_takes_several_transactions(path):
    clock = FrozenClock()
    store = SQLiteStore(path, clock=clock)
    for number in range(600):
        store.claim(StoreKey("s", str(number)), **ARGUMENTS)
    clock.advance(161)
    statements = []
    store._database.here().connection.set_trace_callback(statements.append)
    assert store.purge(limit=550) == 550
    assert sum("DELETE" in statement for statement in statements) == 3
    assert (store.purge(limit=1000), store.purge(limit=1000)) == (50, 0)
    store.close()


def folder_of(path):
    """Return every file in the same folder, with its content."""
    return {each.name: each.read_bytes() for each in path.parent.iterdir() if each.is_file()}


def of_another_program(path, statement="CREATE TABLE orders (id)", mode="delete"):
    connection = sqlite3.connect(path)
    assert connection.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,)
    connection.execute(statement)
    connection.commit()
    return connection


#: The Django store's table, as SQLite holds it.
DJANGOS = (
    'CREATE TABLE "hookguard_event" ("id" varchar(64) NOT NULL PRIMARY KEY, "scope" varchar(255) NOT NULL, "event_id" varchar(255)'
    ' NOT NULL, "state" smallint NOT NULL, "token" BLOB NOT NULL, "fingerprint" BLOB NOT NULL, "claimed_at" real NOT NULL,'
    ' "lease_until" real NOT NULL, "expires_at" real NOT NULL, "attempt" integer NOT NULL, "reply" BLOB NULL)'
)


def test_table_with_other_columns_is_rejected_and_its_file_stays_as_it_is(path):
    of_another_program(path, DJANGOS.replace("hookguard_event", "hookguard_claim")).close()
    before = folder_of(path)
    with pytest.raises(StoreMisconfigured, match="a table hookguard_claim with other columns"):
        SQLiteStore(path)
    assert folder_of(path) == before


def test_file_of_the_django_store_is_not_checked_as_this_store(path):
    of_another_program(path, DJANGOS).close()
    before = folder_of(path)
    with pytest.raises(
        StoreMisconfigured, match="hookguard_event of hookguard's SQL and Django stores, and no table hookguard_claim"
    ):
        check_file(path)
    check_file(path, table="hookguard_event")
    assert folder_of(path) == before


def test_store_keeps_its_claims_beside_the_table_of_the_django_store(path):
    of_another_program(path, DJANGOS).close()
    store = SQLiteStore(path)
    assert store.claim(KEY, **ARGUMENTS).status == ClaimStatus.ACQUIRED
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM hookguard_event").fetchone() == (0,)
    connection.close()
    store.close()


def test_check_finds_a_store(store, path):
    check_file(path)
    store.claim(KEY, **ARGUMENTS)
    check_file(path)  # the table may be in the journal alone
    store.close()
    before = folder_of(path)
    check_file(path)
    assert folder_of(path) == before


def test_check_of_a_missing_file_creates_none(path, monkeypatch):
    with pytest.raises(StoreMisconfigured, match=r"no file .*claims\.sqlite3 yet; an application that starts"):
        check_file(path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StoreMisconfigured, match="may not write to"):
        check_file(path)
    with pytest.raises(StoreMisconfigured, match="create the folder"):
        check_file(path.parent / "missing" / path.name)
    with pytest.raises(StoreMisconfigured, match="is not a file"):
        check_file(path.parent)
    assert not folder_of(path)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_check_of_another_programs_file_changes_nothing(path, mode):
    of_another_program(path, mode=mode).close()
    before = folder_of(path)
    with pytest.raises(StoreMisconfigured, match="without the table hookguard_claim: is it the right file"):
        check_file(path)
    assert folder_of(path) == before


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_check_of_a_file_that_another_program_writes_to(path, mode):
    connection = of_another_program(path, mode=mode)
    connection.execute("INSERT INTO orders VALUES (1)")
    with pytest.raises(StoreMisconfigured, match="without the table hookguard_claim"):
        check_file(path)
    connection.commit()
    assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
    connection.close()


def test_check_of_a_file_with_the_journal_of_a_dead_program_writes_nothing(path, tmp_path):
    connection = of_another_program(path, mode="wal")
    left = tmp_path / "left"
    left.mkdir()
    for each in (path, Path(f"{path}-wal")):
        shutil.copy(each, left)
    connection.close()
    path = left / path.name
    before = folder_of(path)
    with pytest.raises(StoreMisconfigured, match="without the table hookguard_claim"):
        check_file(path)
    assert folder_of(path).items() >= before.items()


@pytest.mark.parametrize(("text", "says"), [("", "is empty"), ("no database" * 1000, "cannot be read as a SQLite database")])
def test_check_of_a_file_that_is_not_a_database_fails(path, text, says):
    path.write_text(text)
    with pytest.raises(StoreMisconfigured, match=says):
        check_file(path)
    assert path.read_text() == text


def test_check_of_a_locked_database_reports_an_outage(path):
    blocker = of_another_program(path)
    blocker.execute("PRAGMA cache_size = 1")
    blocker.execute("BEGIN EXCLUSIVE")
    blocker.execute("INSERT INTO orders VALUES (zeroblob(100000))")  # so that its journal is beside it
    with pytest.raises(StoreUnavailable, match="locked"):
        check_file(path)
    blocker.rollback()
    blocker.close()


def test_check_follows_a_link_to_the_file_and_its_journal(tmp_path):
    store = SQLiteStore(tmp_path / "claims.sqlite3")
    store.claim(StoreKey("s", "1"), token=b"t" * 16, fingerprint=b"f" * 32, lease=60.0, retention=60.0)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.sqlite3"
    link.symlink_to(tmp_path / "claims.sqlite3")
    check_file(link)
    store.close()


def test_check_of_an_unreadable_path_names_the_reason(tmp_path):
    with pytest.raises(StoreMisconfigured, match="cannot be checked"):
        check_file(tmp_path / ("a" * 300))
