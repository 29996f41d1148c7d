"""Transactional mode with an asynchronous driver. Imported on demand, because SQLAlchemy's asyncio needs greenlet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.store import Capabilities, Claim, StoreKey
from hookguard.stores.sql.database_check import Needed
from hookguard.stores.sql.deadline import in_time
from hookguard.stores.sql.execute import unavailable
from hookguard.stores.sql.running import Running, Transactions
from hookguard.stores.sql.store import PURGE_BATCH, PURGE_EVERY
from hookguard.stores.sql.transaction import NOBODY
from hookguard.stores.sql.work import Work

if TYPE_CHECKING:
    from hookguard.stores.sql.async_transaction_inbox import AsyncSQLTransactionInbox

__all__ = ["AsyncSQLTransactionStore"]

T = TypeVar("T")


class AsyncSQLTransactionStore:
    """SQLTransactionStore for an ``async_sessionmaker``. Handlers write with :attr:`session`, an ``AsyncSession``."""

    def __init__(self, sessions: Callable[[], AsyncSession], *, timeout: float = 5.0, table: str = "hookguard_event") -> None:
        if not callable(sessions):
            raise ConfigurationError(f"sessions is {type(sessions).__name__}: give an async_sessionmaker")
        self._sessions = sessions
        self._handlers: Transactions[AsyncSession] = Transactions("hookguard_async_session")
        self._running = self._handlers.running
        self._work = Work(table, timeout, self._handlers.session)
        self._timeout = timeout
        self._inbox: AsyncSQLTransactionInbox | None = None
        self._leaving: set[asyncio.Future[None]] = set()
        self._won = 0

    @property
    def capabilities(self) -> Capabilities:
        """The store's guarantees: on SQLite, the host's clock."""
        return self._work.capabilities(self._sessions)

    @property
    def session(self) -> AsyncSession:
        """The session of the event that is being handled. Raises RuntimeError outside of a handler."""
        if (session := self._handlers.session()) is None:
            raise RuntimeError(NOBODY)
        return session

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Begin the transaction with the claim."""
        return await self._begin(token, lambda plain: self._work.begin(plain, key, token, fingerprint, lease, retention))

    async def _begin(self, token: bytes, begin: Callable[[Session], tuple[T, Running | None]]) -> T:
        """Begin a transaction, of a claim or of an entry of the inbox."""
        session = self._sessions()
        found, running = await self._in_time(session, begin, lambda late: self._release_late(session, late[1]))
        if running is not None:
            self._handlers.enter(token, session, running)
        return found

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done and commit. After TransactionFailed or StoreUnavailable nothing was written."""
        if not await self._end(token, lambda running: self._work.complete(running, token, retention, reply)):
            return False
        self._won += 1
        if self._won % PURGE_EVERY == 0:
            with suppress(StoreUnavailable):
                await self.purge(limit=PURGE_BATCH)
        return True

    async def _end(self, token: bytes, end: Callable[[Running], None]) -> bool:
        """End a transaction with its commit; False if it is not known."""
        found = self._handlers.leave(token)
        if found is None:
            return False
        session, running = found
        await self._in_time(session, lambda _: end(running))
        return True

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Roll back the handler's writes and the claim."""
        return await self._roll_back(token)

    async def _roll_back(self, token: bytes) -> bool:
        found = self._handlers.leave(token)
        if found is None:
            return False
        session, running = found
        # If the caller is cancelled here, the rollback goes on. Otherwise the pool would lose the connection.
        await asyncio.shield(self._kept(self._in_time(session, lambda _: self._work.abandon(running))))
        return True

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Return whether the transaction is open."""
        return token in self._running

    async def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events, in a transaction of its own."""
        return await self._in_time(self._sessions(), lambda plain: self._work.purge(plain, limit))

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event, in a transaction of its own; False while an inbox entry of it is waiting or held."""
        return await self._in_time(self._sessions(), lambda plain: self._work.forget(plain, key))

    def inbox(self) -> AsyncSQLTransactionInbox:
        """Return the inbox beside the claims; see :meth:`SQLTransactionStore.inbox`."""
        if self._inbox is None:
            from hookguard.stores.sql.async_transaction_inbox import AsyncSQLTransactionInbox  # noqa: PLC0415 - as the other

            self._inbox = AsyncSQLTransactionInbox(self._work, self)
        return self._inbox

    async def check(self) -> list[str]:
        """Check the table, a claim, and the clocks; return remarks."""
        needed = Needed(inbox=self._inbox is not None)
        return await self._in_time(self._sessions(), lambda plain: self._work.check(plain, needed))

    async def create_table(self) -> None:
        """Create the table unless it exists, and the inbox's if this store has one. Raises MissingTable."""
        inbox = self._inbox is not None
        await self._sessions().run_sync(lambda plain: self._work.create_table(plain, inbox=inbox))

    async def _in_time(self, session: AsyncSession, work: Callable[[Session], T], late: Callable[[T], None] | None = None) -> T:
        try:
            return await in_time(session.run_sync(work), self._timeout, late)
        except asyncio.TimeoutError as error:
            raise unavailable(error, session.get_bind().dialect) from error

    def _release_late(self, session: AsyncSession, running: Running | None) -> None:
        """Roll back a claim whose caller gave up meanwhile."""
        if running is not None:
            self._kept(session.run_sync(lambda _: self._work.abandon(running)))

    def _kept(self, work: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
        """Run the work in a task of its own, which ends even if the caller is cancelled."""
        task = asyncio.ensure_future(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._work.name(self._sessions)})"
