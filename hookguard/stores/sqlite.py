"""Claims in a SQLite file: survives restarts, serves every process of one host, needs no server.

The file is in WAL mode. With ``synchronous="NORMAL"`` a crash of the process loses nothing and a power cut may lose the
claims of the last moments, so that an event may run twice, never that one is lost; ``"FULL"`` waits for the disk at each
claim. Not for network file systems: their locks cannot be trusted (https://www.sqlite.org/faq.html#q5).
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hookguard.errors import ConfigurationError, StoreMisconfigured, StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.statements import seen

__all__ = ["SQLiteStore", "look_at_file"]

# state: 0 released, 1 in progress, 2 done. WITHOUT ROWID keeps one B-tree: about 54 bytes less an id than with it.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS hookguard_event (
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    state INTEGER NOT NULL,
    token BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    lease_until REAL NOT NULL,
    expires_at REAL NOT NULL,
    attempt INTEGER NOT NULL,
    reply BLOB,
    PRIMARY KEY (scope, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hookguard_event_expiry ON hookguard_event (expires_at);
"""

#: The columns a claim needs, and which of them make the key.
_COLUMNS = {
    "scope": 1,
    "id": 2,
    **dict.fromkeys(("state", "token", "fingerprint", "lease_until", "expires_at", "attempt", "reply"), 0),
}

_LOOK = """
SELECT state, token, fingerprint, lease_until, expires_at, attempt, reply FROM hookguard_event WHERE scope = ? AND id = ?
"""

_CLAIM = """
INSERT INTO hookguard_event (scope, id, state, token, fingerprint, lease_until, expires_at, attempt)
VALUES (:scope, :id, 1, :token, :fingerprint, :lease_until, :expires_at, 1)
ON CONFLICT (scope, id) DO UPDATE SET
    state = 1,
    token = excluded.token,
    fingerprint = CASE WHEN expires_at <= :now THEN excluded.fingerprint ELSE fingerprint END,
    lease_until = excluded.lease_until,
    expires_at = excluded.expires_at,
    attempt = CASE WHEN expires_at <= :now THEN 1 ELSE attempt + 1 END,
    reply = NULL
WHERE expires_at <= :now OR state = 0 OR (state = 1 AND lease_until <= :now)
RETURNING attempt, fingerprint = :fingerprint
"""

_COMPLETE = """
UPDATE hookguard_event SET
    state = 2,
    reply = CASE WHEN state = 1 THEN :reply ELSE reply END,
    expires_at = CASE WHEN state = 1 THEN :now + :retention ELSE expires_at END
WHERE scope = :scope AND id = :id AND token = :token AND state IN (1, 2) AND expires_at > :now
"""

_RELEASE = """
UPDATE hookguard_event SET state = 0, lease_until = :now
WHERE scope = :scope AND id = :id AND token = :token AND state = 1 AND expires_at > :now
"""

_EXTEND = """
UPDATE hookguard_event SET lease_until = :now + :lease, expires_at = :now + :lease + (expires_at - lease_until)
WHERE scope = :scope AND id = :id AND token = :token AND state = 1 AND expires_at > :now
"""

_PURGE = """
DELETE FROM hookguard_event WHERE (scope, id) IN (
    SELECT scope, id FROM hookguard_event WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit
)
"""

_FORGET = "DELETE FROM hookguard_event WHERE scope = :scope AND id = :id"

#: Every so many claims won, a few expired events are deleted: keeps the file's size steady without a timer or a stall.
_PURGE_EVERY = 64
_PURGE_BATCH = 256


class _Open(NamedTuple):
    """A connection and the lock its threads take turns by."""

    lock: threading.Lock
    connection: sqlite3.Connection


