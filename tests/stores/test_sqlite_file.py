"""The file of a SQLite store: deleted or replaced while workers run, and who may read it."""

import logging
import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from hookguard import SQLiteStore
from hookguard.errors import StoreMisconfigured, StoreUnavailable
from hookguard.store import ClaimStatus, StoreKey

KEY = StoreKey("stripe/stripe", "evt_1")
ASKED = {"fingerprint": b"f" * 32, "lease": 60.0, "retention": 604800.0}
#: The file and what lies beside it.
ALL = ("", "-wal", "-shm")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "claims.sqlite3"


def test_a_file_that_another_process_makes_a_wal_file_is_waited_for(path):
    """SQLite answers "locked" immediately then, whatever its timeout: several workers that start together met that."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("SELECT * FROM sqlite_master").fetchall()
        with pytest.raises(StoreUnavailable, match="locked"):
            SQLiteStore(path, timeout=0.1)
        threading.Timer(0.3, other.execute, ["COMMIT"]).start()
        with closing(SQLiteStore(path, timeout=60.0)) as store:
            assert store.claim(KEY, token=b"1" * 16, **ASKED).status is ClaimStatus.ACQUIRED


@pytest.fixture(params=["just opened", "open for a while"])
def worker(path, request):
    """One that has the file open, with a claim in it."""
    with closing(SQLiteStore(path)) as store:
        zero = StoreKey("stripe/stripe", "evt_0")
        store.claim(zero, token=b"0" * 16, **ASKED)
        while request.param == "open for a while" and not store._database._opened[os.getpid()].watch._compared:
            store.claim(zero, token=b"0" * 16, **ASKED)  # until the folder's time of change is old enough to rely on
        yield store


@pytest.fixture
def newcomer(path):
    """One that starts after the file was deleted or replaced."""
    with closing(SQLiteStore(path)) as store:
        store.close()  # so that it opens the file when it is first used
        yield store


def delete(path, ends=ALL):
    for end in ends:
        path.with_name(path.name + end).unlink(missing_ok=True)  # SQLite removes its journals as well


def replace_by_backup(path, ends=ALL):
    """As a deploy does, or who restores a backup."""
    other = path.with_name("backup.sqlite3")
    SQLiteStore(other)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink()
    other.rename(path)


def move_away(path, ends=ALL):
    for end in ends:
        path.with_name(path.name + end).rename(path.with_name("old" + end))


WAYS = {
    "deleted": delete,
    "replaced": replace_by_backup,
    "moved": move_away,
    "the file alone deleted": lambda path: delete(path, [""]),
    "the file alone moved": lambda path: move_away(path, [""]),
    "its journal deleted": lambda path: delete(path, ["-wal", "-shm"]),
    "its -wal alone deleted": lambda path: delete(path, ["-wal"]),
    "its -shm alone deleted": lambda path: delete(path, ["-shm"]),
}


@pytest.mark.parametrize("first", ["worker", "newcomer"])
@pytest.mark.parametrize("way", WAYS)
def test_one_worker_wins_an_event_after_the_file_was_replaced(path, worker, newcomer, way, first, caplog):
    WAYS[way](path)
    tokens = {worker: b"1" * 16, newcomer: b"2" * 16}
    order = [worker, newcomer] if first == "worker" else [newcomer, worker]
    try:
        order[0].claim(KEY, token=tokens[order[0]], **ASKED)
    except StoreUnavailable:
        # Without its journal the file cannot be read until the worker that has it open lets go.
        assert (first == "newcomer" and "journal" in way) or "-wal" in way
        order.reverse()
    answers = [store.claim(KEY, token=tokens[store], **ASKED).status for store in order]
    assert answers == [ClaimStatus.ACQUIRED, ClaimStatus.IN_PROGRESS]
    assert [store.complete(KEY, token=tokens[store], retention=60.0) for store in order] == [True, False]
    assert [record.levelno for record in caplog.records if "deleted or replaced" in record.message] == [logging.ERROR]


@pytest.mark.parametrize(
    "operation",
    [
        lambda store, key: store.complete(key, token=b"0" * 16, retention=60.0),
        lambda store, key: store.release(key, token=b"0" * 16),
        lambda store, key: store.extend(key, token=b"0" * 16, lease=60.0),
        lambda store, key: store.forget(key),
    ],
    ids=["complete", "release", "extend", "forget"],
)
def test_every_operation_notices_that_the_file_is_gone(path, worker, operation, caplog):
    delete(path)
    assert operation(worker, StoreKey("stripe/stripe", "evt_0")) is False
    assert "deleted or replaced" in caplog.text
    assert path.exists()
    assert worker.claim(KEY, token=b"1" * 16, **ASKED).status == ClaimStatus.ACQUIRED


def test_events_completed_in_the_old_file_do_not_count(path, worker, newcomer):
    key = StoreKey("stripe/stripe", "evt_0")
    worker.complete(key, token=b"0" * 16, retention=60.0)
    delete(path)
    assert newcomer.claim(key, token=b"1" * 16, **ASKED).status == ClaimStatus.ACQUIRED
    assert worker.claim(key, token=b"2" * 16, **ASKED).status == ClaimStatus.IN_PROGRESS


@pytest.mark.parametrize("way", ["deleted", "replaced", "the file alone deleted"])
def test_closing_the_old_file_takes_no_journal_from_the_new_one(path, worker, newcomer, way):
    WAYS[way](path)
    newcomer.claim(KEY, token=b"1" * 16, **ASKED)
    before = [path.with_name(path.name + end).stat().st_ino for end in ALL]
    assert worker.claim(KEY, token=b"2" * 16, **ASKED).status == ClaimStatus.IN_PROGRESS
    assert [path.with_name(path.name + end).stat().st_ino for end in ALL] == before


def test_link_that_leads_to_another_file_is_noticed(tmp_path):
    for name in ("blue", "green"):
        SQLiteStore(tmp_path / name).close()
    link = tmp_path / "claims.sqlite3"
    link.symlink_to("blue")
    with closing(SQLiteStore(link)) as worker, closing(SQLiteStore(tmp_path / "green")) as green:
        worker.claim(StoreKey("s", "evt_0"), token=b"0" * 16, **ASKED)
        link.unlink()
        link.symlink_to("green")
        assert green.claim(KEY, token=b"1" * 16, **ASKED).status == ClaimStatus.ACQUIRED
        assert worker.claim(KEY, token=b"2" * 16, **ASKED).status == ClaimStatus.IN_PROGRESS


def test_threads_go_on_while_the_file_is_replaced(path, worker):
    won, errors = [], []
    go = threading.Event()

    def work(number):
        go.wait()
        for event in range(200):
            claim = None
            while claim is None:
                try:
                    claim = worker.claim(StoreKey("s", f"evt_{event}"), token=bytes([number]) * 16, **ASKED)
                except StoreUnavailable:
                    pass  # the file went while it was being opened: the provider tries again
                except Exception as error:
                    errors.append(error)
                    return
            won.extend([event] * (claim.status == ClaimStatus.ACQUIRED))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    go.set()
    replaced = 0
    while any(thread.is_alive() for thread in threads):
        if len(won) // 40 > replaced:
            replaced = len(won) // 40
            delete(path, [end for end in ALL if path.with_name(path.name + end).exists()])
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(won) == set(range(200))


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o000, 0o077], ids=lambda umask: f"umask {umask:03o}")
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


needs_modes = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


@needs_modes
def test_file_and_journals_are_for_their_owner_alone(umask, path):
    with closing(SQLiteStore(path)) as store:
        store.claim(KEY, token=b"1" * 16, **ASKED)
        assert [mode(path.with_name(path.name + end)) for end in ALL] == [0o600] * 3
        delete(path)
        store.claim(KEY, token=b"1" * 16, **ASKED)
        assert [mode(path.with_name(path.name + end)) for end in ALL] == [0o600] * 3


@needs_modes
@pytest.mark.parametrize(("before", "after"), [(0o644, 0o600), (0o640, 0o600), (0o666, 0o660), (0o660, 0o660), (0o600, 0o600)])
def test_file_of_an_older_version_is_closed_to_other_users(path, before, after, caplog):
    SQLiteStore(path).claim(KEY, token=b"1" * 16, **ASKED)
    with closing(SQLiteStore(path)) as store:
        store.claim(KEY, token=b"1" * 16, **ASKED)
        for end in ALL:
            path.with_name(path.name + end).chmod(before)
        with closing(SQLiteStore(path)):
            assert [mode(path.with_name(path.name + end)) for end in ALL] == [after] * 3
    assert ("other users could read" in caplog.text) is (before != after)


@needs_modes
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make files of another user")
@pytest.mark.parametrize("kind", ["file", "link"])
def test_file_that_another_user_laid_into_a_shared_folder_is_rejected(tmp_path, kind):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    path = folder / "claims.sqlite3"
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere.sqlite3")
    else:
        path.touch()
    os.chown(path, 65534, 65534, follow_symlinks=False)
    with pytest.raises(StoreMisconfigured, match="another user .* put"):
        SQLiteStore(path)
    assert not (tmp_path / "elsewhere.sqlite3").exists()


@needs_modes
def test_folder_in_which_any_user_may_replace_the_file_is_warned_of(tmp_path, caplog):
    tmp_path.chmod(0o777)
    SQLiteStore(tmp_path / "claims.sqlite3")
    assert "give the store a folder of its own" in caplog.text


@needs_modes
def test_file_of_the_sql_store_is_private_too(umask, tmp_path):
    pytest.importorskip("sqlalchemy")
    from hookguard.stores.sql import SQLStore

    path = tmp_path / "claims.sqlite3"
    with closing(SQLStore.from_url(f"sqlite:///{path}")) as store:
        store.claim(KEY, token=b"1" * 16, **ASKED)
        assert {mode(each) for each in Path(tmp_path).iterdir()} == {0o600}


@needs_modes
def test_instance_folder_that_flask_lacked_is_private(umask, tmp_path):
    flask = pytest.importorskip("flask")
    from hookguard_flask import HookGuard

    folder = tmp_path / "instance"
    app = flask.Flask("shop", instance_path=str(folder))
    app.config["HOOKGUARD_ENDPOINTS"] = {"stripe": {"secrets": ["a-secret-that-is-long-enough"]}}
    hooks = HookGuard(app)

    @app.post("/hooks/stripe")
    @hooks.guard("stripe")
    def stripe():
        return "", 204

    from hookguard import presets

    signed = presets.STRIPE.sign(b'{"id": "evt_1"}', "a-secret-that-is-long-enough")
    assert app.test_client().post("/hooks/stripe", data=signed.body, headers=dict(signed.headers.items())).status_code == 204
    assert mode(folder) == 0o700
    assert {mode(each) for each in folder.iterdir()} == {0o600}
