"""Claims in a SQLite file: they survive restarts, serve every process of one host, and need no server.

The file is in WAL mode. With ``synchronous="NORMAL"`` a crash of the process loses nothing. A power cut may lose the claims of
the last moments: an event may run twice, but none is lost. ``"FULL"`` waits for the disk at each claim. Do not use network
file systems: their locks cannot be trusted (https://www.sqlite.org/faq.html#q5).
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hookguard.errors import StoreMisconfigured, StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.sqlite.awaited import AwaitedSQLiteStore
from hookguard.stores.sqlite.database import Database, columns_of, is_busy
from hookguard.stores.sqlite.statements import (
    CLAIM,
    COLUMNS,
    COMPLETE,
    EXTEND,
    FORGET,
    INBOX,
    LOOK,
    PURGE,
    PURGE_BATCH,
    PURGE_EVERY,
    RELEASE,
    SCHEMA,
    SQL_TABLE,
    TABLE,
    claim_arguments,
)
from hookguard.stores.sqlite.writer import Writer
from hookguard.stores.statements import claim_from_row

if TYPE_CHECKING:
    from hookguard.stores.sqlite.evidence import SQLiteEvidence
    from hookguard.stores.sqlite.inbox import SQLiteInbox

__all__ = ["SQLiteStore", "check_file"]


class SQLiteStore:
    """Claims in the SQLite file at ``path``, which is created if it is missing.

    Each process has one connection: SQLite allows one writer at a time anyway, and a lock in the process is fairer to threads
    than SQLite's own waiting. ``timeout`` is how many seconds a call may wait for other processes before it raises
    StoreUnavailable. ``clock`` returns seconds since 1970, the same in all processes. Raises StoreMisconfigured if the file
    cannot be opened or written, is not a SQLite database, or has another kind of table under the store's name.
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
        self._database = Database(path, schema=SCHEMA, tables={TABLE: COLUMNS}, synchronous=synchronous, timeout=timeout)
        self.path = self._database.path
        self._timeout = timeout
        self._clock = clock
        self._won = 0
        self._inbox: SQLiteInbox | None = None
        self._evidence: SQLiteEvidence | None = None
        self._writer = Writer(self._database, timeout=timeout)
        # Now, so that a wrong path fails at the start. Each process opens its own at the first use: a server that makes the
        # store and then forks its workers passes no open file on to them.
        self._database.try_out()

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""
        deadline = time.monotonic() + self._timeout
        while True:
            # Most duplicates end here: a reader never waits for the writer's lock.
            if (row := self._run(LOOK, key, deadline)) and (
                found := claim_from_row((*row[0], self._clock()), token, fingerprint)
            ):
                return found
            arguments = claim_arguments(
                key, token=token, fingerprint=fingerprint, now=self._clock(), lease=lease, retention=retention
            )
            if won := self._run(CLAIM, arguments, deadline):
                self._won += 1
                if self._won % PURGE_EVERY == 0:
                    # The event is claimed. A failed purge must not reject it.
                    with suppress(StoreUnavailable):
                        self.purge(limit=PURGE_BATCH)
                attempt, same = won[0]
                return Claim(ClaimStatus.ACQUIRED, attempt, 0.0, bool(same))
            # Another process claimed it between the two statements: read the row once more.
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"other workers claimed and released the event for {self._timeout} s")

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done. Returns True only for the holder of the claim."""
        return self._change(COMPLETE, key, token=token, retention=retention, reply=reply) == 1

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the claim: the next delivery runs the event."""
        return self._change(RELEASE, key, token=token) == 1

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim to ``lease`` seconds from now."""
        return self._change(EXTEND, key, token=token, lease=lease) == 1

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events, the oldest first, a few hundred in each transaction."""
        deleted = 0
        while deleted < limit:
            few = min(limit - deleted, PURGE_BATCH)
            gone = self._change(PURGE, limit=few)
            deleted += gone
            if gone < few:
                break
        return deleted

    def forget(self, key: StoreKey) -> bool:
        """Forget an event in any state, so that it may run again; False while an inbox entry of it is waiting or held."""
        keeps = self._run(INBOX, (), time.monotonic() + self._timeout)
        return self.inbox().forget(key) if keeps else self._change(FORGET, key) == 1

    def awaited(self, in_thread: Callable[..., Awaitable[Any]]) -> AwaitedSQLiteStore:
        """Return an AsyncStore over the same claims, for event loops of asyncio.

        One thread writes for all its tasks, with one transaction for those that wait. ``in_thread`` runs a blocking call, for
        other kinds of event loops.
        """
        return AwaitedSQLiteStore(self, self._writer, self._clock, in_thread)

    def inbox(self) -> SQLiteInbox:
        """Return the inbox in the same file; its connection is its own, and waits for the disk at each commit."""
        if self._inbox is None:
            from hookguard.stores.sqlite.inbox import SQLiteInbox  # noqa: PLC0415 - most applications have none

            self._inbox = SQLiteInbox(self.path, timeout=self._timeout, clock=self._clock)
        return self._inbox

    def evidence(self) -> SQLiteEvidence:
        """Return the records of deliveries in the same file; their connection is their own."""
        if self._evidence is None:
            from hookguard.stores.sqlite.evidence import SQLiteEvidence  # noqa: PLC0415 - most applications have none

            self._evidence = SQLiteEvidence(self.path, timeout=self._timeout, clock=self._clock)
        return self._evidence

    def close(self) -> None:
        """Close this process's connections; the next call opens another."""
        self._database.close()
        for part in (self._inbox, self._evidence):
            if part is not None:
                part.close()

    def __del__(self) -> None:
        # A store lives as long as its application, so applications rarely close it.
        if hasattr(self, "_database"):  # not where the constructor raised
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
        """Run one statement in a transaction of its own; wait for other processes until ``deadline``, in short random steps.

        SQLite's own busy handler sleeps up to 100 ms at a time and lets newcomers pass. In a burst one claim would wait for
        seconds while others pass it.
        """
        database = self._database
        while True:
            opened = database.here()
            try:
                with opened.lock:
                    if not database.is_current(opened):
                        continue  # closed while this thread waited for its turn
                    cursor = opened.connection.execute(statement, arguments)
                    answer = cursor.fetchall() if rows else cursor.rowcount
                # Check after the statement: the answer of a file that was gone by then does not count. An empty answer
                # decides nothing.
                if not answer or not database.was_replaced(opened):
                    return answer
            except sqlite3.Error as error:
                if not (is_busy(error) or database.was_replaced(opened)) or time.monotonic() >= deadline:
                    if "disk I/O error" in str(error):
                        database.drop(opened)  # its journal may be gone, and this connection would keep failing
                    raise database.unavailable(error) from error
            if time.monotonic() >= deadline:
                raise StoreUnavailable(f"the file is replaced repeatedly: {self.path}")
            time.sleep(random.uniform(0.0002, 0.002))  # noqa: S311 - jitter, not a secret


