"""Transactional mode: claim, the handler's writes and completion are ONE transaction, so that each effect happens once.

``claim`` opens the user's session and its first statement is the claim. ``complete`` flushes what the handler wrote, marks
the event as done by the *last* statement, and commits. That last statement is the proof that the transaction is still the
one that began: a database error that the handler swallowed makes it fail, and after the handler's own rollback it finds no
claim. Only when the commit has returned is there a reply. A worker that is killed leaves nothing behind.

Another delivery of the same event must not wait for the first one's handler, as a plain insert would. PostgreSQL and MySQL
are asked for a lock without waiting; with SQLite this process knows what it is doing, and other processes wait for the file
like every writer, except for events that are done.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from hookguard.errors import (
    ConfigurationError,
    HookguardError,
    StoreMisconfigured,
    StoreUnavailable,
    TransactionEscaped,
    TransactionFailed,
)
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.sql.check import look_over
from hookguard.stores.sql.deadline import bounded, in_time
from hookguard.stores.sql.running import database_of, passes, run, unavailable
from hookguard.stores.sql.store import PURGE_BATCH, PURGE_EVERY, seconds
from hookguard.stores.sql.table import create_table
from hookguard.stores.statements import Statements

__all__ = ["AsyncSQLTransactionStore", "SQLTransactionStore"]

T = TypeVar("T")

#: Where a connection remembers the lock it holds, until it goes back to its pool.
_LOCK = "hookguard_lock"

_NOBODY = "no webhook is being handled here: ask for the session inside a guarded handler"


class _Running:
    """One event's transaction: the session, and what keeps its handler from committing it."""

    __slots__ = ("connection", "connections", "ending", "escaped", "key", "session")

    def __init__(self, session: Session, connection: Connection, key: StoreKey) -> None:
        self.session = session
        self.connection = connection
        self.connections: list[Connection] = []
        self.key = key
        self.ending = False
        self.escaped: TransactionEscaped | None = None
        # Of the connection and not of the session, whose commit a handler can pass by; also one got after a rollback.
        event.listen(session, "after_begin", self._watch)
        self._watch(session, None, connection)

    def _watch(self, _session: Session, _transaction: Any, connection: Connection) -> None:
        if connection not in self.connections:
            self.connections.append(connection)
            event.listen(connection, "commit", self._refuse)
        if connection.engine is self.connection.engine:
            self.connection = connection
            return
        self.escaped = TransactionEscaped(
            f"the session reaches a second database by {connection.engine!r}, and its claim is in that of"
            f" {self.connection.engine!r}: they commit one after the other, and no commit covers both. Use a session of its own"
            " for the other database, and write to it only what may happen without the event, or twice"
        )
        raise self.escaped

    def _refuse(self, _connection: Connection) -> None:
        if not self.ending:
            self.escaped = TransactionEscaped(
                "the handler committed the transaction that its claim is part of, which would free its writes from the claim:"
                " leave the commit to hookguard, or use flush() or begin_nested()"
            )
            raise self.escaped

    def end(self) -> None:
        if not self.ending:
            self.ending = True
            event.remove(self.session, "after_begin", self._watch)
            for connection in self.connections:
                event.remove(connection, "commit", self._refuse)


