"""The inbox of a transactional store: a worker's handler writes in the transaction that its entry's completion is part of.

``begin`` takes the entry into the transaction with the first statement, and locks it. ``commit`` completes it with the last. All
other operations are committed on their own, on connections of the same engine: what is answered is stored whatever becomes of a
handler, and the counts of tries and of crashes outlive its rollback.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from hookguard.inbox.settings import InboxSettings
from hookguard.stores.sql.inbox import SQLInbox
from hookguard.stores.sql.running import Transactions
from hookguard.stores.sql.store import SQLStore
from hookguard.stores.sql.work import Work

__all__ = ["SQLTransactionInbox"]


class SQLTransactionInbox(SQLInbox):
    """The inbox of a :class:`SQLTransactionStore`: see ``SQLTransactionStore.inbox``. Safe to share between threads.

    See :class:`hookguard.inbox.transactional.Transactional` for what it adds.
    """

    def __init__(self, work: Work, sessions: Callable[[], Session], running: Transactions[Session]) -> None:
        engine = work.need_engine(sessions)
        self._entries = work.entries(engine)
        # Raises StoreUnavailable after ``timeout`` seconds, as the store does.
        apart = SQLStore(engine, timeout=work.timeout, table=work.table)
        super().__init__(self._entries, apart._run, apart._look)
        self._work = work
        self._sessions = sessions
        self._running = running

    def begin(self, key: str, *, token: bytes) -> bool:
        """Begin the handler's transaction in this thread; False unless the token holds the entry."""
        session = self._sessions()
        running = self._work.begin_entry(session, self._entries.begin(key, token).steps)
        if running is not None:
            self._running.enter(token, session, running)
        return running is not None

    def commit(self, key: str, *, token: bytes, settings: InboxSettings) -> bool:
        """Mark the entry as done and commit. After TransactionFailed nothing was written."""
        if (found := self._running.leave(token)) is None:
            return False
        self._work.finish(found[1], self._entries.commit(key, token, settings).steps())
        return True

    def roll_back(self, key: str, *, token: bytes) -> bool:
        """Undo the handler's writes; the entry is still held."""
        if (found := self._running.leave(token)) is None:
            return False
        self._work.abandon(found[1])
        return True

    def committed(self, key: str, *, token: bytes) -> bool:
        """Return whether a commit was made whose answer got lost."""
        return self._do(self._entries.committed(key, token))