def check_file(path: str | os.PathLike[str], *, table: str = TABLE, setting: str = "") -> None:
    """Raise StoreMisconfigured unless the file at ``path`` already has the table. The file is not created or changed.

    A store creates its file when an application starts, so a missing file may be right. But the operator who checks the store
    may have mistyped the path. If a program died and left its journal, SQLite may rebuild the index file of that journal.
    ``setting`` of an endpoint makes the table, if it is not that of the claims.
    """
    path = Path(path).absolute()
    try:
        path = path.resolve()  # SQLite keeps its journals beside the file itself, not beside a link to it
        if not path.exists():
            raise StoreMisconfigured(f"there is no file {path}{_how_to_create(path.parent)}")
        if not path.is_file():
            raise StoreMisconfigured(f"{path} is not a file: give the path of one")
        if path.stat().st_size == 0:
            raise StoreMisconfigured(f"{path} is empty: an application that starts with this store creates its table there")
        with closing(_only_reading(path)) as connection:
            if table == TABLE and not columns_of(connection, TABLE) and columns_of(connection, SQL_TABLE):
                raise StoreMisconfigured(
                    f"{path} has the table {SQL_TABLE} of hookguard's SQL and Django stores, and no table {TABLE}: check that"
                    " store instead (sqlite+pysqlite:///…, or manage.py check), or give this store a file of its own"
                )
            if setting and not columns_of(connection, table):
                raise StoreMisconfigured(
                    f"{path} has no table {table}: is it the right file? An application adds the table when it starts with an"
                    f" endpoint that has the setting {setting}"
                )
            if not columns_of(connection, table):
                raise StoreMisconfigured(
                    f"{path} is a database without the table {table}: is it the right file? An application that starts with this"
                    " store adds the table; give the store a file of its own"
                )
    except OSError as error:
        raise StoreMisconfigured(f"{path} cannot be checked ({error}): give a path that this process may read") from error
    except sqlite3.Error as error:
        if is_busy(error):
            raise StoreUnavailable(f"SQLite cannot answer ({error}): {path}") from error
        raise StoreMisconfigured(
            f"{path} cannot be read as a SQLite database ({error}): give the store a file of its own"
        ) from error


def _how_to_create(folder: Path) -> str:
    if not folder.is_dir():
        return f", and no folder {folder}: create the folder, because a store creates only its file"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f", and this process may not write to {folder}, so a store cannot create it: give a path in another folder"
    return " yet; an application that starts with this store creates it (the folder is writable). Is the path right?"


def _only_reading(path: Path) -> sqlite3.Connection:
    """Return a connection that writes nothing into the file."""
    # Without a journal everything is in the file itself: SQLite needs neither locks nor the files of WAL mode to read it.
    journals = any(Path(f"{path}{end}").exists() for end in ("-wal", "-journal"))
    return sqlite3.connect(f"{path.as_uri()}?{'mode=ro' if journals else 'immutable=1'}", uri=True)
