"""Transactional mode: claim, the handler's writes and completion are ONE transaction, so that each effect happens once.

``claim`` opens the user's session and its first statement is the claim. ``complete`` flushes what the handler wrote, marks
the event as done by the *last* statement, and commits. That last statement is the proof that the transaction is still the
one that began: a database error that the handler swallowed makes it fail, and after the handler's own rollback it finds no
claim. Only when the commit has returned is there a reply. A worker that is killed leaves nothing behind.

Another delivery of the same event must not wait for the first one's handler, as a plain insert would. PostgreSQL and MySQL
are asked for a lock without waiting; with SQLite this process knows what it is doing, and other processes wait for the file
like every writer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import InterfaceError, InvalidRequestError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from hookguard.errors import ConfigurationError, StoreUnavailable, TransactionEscaped, TransactionFailed
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.sql.running import database_of, lost_connection, run, unavailable
from hookguard.stores.sql.store import PURGE_BATCH, PURGE_EVERY
from hookguard.stores.sql.table import create_table
from hookguard.stores.statements import Statements, Steps

__all__ = ["AsyncSQLTransactionStore", "SQLTransactionStore"]

#: Where a connection remembers the lock it holds, until it goes back to its pool.
_LOCK = "hookguard_lock"

_NOBODY = "no webhook is being handled here: ask for the session inside a guarded handler"


class _Running:
    """One event's transaction: the session, and what keeps its handler from ending it."""

    __slots__ = ("ending", "key", "session")

    def __init__(self, session: Session, key: StoreKey) -> None:
        self.session = session
        self.key = key
        self.ending = False
        event.listen(session, "before_commit", self._refuse)

    def _refuse(self, session: Session) -> None:
        if not self.ending and not session.in_nested_transaction():
            raise TransactionEscaped(
                "the handler committed the transaction that its claim is part of, which would free its writes from the claim:"
                " leave the commit to hookguard, or use flush() or begin_nested()"
            )

    def end(self) -> None:
        self.ending = True
        if event.contains(self.session, "before_commit", self._refuse):
            event.remove(self.session, "before_commit", self._refuse)


class _Work:
    """What both stores do with a session, in the blocking way, which SQLAlchemy runs for asynchronous sessions too."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._steps: dict[str, Statements] = {}
        self._prepared: set[Engine] = set()
        self._busy: set[StoreKey] = set()  # with SQLite, which has no locks to ask for
        self._making = threading.Lock()

    def begin(self, session: Session, key: StoreKey, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Any:
        """Claim; return the answer, and the running transaction where the event is acquired."""
        dialect = session.get_bind().dialect
        steps = self._statements(dialect)
        if not self._enter(dialect, key):
            return _elsewhere(lease), None
        claim: Claim | None = None
        try:
            connection = session.connection()
            if dialect.name in ("mysql", "mariadb"):
                self._prepare(connection, steps, key)
            if not run(connection, steps.lock(key)):
                return _elsewhere(lease), None
            claim = run(connection, steps.claim(key, token, fingerprint, lease, retention))
            return claim, _Running(session, key) if claim.status == ClaimStatus.ACQUIRED else None
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(error, dialect) from error
        finally:
            if claim is None or claim.status != ClaimStatus.ACQUIRED:
                self._leave(session, key)

    def complete(self, running: _Running, token: bytes, retention: float, reply: bytes | None) -> None:
        """Mark as done and commit, or raise and leave nothing."""
        session = running.session
        dialect = session.get_bind().dialect
        steps = self._statements(dialect)
        try:
            session.flush()
            if not run(session.connection(), steps.complete(running.key, token, retention, reply)):
                raise TransactionEscaped(
                    "the transaction that the claim was part of is gone: the handler rolled it back, and still answered 2xx"
                )
            running.end()
            session.commit()
        except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
            # A lost connection, a deadlock, a serialization failure: the redelivery finds out, or does it again.
            raise unavailable(error, dialect) from error
        except SQLAlchemyError as error:
            if lost_connection(error):
                raise unavailable(error, dialect) from error
            why = getattr(error, "orig", None) or error
            swallowed = isinstance(error, InvalidRequestError) or "transaction is aborted" in str(why)
            raise TransactionFailed(
                f"the handler's transaction cannot be committed ({type(why).__name__}: {str(why).partition(chr(10))[0]})"
                + ("; did the handler catch a database error? Use begin_nested() around what may fail" if swallowed else "")
            ) from error
        finally:
            running.end()
            self._leave(session, running.key)

    def abandon(self, running: _Running) -> None:
        """Roll back."""
        running.end()
        self._leave(running.session, running.key)

    def aside(self, session: Session, steps: Callable[[Statements], Steps]) -> Any:
        """Run one step in a transaction of its own."""
        dialect = session.get_bind().dialect
        try:
            found = run(session.connection(), steps(self._statements(dialect)))
            session.commit()
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(error, dialect) from error
        finally:
            _close(session)
        return found

    def create_table(self, session: Session) -> None:
        """Create the table unless it is there."""
        try:
            create_table(session.connection(), self._table)
            session.commit()
        finally:
            _close(session)

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

    def _leave(self, session: Session, key: StoreKey) -> None:
        # Closing rolls back what was not committed.
        _close(session)
        with self._making:
            self._busy.discard(key)

    def _prepare(self, connection: Connection, steps: Statements, key: StoreKey) -> None:
        """See to it that a lock ends when its connection goes back to the pool, whoever sends it there."""
        engine = connection.engine
        with self._making:
            if engine not in self._prepared:
                self._prepared.add(engine)
                event.listen(engine, "reset", _unlock)
        (statement,) = steps.unlock(key)
        connection.info[_LOCK] = next(iter(statement.values.values()))


class SQLTransactionStore:
    """Exactly-once effects in the database of the sessions that ``sessions`` makes.

    ``sessions`` is a ``sessionmaker`` or a ``scoped_session``. While an event is handled, :attr:`session` is the session to
    write with, and hookguard commits it: the handler must neither commit nor roll back (``begin_nested()`` is free to do
    both). For :class:`~hookguard.Guard`, which runs the handler in the thread that claimed.
    """

    capabilities = Capabilities(durable=True, shared=True, transactional=True, may_forget=False, clock="server", blocking=True)

    def __init__(self, sessions: Callable[[], Session], *, table: str = "hookguard_event") -> None:
        if not callable(sessions):
            raise ConfigurationError(f"sessions is {type(sessions).__name__}: give a sessionmaker, or what else makes a Session")
        self._sessions = sessions
        self._work = _Work(table)
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
        return claim  # type: ignore[no-any-return]

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
        return int(self._work.aside(self._sessions(), lambda steps: steps.purge(limit)))

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, in a transaction of its own."""
        return bool(self._work.aside(self._sessions(), lambda steps: steps.forget(key)))

    def create_table(self) -> None:
        """Create the table unless it is there. Raises StoreMisconfigured."""
        self._work.create_table(self._sessions())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._sessions!r})"