class _Work:
    """What both stores do with a session, in the blocking way, which SQLAlchemy runs for asynchronous sessions too."""

    def __init__(self, table: str, timeout: float) -> None:
        self._table = table
        self._timeout = seconds(timeout)
        self._steps: dict[str, Statements] = {}
        self._prepared: set[Engine] = set()
        self._busy: set[StoreKey] = set()  # with SQLite, which has no locks to ask for
        self._making = threading.Lock()

    def begin(
        self, session: Session, key: StoreKey, token: bytes, fingerprint: bytes, lease: float, retention: float
    ) -> tuple[Claim, _Running | None]:
        """Claim; return the answer, and the running transaction where the event is acquired."""
        ends = time.monotonic() + self._timeout
        dialect = session.get_bind().dialect
        steps = self._statements(dialect)
        if not self._enter(dialect, key):
            return _elsewhere(lease), None
        running: _Running | None = None
        connection: Connection | None = None
        try:
            if session.new or session.dirty or session.deleted:
                raise StoreMisconfigured(
                    "the session holds changes from before the claim, which would be committed with the event or be lost with"
                    " it: give a sessionmaker, or write nothing to the scoped session before the handler"
                )
            if session.in_transaction():
                # What was read before the claim may be out of date by now, and SQLite would refuse to write after it.
                session.rollback()
            connection = session.connection()
            with bounded(connection, ends):
                if dialect.name == "sqlite":
                    # A duplicate of what is done need not wait for whoever writes.
                    if found := run(connection, steps.look(key, token, fingerprint)):
                        return found, None
                    session.rollback()
                    connection = session.connection()
                self._prepare(connection, steps, key)
                if not run(connection, steps.lock(key)):
                    return _elsewhere(lease), None
                claim: Claim = run(connection, steps.claim(key, token, fingerprint, lease, retention))
            if claim.status == ClaimStatus.ACQUIRED:
                running = _Running(session, connection, key)
        except Exception as error:
            raise unavailable(error, dialect) from error
        else:
            return claim, running
        finally:
            if running is None:
                self._leave(session, key, connection, ends)

    def complete(self, running: _Running, token: bytes, retention: float, reply: bytes | None) -> None:
        """Mark as done and commit, or raise and leave nothing."""
        ends = time.monotonic() + self._timeout
        session = running.session
        dialect = session.get_bind().dialect
        steps = self._statements(dialect)
        try:
            if running.escaped is not None:
                # Refused, and the handler went on: nobody knows what it takes for written.
                raise running.escaped
            connection = session.connection()
            with bounded(connection, ends):
                session.flush()
                if not run(connection, steps.complete(running.key, token, retention, reply)):
                    raise TransactionEscaped(
                        "the transaction that the claim was part of is gone: the handler rolled it back, and still answered 2xx"
                    )
                running.end()
                session.commit()
        except HookguardError:
            raise
        except Exception as error:
            if passes(error):
                # A lost connection, a deadlock, a serialization failure: the redelivery finds out, or does it again.
                raise unavailable(error, dialect) from error
            why = getattr(error, "orig", None) or error
            swallowed = isinstance(error, InvalidRequestError) or "transaction is aborted" in str(why)
            raise TransactionFailed(
                f"the handler's transaction cannot be committed ({type(why).__name__}: {str(why).partition(chr(10))[0]})"
                + ("; did the handler catch a database error? Use begin_nested() around what may fail" if swallowed else "")
            ) from error
        finally:
            running.end()
            self._leave(session, running.key, running.connection, ends)

    def abandon(self, running: _Running) -> None:
        """Roll back."""
        running.end()
        self._leave(running.session, running.key, running.connection, time.monotonic() + self._timeout)

    def purge(self, session: Session, limit: int) -> int:
        """Delete expired events, in a transaction of its own."""
        return int(self._aside(session, lambda connection, steps: run(connection, steps.purge(limit))))

    def forget(self, session: Session, key: StoreKey) -> bool:
        """Forget an event, in a transaction of its own."""

        def forget(connection: Connection, steps: Statements) -> bool:
            if key not in self._busy:
                self._prepare(connection, steps, key)
                if run(connection, steps.lock(key)):
                    return bool(run(connection, steps.forget(key)))
            raise StoreUnavailable("the event is being handled: it can be forgotten when that is over")

        return bool(self._aside(session, forget))

    def check(self, session: Session) -> list[str]:
        """Look over the table, in a transaction of its own."""
        found: list[str] = self._aside(session, look_over)
        return found

    def _aside(self, session: Session, work: Callable[[Connection, Statements], Any]) -> Any:
        ends = time.monotonic() + self._timeout
        dialect = session.get_bind().dialect
        connection: Connection | None = None
        try:
            connection = session.connection()
            with bounded(connection, ends):
                found = work(connection, self._statements(dialect))
                session.commit()
        except Exception as error:
            raise unavailable(error, dialect) from error
        finally:
            _close(session, connection, ends)
        return found

    def create_table(self, session: Session) -> None:
        """Create the table unless it is there."""
        try:
            create_table(session.connection(), self._table)
            session.commit()
        finally:
            session.close()

    def _statements(self, dialect: Dialect) -> Statements:
        if dialect.name not in self._steps:
            self._steps[dialect.name] = Statements(database_of(dialect), table=self._table)
        return self._steps[dialect.name]

    def _enter(self, dialect: Dialect, key: StoreKey) -> bool:
        if dialect.name != "sqlite":
            return True
        with self._making:
            if key in self._busy:
                return False
            self._busy.add(key)
            return True

    def _leave(self, session: Session, key: StoreKey, connection: Connection | None, ends: float) -> None:
        try:
            _close(session, connection, ends)
        finally:
            with self._making:
                self._busy.discard(key)

    def _prepare(self, connection: Connection, steps: Statements, key: StoreKey) -> None:
        """See to it that there is a transaction, and that MySQL's lock ends when its connection goes back to the pool."""
        if steps.database == "sqlite":
            # Read, then written, a transaction of SQLite's fails at once where another wrote in between. This one is a
            # writer from its first statement on, and waits for its turn as long as the driver lets it.
            if not _raw(connection).in_transaction:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        with suppress(NotImplementedError):
            if connection.dialect.detect_autocommit_setting(connection.connection.dbapi_connection):  # type: ignore[arg-type]
                raise StoreMisconfigured(
                    "the session's engine is in AUTOCOMMIT, so that the claim and the handler's writes are no transaction:"
                    " give the sessionmaker an engine without isolation_level='AUTOCOMMIT'"
                )
        if steps.database == "mysql":
            engine = connection.engine
            with self._making:
                if engine not in self._prepared:
                    self._prepared.add(engine)
                    event.listen(engine, "reset", _unlock)
            (statement,) = steps.unlock(key)
            connection.info[_LOCK] = statement.values["name"]


