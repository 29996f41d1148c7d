"""The inbox in a SQLite file, beside the claims: one file for both, so that a key and its entry are written in one transaction.

The connection is the inbox's own, with ``synchronous=FULL``: the commit is on the disk before the sender is answered. (The claims
may stay with NORMAL: a claim that is forgotten runs again, an event that is forgotten is lost.) Those who wait share a commit.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from hookguard.stores.inbox_sides import AwaitedInbox, BlockingInbox, Operation, Operations
from hookguard.stores.inbox_sql import INBOX_TABLE
from hookguard.stores.inbox_work import InboxWork
from hookguard.stores.sqlite.database import Database
from hookguard.stores.sqlite.inbox_jobs import InboxJobs
from hookguard.stores.sqlite.inbox_table import INBOX_COLUMNS, INBOX_SCHEMA, ClaimKeys
from hookguard.stores.sqlite.statements import COLUMNS, SCHEMA, TABLE
from hookguard.stores.sqlite.steps import job_of
from hookguard.stores.sqlite.writer import Writer

__all__ = ["AwaitedSQLiteInbox", "SQLiteInbox"]

T = TypeVar("T")

#: A function of the connection.
Job = Callable[[sqlite3.Connection], Any]


class SQLiteInbox(BlockingInbox):
    """The inbox of a :class:`SQLiteStore`: see ``SQLiteStore.inbox``. Safe to share between threads.

    ``timeout`` is how many seconds a call may wait for other processes before it raises StoreUnavailable; ``clock`` returns
    seconds since 1970.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 5.0, clock: Callable[[], float] = time.time) -> None:
        self._database = Database(
            path,
            schema=SCHEMA + INBOX_SCHEMA,
            tables={TABLE: COLUMNS, INBOX_TABLE: INBOX_COLUMNS},
            synchronous="FULL",
            timeout=timeout,
        )
        super().__init__(InboxJobs(ClaimKeys(), clock))
        self._writer = Writer(self._database, timeout=timeout)
        self._seen: object = None
        self._database.try_out()

    def awaited(self, in_thread: Callable[..., Awaitable[Any]]) -> AwaitedSQLiteInbox:
        """Return an AsyncInbox over the same entries; ``in_thread`` runs a blocking call, where no loop of asyncio runs."""
        return AwaitedSQLiteInbox(self, self._operations, self._writer, in_thread)

    def changed(self) -> bool:
        """Return whether anything may have been written to the file since the last call. It reads no page, and never waits."""
        opened = self._database.here()
        if not opened.lock.try_enter():
            return True  # this process is writing
        try:
            # The version does not count what this connection wrote.
            version = opened.connection.execute("PRAGMA data_version").fetchone()[0]
            seen = opened, version, opened.connection.total_changes
        except sqlite3.Error as error:
            raise self._database.unavailable(error) from error
        finally:
            opened.lock.__exit__()
        changed, self._seen = seen != self._seen, seen
        return changed

    def close(self) -> None:
        """Close this process's connection; the next call opens another."""
        self._database.close()

    def __repr__(self) -> str:
        return f"SQLiteInbox({str(self._database.path)!r})"

    def _do(self, operation: Operation[T]) -> T:
        write, read = _jobs(operation)
        return cast("T", self._writer.run(write, read=read))


class AwaitedSQLiteInbox(AwaitedInbox):
    """An AsyncInbox over the entries of a SQLiteInbox; see :meth:`SQLiteInbox.awaited`."""

    def __init__(self, inbox: SQLiteInbox, jobs: Operations, writer: Writer, in_thread: Callable[..., Awaitable[Any]]) -> None:
        super().__init__(jobs)
        self._inbox = inbox
        self._writer = writer
        self._in_thread = in_thread

    def __repr__(self) -> str:
        return repr(self._inbox)

    async def _do(self, operation: Operation[T]) -> T:
        write, read = _jobs(operation)
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # another kind of event loop, such as trio's
            return cast("T", await self._in_thread(lambda: self._writer.run(write, read=read)))
        return cast("T", await self._writer.submit(write, read=read))


def _jobs(operation: Operation[Any]) -> tuple[Job, Job | None]:
    """Return the operation's jobs for Writer: to write, and to read before that."""
    work = cast("InboxWork[Any]", operation)
    return job_of(work.steps), None if work.look is None else job_of(work.look)
