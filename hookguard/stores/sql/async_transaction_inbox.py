"""The inbox of a transactional store with an asynchronous driver. Imported on demand, as the store is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session

from hookguard.inbox.settings import InboxSettings
from hookguard.stores.sql.async_inbox import AsyncSQLInbox
from hookguard.stores.sql.async_store import AsyncSQLStore
from hookguard.stores.sql.running import Running
from hookguard.stores.sql.work import Work

if TYPE_CHECKING:
    from hookguard.stores.sql.async_transaction import AsyncSQLTransactionStore

__all__ = ["AsyncSQLTransactionInbox"]


class AsyncSQLTransactionInbox(AsyncSQLInbox):
    """The inbox of an :class:`AsyncSQLTransactionStore`; see :mod:`hookguard.stores.sql.transaction_inbox`."""

    def __init__(self, work: Work, store: AsyncSQLTransactionStore) -> None:
        engine = work.need_engine(store._sessions)
        self._entries = work.entries(engine)
        apart = AsyncSQLStore(AsyncEngine(engine), timeout=work.timeout, table=work.table)
        super().__init__(self._entries, apart._run)
        self._work = work
        self._store = store

    async def begin(self, key: str, *, token: bytes) -> bool:
        """Begin the handler's transaction in this task; False unless the token holds the entry."""

        def begin(session: Session) -> tuple[bool, Running | None]:
            running = self._work.begin_entry(session, self._entries.begin(key, token).steps)
            return running is not None, running

        return await self._store._begin(token, begin)

    async def commit(self, key: str, *, token: bytes, settings: InboxSettings) -> bool:
        """Mark the entry as done and commit. After TransactionFailed nothing was written."""
        steps = self._entries.commit(key, token, settings).steps()
        return await self._store._end(token, lambda running: self._work.finish(running, steps))

    async def roll_back(self, key: str, *, token: bytes) -> bool:
        """Undo the handler's writes; the entry is still held."""
        return await self._store._roll_back(token)

    async def committed(self, key: str, *, token: bytes) -> bool:
        """Return whether a commit was made whose answer got lost."""
        return await self._do(self._entries.committed(key, token))