class SQLTransactionStore:
    """Exactly-once effects in the database of the sessions that ``sessions`` makes.

    ``sessions`` is a ``sessionmaker`` or a ``scoped_session``. While an event is handled, :attr:`session` is the session to
    write with, and hookguard commits it: the handler must neither commit nor roll back (``begin_nested()`` is free to do
    both). For :class:`~hookguard.Guard`, which runs the handler in the thread that claimed. ``timeout`` is how many seconds
    the claim, and the completion with its commit, may take on their connection each; getting one, and what the handler does,
    is as long as the engine lets it. Raises TransactionEscaped in a handler that commits, or whose session reaches a second
    database.
    """

    capabilities = Capabilities(durable=True, shared=True, transactional=True, may_forget=False, clock="server", blocking=True)

    def __init__(self, sessions: Callable[[], Session], *, timeout: float = 5.0, table: str = "hookguard_event") -> None:
        if not callable(sessions):
            raise ConfigurationError(f"sessions is {type(sessions).__name__}: give a sessionmaker, or what else makes a Session")
        self._sessions = sessions
        self._work = _Work(table, timeout)
        self._running: dict[bytes, _Running] = {}
        self._current: ContextVar[Session | None] = ContextVar("hookguard_session", default=None)
        self._won = 0

    @property
    def session(self) -> Session:
        """The session of the event that is being handled; RuntimeError where none is."""
        if (session := self._current.get()) is None:
            raise RuntimeError(_NOBODY)
        return session

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Begin the transaction with the claim."""
        session = self._sessions()
        claim, running = self._work.begin(session, key, token, fingerprint, lease, retention)
        if running is not None:
            self._running[token] = running
            self._current.set(session)
        return claim

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """End it with the completion, and commit. Raises TransactionFailed or StoreUnavailable, and nothing happened."""
        running = self._running.pop(token, None)
        if running is None:
            return False
        self._current.set(None)
        self._work.complete(running, token, retention, reply)
        self._won += 1
        if self._won % PURGE_EVERY == 0:
            with suppress(StoreUnavailable):
                self.purge(limit=PURGE_BATCH)
        return True

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Roll back: what the handler wrote is gone, and so is the claim."""
        running = self._running.pop(token, None)
        if running is None:
            return False
        self._current.set(None)
        self._work.abandon(running)
        return True

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Whether the transaction is open: it holds the event for as long as its connection lives."""
        return token in self._running

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events, in a transaction of its own."""
        return self._work.purge(self._sessions(), limit)

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, in a transaction of its own."""
        return self._work.forget(self._sessions(), key)

    def check(self) -> list[str]:
        """Look whether the table is there and takes claims, and how the clocks differ; return what is worth knowing."""
        return self._work.check(self._sessions())

    def create_table(self) -> None:
        """Create the table unless it is there. Raises StoreMisconfigured."""
        self._work.create_table(self._sessions())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._sessions!r})"


class AsyncSQLTransactionStore:
    """The same with an ``async_sessionmaker``; :attr:`session` is the ``AsyncSession`` to write with."""

    capabilities = SQLTransactionStore.capabilities

    def __init__(self, sessions: Callable[[], AsyncSession], *, timeout: float = 5.0, table: str = "hookguard_event") -> None:
        if not callable(sessions):
            raise ConfigurationError(f"sessions is {type(sessions).__name__}: give an async_sessionmaker")
        self._sessions = sessions
        self._work = _Work(table, timeout)
        self._timeout = timeout
        self._running: dict[bytes, tuple[AsyncSession, _Running]] = {}
        self._leaving: set[asyncio.Future[None]] = set()
        self._current: ContextVar[AsyncSession | None] = ContextVar("hookguard_async_session", default=None)
        self._won = 0

    @property
    def session(self) -> AsyncSession:
        """The session of the event that is being handled; RuntimeError where none is."""
        if (session := self._current.get()) is None:
            raise RuntimeError(_NOBODY)
        return session

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Begin the transaction with the claim."""
        session = self._sessions()

        def begin(plain: Session) -> tuple[Claim, _Running | None]:
            return self._work.begin(plain, key, token, fingerprint, lease, retention)

        claim, running = await self._in_time(session, begin, lambda late: self._give_back(session, late[1]))
        if running is not None:
            self._running[token] = session, running
            self._current.set(session)
        return claim

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """End it with the completion, and commit. Raises TransactionFailed or StoreUnavailable, and nothing happened."""
        session, running = self._running.pop(token, (None, None))
        if session is None or running is None:
            return False
        self._current.set(None)
        await self._in_time(session, lambda _: self._work.complete(running, token, retention, reply))
        self._won += 1
        if self._won % PURGE_EVERY == 0:
            with suppress(StoreUnavailable):
                await self.purge(limit=PURGE_BATCH)
        return True

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Roll back: what the handler wrote is gone, and so is the claim."""
        session, running = self._running.pop(token, (None, None))
        if session is None or running is None:
            return False
        self._current.set(None)
        # Whoever is cancelled here must not cancel the roll-back, which would cost the pool the connection.
        await asyncio.shield(self._kept(self._in_time(session, lambda _: self._work.abandon(running))))
        return True

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Whether the transaction is open."""
        return token in self._running

    async def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events, in a transaction of its own."""
        return await self._in_time(self._sessions(), lambda plain: self._work.purge(plain, limit))

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event, in a transaction of its own."""
        return await self._in_time(self._sessions(), lambda plain: self._work.forget(plain, key))

    async def check(self) -> list[str]:
        """Look whether the table is there and takes claims, and how the clocks differ; return what is worth knowing."""
        return await self._in_time(self._sessions(), self._work.check)

    async def create_table(self) -> None:
        """Create the table unless it is there. Raises StoreMisconfigured."""
        await self._sessions().run_sync(self._work.create_table)

    async def _in_time(self, session: AsyncSession, work: Callable[[Session], T], late: Callable[[T], None] | None = None) -> T:
        try:
            return await in_time(session.run_sync(work), self._timeout, late)
        except asyncio.TimeoutError as error:
            raise unavailable(error, session.get_bind().dialect) from error

    def _give_back(self, session: AsyncSession, running: _Running | None) -> None:
        """Roll back what was claimed for somebody who has gone away meanwhile."""
        if running is not None:
            self._kept(session.run_sync(lambda _: self._work.abandon(running)))

    def _kept(self, work: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
        """Run it in a task of its own, which ends whoever leaves."""
        task = asyncio.ensure_future(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._sessions!r})"


def _elsewhere(lease: float) -> Claim:
    """Another worker is at it. When it will end nobody can see, for what it did is not committed."""
    return Claim(ClaimStatus.IN_PROGRESS, retry_after=min(lease, 5.0))


def _close(session: Session, connection: Connection | None, ends: float) -> None:
    """Roll back what was not committed, and give the connection back."""
    # On a broken connection even a rollback fails, and the pool throws it away.
    with suppress(Exception), nullcontext() if connection is None else bounded(connection, ends):
        with suppress(Exception):
            session.rollback()
        session.close()


def _raw(connection: Connection) -> Any:
    """The driver's own connection, of an asynchronous driver too."""
    return connection.connection.driver_connection


def _unlock(connection: Any, record: Any, state: Any) -> None:
    """Free the lock of a MySQL connection that goes back to its pool. One that fails here is broken, and thrown away."""
    name = record.info.pop(_LOCK, None)
    if name is not None and state.asyncio_safe:
        cursor = connection.cursor()
        try:
            cursor.execute("SELECT RELEASE_LOCK(SHA2(CONCAT(COALESCE(DATABASE(), ''), %s), 256))", (name,))
            cursor.fetchall()
        finally:
            cursor.close()
