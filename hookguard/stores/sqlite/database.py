"""A process's connection to a SQLite file: opened at the first use, after a fork, and when the file was replaced."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple
from weakref import WeakSet, finalize

from hookguard.errors import ConfigurationError, StoreMisconfigured, StoreUnavailable
from hookguard.process.locks import Lock
from hookguard.stores.creation import NotYetCreated, may_create
from hookguard.stores.sqlite.file import FileWatch, make_private

__all__ = ["Database", "Opened", "columns_of", "is_busy"]

_log = logging.getLogger("hookguard.store")


#: Seconds between two tries to open a file that another process holds.
PAUSE = 0.01


class Opened(NamedTuple):
    """A connection, the lock of its database, and a watch over its files."""

    lock: Lock
    connection: sqlite3.Connection
    watch: FileWatch


#: Every database of this process, and those whose lock a fork holds.
_databases: WeakSet[Database] = WeakSet()
_held: list[Database] = []


def _before_fork() -> None:
    _held.extend(each for each in list(_databases) if each.hold_closed())


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().let_go()


# A child inherits SQLite's own list of the locks that its parent's threads hold, and nobody ever removes them from it. So no
# file is open during a fork. The child's locks are new ones.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_held.clear)


class Database:
    """The SQLite file at ``path``, in WAL mode, with one connection for each process.

    ``schema`` is SQL that creates what is missing. ``tables`` maps each table that it creates to its columns, with their places
    in the primary key (0: not part of it): a file with another kind of table under such a name is rejected. ``timeout`` is how
    many seconds opening may wait for other processes; a statement does not wait. Raises ConfigurationError for a wrong setting.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        schema: str,
        tables: Mapping[str, Mapping[str, int]],
        synchronous: Literal["NORMAL", "FULL"],
        timeout: float,
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
        self._schema = schema
        self._tables = tables
        self._synchronous = synchronous
        self._timeout = timeout
        # By process id: a child must not use its parent's connection, and closing that one would affect the parent's file.
        self._opened: dict[int, Opened] = {}
        self._lock = Lock()
        # Not ``__del__``: in a circle of garbage the connection could go first, and Python 3.13 reports one that nobody closed.
        finalize(self, _close, self._opened, self._lock).atexit = False
        _databases.add(self)

    def try_out(self) -> None:
        """Open and close the file. Raises StoreMisconfigured if it cannot be used, StoreUnavailable if it is locked."""
        with suppress(NotYetCreated):
            self._connect().connection.close()

    def here(self) -> Opened:
        """Return this process's connection; StoreUnavailable if the file cannot be opened."""
        pid = os.getpid()
        if opened := self._opened.get(pid):
            return opened
        with self._lock:
            if opened := self._opened.get(pid):  # another thread was first
                return opened
            try:
                opened = self._opened[pid] = self._connect()
            except StoreMisconfigured as error:
                # The file was usable when the application started.
                raise StoreUnavailable(str(error)) from error
        return opened

    def is_current(self, opened: Opened) -> bool:
        """Whether a connection is still this process's one. Ask while holding its lock: then it stays so."""
        return self._opened.get(os.getpid()) is opened

    def was_replaced(self, opened: Opened) -> bool:
        """Whether the file or a journal was deleted or replaced since it was opened. Then :meth:`here` reopens it.

        A process that continued with the old file would acquire events that others acquire in the new one.
        """
        if not opened.watch.changed():
            return not self.is_current(opened)  # another thread saw it first
        if self.drop(opened):
            _log.error(
                "%s (or its -wal or -shm) was deleted or replaced while it was in use: the claims in it are lost, so events that"
                " were handled or are in progress may run again. The store reopens it. Stop all workers before you replace it",
                self.path,
            )
        return True

    def drop(self, opened: Opened) -> bool:
        """Close a connection, so that :meth:`here` opens another. Returns False if another thread closed it first."""
        with opened.lock:
            if not self.is_current(opened):
                return False
            del self._opened[os.getpid()]
            opened.connection.close()
            return True

    def close(self) -> None:
        """Close this process's connection; the next call of :meth:`here` opens another."""
        _close(self._opened, self._lock)

    def hold_closed(self) -> bool:
        """Close the connection and keep it closed until ``let_go``; wait at most ``timeout`` for a statement under way."""
        if not self._lock.acquire(self._timeout):
            _log.warning("a process is forked in the middle of a transaction: its child may find %s locked", self.path)
            return False
        _close_here(self._opened)
        return True

    def let_go(self) -> None:
        """Let the connection be opened again."""
        self._lock.release()

    def unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        """Return the error to raise for SQLite's."""
        return StoreUnavailable(f"SQLite cannot answer ({error}): {self.path}")

    def _connect(self) -> Opened:
        ends = time.monotonic() + self._timeout
        while True:
            try:
                return self._connect_once(max(ends - time.monotonic(), 0))
            except NotYetCreated:
                raise
            except StoreUnavailable:
                # SQLite itself waits for no other process that makes the file a WAL file, as when several workers start together.
                if time.monotonic() > ends:
                    raise
            time.sleep(PAUSE)

    def _connect_once(self, timeout: float) -> Opened:
        if not may_create() and not self.path.exists() and os.access(self.path.parent, os.W_OK | os.X_OK):
            raise NotYetCreated(f"there is no file {self.path}")
        make_private(self.path)
        try:
            connection = sqlite3.connect(self.path, timeout=timeout, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            # Checked before anything is changed, so that another program's file stays as it is.
            for table, columns in self._tables.items():
                there = columns_of(connection, table)
                if not there and not may_create():
                    raise NotYetCreated(f"{self.path} has no table {table}")
                if there not in ({}, columns):
                    raise StoreMisconfigured(
                        f"{self.path} has a table {table} with other columns than this store's: give this store a file of its own"
                    )
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise StoreMisconfigured(
                    f"{self.path} cannot use WAL mode (its mode stays {mode!r}): give a path on a local disk, not a network share"
                )
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.executescript(self._schema)
            connection.execute("PRAGMA busy_timeout = 0")
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise self._unusable(error) from error
            raise
        return Opened(self._lock, connection, FileWatch(self.path))

    def _unusable(self, error: sqlite3.Error) -> StoreUnavailable | StoreMisconfigured:
        if is_busy(error):
            return self.unavailable(error)
        folder = self.path.parent
        todo = "give a path in a folder this process may write to"
        if not folder.is_dir():
            todo = f"there is no folder {folder}; create it, because a store creates only its file"
        return StoreMisconfigured(f"cannot use {self.path} as a store ({error}): {todo}")


def _close(connections: dict[int, Opened], lock: Lock) -> None:
    if os.getpid() in connections:
        with lock:
            _close_here(connections)


def _close_here(connections: dict[int, Opened]) -> None:
    if opened := connections.pop(os.getpid(), None):
        opened.connection.close()


def columns_of(connection: sqlite3.Connection, table: str) -> dict[str, int]:
    """Return the table's columns, each with its place in the primary key; empty if the table is missing."""
    return dict(connection.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)))


def is_busy(error: BaseException) -> bool:
    """Whether another connection holds the file's lock, so that a later try may succeed."""
    # Python 3.10 has no error codes; the two messages are SQLite's own for BUSY and LOCKED.
    return isinstance(error, sqlite3.Error) and ("locked" in str(error) or "busy" in str(error))