class AsyncSQLTransactionStore:
    """The same with an ``async_sessionmaker``; :attr:`session` is the ``AsyncSession`` to write with."""

    capabilities = SQLTransactionStore.capabilities

    def __init__(self, sessions: Callable[[], AsyncSession], *, table: str = "hookguard_event") -> None:
        if not callable(sessions):
            raise ConfigurationError(f"sessions is {type(sessions).__name__}: give an async_sessionmaker")
        self._sessions = sessions
        self._work = _Work(table)
        self._running: dict[bytes, tuple[AsyncSession, _Running]] = {}
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
        claim, running = await session.run_sync(lambda plain: self._work.begin(plain, key, token, fingerprint, lease, retention))
        if running is not None:
            self._running[token] = session, running
            self._current.set(session)
        return claim  # type: ignore[no-any-return]

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """End it with the completion, and commit. Raises TransactionFailed or StoreUnavailable, and nothing happened."""
        session, running = self._running.pop(token, (None, None))
        if session is None or running is None:
            return False
        self._current.set(None)
        await session.run_sync(lambda _: self._work.complete(running, token, retention, reply))
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
        await session.run_sync(lambda _: self._work.abandon(running))
        return True

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Whether the transaction is open."""
        return token in self._running

    async def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events, in a transaction of its own."""
        return int(await self._sessions().run_sync(lambda plain: self._work.aside(plain, lambda steps: steps.purge(limit))))

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event, in a transaction of its own."""
        return bool(await self._sessions().run_sync(lambda plain: self._work.aside(plain, lambda steps: steps.forget(key))))

    async def create_table(self) -> None:
        """Create the table unless it is there. Raises StoreMisconfigured."""
        await self._sessions().run_sync(self._work.create_table)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._sessions!r})"


def _elsewhere(lease: float) -> Claim:
    """Another worker is at it. When it will end nobody can see, for what it did is not committed."""
    return Claim(ClaimStatus.IN_PROGRESS, retry_after=min(lease, 5.0))


def _close(session: Session) -> None:
    # On a broken connection even a rollback fails, and the pool throws it away.
    with suppress(SQLAlchemyError, OSError):
        session.rollback()
    with suppress(SQLAlchemyError, OSError):
        session.close()


def _unlock(connection: Any, record: Any, _state: Any) -> None:
    """Free the lock of a MySQL connection that goes back to its pool. One that fails here is broken, and thrown away."""
    name = record.info.pop(_LOCK, None)
    if name is not None:
        cursor = connection.cursor()
        try:
            cursor.execute("SELECT RELEASE_LOCK(%s)", (name,))
            cursor.fetchall()
        finally:
            cursor.close()
