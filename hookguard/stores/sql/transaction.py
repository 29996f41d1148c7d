"""Transactional mode: claim, the handler's writes and completion are ONE transaction, so that each effect happens once.

``claim`` opens the user's session, and its first statement is the claim. ``complete`` flushes the handler's writes, marks the
event as done with the *last* statement, and commits. That last statement proves that the transaction is still the same: it
fails after a database error that the handler swallowed, and it finds no claim after the handler's own rollback. The reply is
sent only after the commit has returned. A killed worker leaves nothing behind.

Another delivery of the same event must not wait for the first handler, as a plain insert would. So the store asks PostgreSQL
and MySQL for a lock without waiting. With SQLite this process remembers its events in progress. Other processes wait for the
file like every writer, except for events that are done.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.store import Capabilities, Claim, StoreKey
from hookguard.stores.sql.database_check import Needed
from hookguard.stores.sql.running import Transactions
from hookguard.stores.sql.store import PURGE_BATCH, PURGE_EVERY, SQLStore
from hookguard.stores.sql.work import Work

if TYPE_CHECKING:
    from hookguard.stores.evidence_sql import SQLEvidence
    from hookguard.stores.sql.transaction_inbox import SQLTransactionInbox

__all__ = ["NOBODY", "SQLTransactionStore"]

NOBODY = "no webhook is being handled here: ask for the session inside a guarded handler"


class SQLTransactionStore:
    """Exactly-once effects in the database of the sessions that ``sessions`` makes.

    ``sessions`` is a ``sessionmaker`` or a ``scoped_session``. A handler writes with
    :attr:`session`, and hookguard commits it: the handler must neither commit nor roll back (both are allowed within
    ``begin_nested()``). The store is for :class:`~hookguard.Guard`, which runs the handler in the thread that claimed.
    ``timeout`` is how many seconds the claim may take on its connection, and the completion with its commit too. Waiting for a
    connection, and the handler's own statements, are limited by the engine only. Raises TransactionEscaped in a handler that
    commits, or whose session reaches a second database.
    """

    def __init__(self, sessions: Callable[[], Session], *, timeout: float = 5.0, table: str = "hookguard_event") -> None:
        if not callable(sessions):
            raise ConfigurationError(
                f"sessions is {type(sessions).__name__}: give a sessionmaker, or another function that returns a Session"
            )
        self._sessions = sessions
        self._handlers: Transactions[Session] = Transactions("hookguard_session")
        self._running = self._handlers.running
        self._work = Work(table, timeout, self._handlers.session)
        self._inbox: SQLTransactionInbox | None = None
        self._evidence: SQLEvidence | None = None
        self._won = 0

    @property
    def capabilities(self) -> Capabilities:
        """The store's guarantees: on SQLite, the host's clock."""
        return self._work.capabilities(self._sessions)

    @property
    def session(self) -> Session:
        """The session of the event that is being handled. Raises RuntimeError outside of a handler."""
        if (session := self._handlers.session()) is None:
            raise RuntimeError(NOBODY)
        return session

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Begin the transaction with the claim."""
        session = self._sessions()
        claim, running = self._work.begin(session, key, token, fingerprint, lease, retention)
        if running is not None:
            self._handlers.enter(token, session, running)
        return claim

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done and commit. After TransactionFailed or StoreUnavailable nothing was written."""
        found = self._handlers.leave(token)
        if found is None:
            return False
        self._work.complete(found[1], token, retention, reply)
        self._won += 1
        if self._won % PURGE_EVERY == 0:
            with suppress(StoreUnavailable):
                self.purge(limit=PURGE_BATCH)
        return True

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Roll back the handler's writes and the claim."""
        found = self._handlers.leave(token)
        if found is None:
            return False
        self._work.abandon(found[1])
        return True

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Return whether the transaction is open. It holds the event as long as its connection lives."""
        return token in self._running

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events, in a transaction of its own."""
        return self._work.purge(self._sessions(), limit)

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, in a transaction of its own; False while an inbox entry of it is waiting or held."""
        return self._work.forget(self._sessions(), key)

    def inbox(self) -> SQLTransactionInbox:
        """Return the inbox beside the claims, whose handlers write with :attr:`session`, too.

        Raises ConfigurationError for SQLite.
        """
        if self._inbox is None:
            from hookguard.stores.sql.transaction_inbox import SQLTransactionInbox  # noqa: PLC0415 - most applications have none

            self._inbox = SQLTransactionInbox(self._work, self._sessions, self._handlers)
        return self._inbox

    def evidence(self) -> SQLEvidence:
        """Return the records of deliveries, which are written on connections of their own.

        Raises ConfigurationError while the engine of the sessions is not known.
        """
        if self._evidence is None:
            aside = SQLStore(self._work.need_engine(self._sessions), timeout=self._work.timeout, table=self._work.table)
            self._evidence = aside.evidence()
        return self._evidence

    def check(self) -> list[str]:
        """Check the table, a claim, and the clocks; return remarks."""
        needed = Needed(inbox=self._inbox is not None, evidence=self._evidence is not None)
        return self._work.check(self._sessions(), needed)

    def create_table(self) -> None:
        """Create the table unless it exists, and the inbox's if this store has one. Raises MissingTable."""
        self._work.create_table(self._sessions(), inbox=self._inbox is not None)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._work.name(self._sessions)})"