class SQLiteStore:
    """Claims in the SQLite file at ``path``, which is made if it is missing.

    One connection a process: SQLite lets one writer in at a time anyway, and a lock in the process is fairer to threads
    than SQLite's own waiting. ``timeout`` is how many seconds a call may wait for other processes before it raises
    StoreUnavailable. ``clock`` is seconds since 1970, the same in all processes. Raises StoreMisconfigured when the file
    cannot be opened or written, or is not a SQLite database.
    """

    capabilities = Capabilities(durable=True, shared=True, transactional=False, may_forget=False, clock="client", blocking=True)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if sqlite3.sqlite_version_info < (3, 35):
            raise StoreMisconfigured(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 (2021) or newer is needed")
        if synchronous not in ("NORMAL", "FULL"):
            raise ConfigurationError(f"synchronous is {synchronous!r}: choose 'NORMAL' or 'FULL'")
        if not timeout > 0:
            raise ConfigurationError(f"timeout is {timeout!r}: give seconds, more than 0")
        text = os.fspath(path)
        if not text or text == ":memory:":
            raise ConfigurationError("a SQLite store needs a file, so that it outlives the process: for memory use MemoryStore")
        self.path = Path(text).absolute()
        self._synchronous = synchronous
        self._timeout = timeout
        self._clock = clock
        self._won = 0
        # By process: a parent's connection must not be used in its child, and closing it would meddle with the parent's file.
        self._opened: dict[int, _Open] = {}
        # Tried out now, so that a wrong path shows at the start, and opened where it is first used: a server that makes
        # the store and then forks its workers hands no open file down to them.
        self._connect().connection.close()

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""
        deadline = time.monotonic() + self._timeout
        while True:
            # Most duplicates end here: a reader never waits for the writer's lock.
            if (row := self._run(_LOOK, key, deadline)) and (found := seen((*row[0], self._clock()), token, fingerprint)):
                return found
            now = self._clock()
            arguments = {
                "scope": key.scope,
                "id": key.id,
                "token": token,
                "fingerprint": fingerprint,
                "now": now,
                "lease_until": now + lease,
                "expires_at": now + lease + retention,
            }
            if won := self._run(_CLAIM, arguments, deadline):
                self._won += 1
                if self._won % _PURGE_EVERY == 0:
                    # The event is won; that old ones could not be deleted now must not turn it away.
                    with suppress(StoreUnavailable):
                        self.purge(limit=_PURGE_BATCH)
                attempt, same = won[0]
                return Claim(ClaimStatus.ACQUIRED, attempt, 0.0, bool(same))
            # Another process claimed it between the two statements: look again.
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"the claim of an event changed hands for {self._timeout} s")

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done; True only for the holder of the claim."""
        return self._change(_COMPLETE, key, token=token, retention=retention, reply=reply) == 1

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""
        return self._change(_RELEASE, key, token=token) == 1

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim for ``lease`` seconds from now."""
        return self._change(_EXTEND, key, token=token, lease=lease) == 1

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events, the oldest first; batches of a few hundred stall nobody."""
        return self._change(_PURGE, limit=limit)

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state."""
        return self._change(_FORGET, key) == 1

    def close(self) -> None:
        """Close this process's connection; the next call opens another."""
        if opened := self._opened.pop(os.getpid(), None):
            with opened.lock:
                opened.connection.close()

    def __del__(self) -> None:
        # A store lives as long as its application, so nobody thinks of closing it.
        if hasattr(self, "_opened"):  # not where the constructor raised
            self.close()

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r})"

    def _change(self, statement: str, key: StoreKey | None = None, **arguments: Any) -> int:
        if key is not None:
            arguments["scope"], arguments["id"] = key
        arguments["now"] = self._clock()
        changed: int = self._run(statement, arguments, time.monotonic() + self._timeout, rows=False)
        return changed

    def _run(self, statement: str, arguments: Any, deadline: float, *, rows: bool = True) -> Any:
        """Run one statement, its own transaction; wait for other processes until ``deadline``, in short random steps.

        SQLite's own busy handler sleeps up to 100 ms at a time and lets newcomers pass, so that under a burst one claim
        waits for seconds while others fly.
        """
        while True:
            opened = self._here()
            try:
                with opened.lock:
                    cursor = opened.connection.execute(statement, arguments)
                    return cursor.fetchall() if rows else cursor.rowcount
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() >= deadline:
                    raise StoreUnavailable(f"SQLite cannot answer ({error}): {self.path}") from error
            except sqlite3.Error as error:
                raise StoreUnavailable(f"SQLite failed ({error}): {self.path}") from error
            time.sleep(random.uniform(0.0002, 0.002))  # noqa: S311 - jitter, not a secret

    def _here(self) -> _Open:
        pid = os.getpid()
        if opened := self._opened.get(pid):
            return opened
        try:
            made = self._connect()
        except StoreMisconfigured as error:
            # It could be used when the application started.
            raise StoreUnavailable(str(error)) from error
        opened = self._opened.setdefault(pid, made)
        if opened is not made:  # another thread was first
            made.connection.close()
        return opened

    def _connect(self) -> _Open:
        try:
            connection = sqlite3.connect(self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            # Before anything is changed: another's table of this name takes no claim of ours, and its file stays as it is.
            if _columns(connection) not in ({}, _COLUMNS):
                raise StoreMisconfigured(
                    f"{self.path} has a table hookguard_event of another kind of store (Django's and SQLAlchemy's call theirs so"
                    " too): give this store a file of its own"
                )
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise StoreMisconfigured(f"{self.path} does not go into WAL mode (it stays {mode!r}): is it on a network share?")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.executescript(_SCHEMA)
            connection.execute("PRAGMA busy_timeout = 0")
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise self._unusable(error) from error
            raise
        return _Open(threading.Lock(), connection)

    def _unusable(self, error: sqlite3.Error) -> StoreUnavailable | StoreMisconfigured:
        if _is_busy(error):
            return StoreUnavailable(f"SQLite cannot answer ({error}): {self.path}")
        return StoreMisconfigured(
            f"cannot use {self.path} as a store ({error}): give a path in a folder this process may write to"
        )


def look_at_file(path: str | os.PathLike[str]) -> None:
    """Raise StoreMisconfigured unless a table of events is in the file at ``path`` already; the file is not made or changed.

    Where a program that died left its journal, SQLite may make the index of that journal anew beside it.

    A store makes its file when an application starts, so one that is missing is not wrong by itself; but whoever looks at it
    may have mistyped the path.
    """
    path = Path(path).absolute()
    try:
        path = path.resolve()  # SQLite keeps its journals beside the file itself, not beside a link to it
        if not path.exists():
            raise StoreMisconfigured(f"there is no file {path}{_who_makes_it(path.parent)}")
        if not path.is_file():
            raise StoreMisconfigured(f"{path} is not a file: give the path of one")
        if path.stat().st_size == 0:
            raise StoreMisconfigured(f"{path} is empty: an application that starts with this store makes a database of it")
        with closing(_only_reading(path)) as connection:
            if not _columns(connection):
                raise StoreMisconfigured(
                    f"{path} is a database without the table hookguard_event: is it the right file? An application that starts"
                    " with this store adds the table; give the store a file of its own"
                )
    except OSError as error:
        raise StoreMisconfigured(f"{path} cannot be looked at ({error}): give a path that this process may read") from error
    except sqlite3.Error as error:
        if _is_busy(error):
            raise StoreUnavailable(f"SQLite cannot answer ({error}): {path}") from error
        raise StoreMisconfigured(
            f"{path} cannot be read as a SQLite database ({error}): give the store a file of its own"
        ) from error


def _who_makes_it(folder: Path) -> str:
    if not folder.is_dir():
        return f", and no folder {folder}: make the folder, as a store makes only its file"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f", and this process may not write to {folder}, so no store could make it: give a path in another folder"
    return " yet; an application that starts with this store makes it, as the folder may be written to. Is the path right?"


def _only_reading(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing into the file."""
    # Without a journal beside it everything is in the file itself, and needs neither locks nor the files that WAL mode keeps.
    journals = any(Path(f"{path}{end}").exists() for end in ("-wal", "-journal"))
    return sqlite3.connect(f"{path.as_uri()}?{'mode=ro' if journals else 'immutable=1'}", uri=True)


def _columns(connection: sqlite3.Connection) -> dict[str, int]:
    """The table's columns, each with its place in the key; none when there is no table."""
    return {name: key for _, name, _, _, _, key in connection.execute("PRAGMA table_info(hookguard_event)")}


def _is_busy(error: sqlite3.Error) -> bool:
    # Python 3.10 has no error codes; the two messages are SQLite's own for BUSY and LOCKED.
    return "locked" in str(error) or "busy" in str(error)
