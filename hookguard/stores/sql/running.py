"""The transaction that a handler is in, watched until its end; and which of them a store has."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from contextvars import ContextVar
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from hookguard.errors import TransactionEscaped
from hookguard.store import StoreKey
from hookguard.stores.sql.deadline import Bounded

__all__ = ["Running", "Transactions", "close"]

#: A Session, or an AsyncSession.
S = TypeVar("S")


class Running:
    """One event's transaction: the session, and the hooks that keep its handler from committing it."""

    __slots__ = ("connection", "connections", "ending", "escaped", "key", "over", "session")

    def __init__(self, session: Session, connection: Connection, key: StoreKey | None = None) -> None:
        self.session = session
        self.connection = connection
        self.connections: list[Connection] = []
        self.key = key  #: the claim's; None for an entry of the inbox
        self.ending = False
        self.over = False  #: no handler finds the session any more
        self.escaped: TransactionEscaped | None = None
        # Watch the connection, because a handler can bypass the session's commit; also a connection opened after a rollback.
        event.listen(session, "after_begin", self._watch)
        self._watch(session, None, connection)

    def _watch(self, _session: Session, _transaction: Any, connection: Connection) -> None:
        if connection not in self.connections:
            self.connections.append(connection)
            event.listen(connection, "commit", self._reject)
        if connection.engine is self.connection.engine:
            self.connection = connection
            return
        self.escaped = TransactionEscaped(
            f"the session reaches a second database with {connection.engine!r}, and its claim is in that of"
            f" {self.connection.engine!r}: they commit one after the other, and no commit covers both. Use a separate session for"
            " the other database, and write to it only what may happen without the event, or twice"
        )
        raise self.escaped

    def _reject(self, _connection: Connection) -> None:
        if not self.ending:
            self.escaped = TransactionEscaped(
                "the handler committed the transaction that its claim is part of, which would separate its writes from the claim:"
                " leave the commit to hookguard, or use flush() or begin_nested()"
            )
            raise self.escaped

    def end(self) -> None:
        """Allow the commit."""
        if not self.ending:
            self.ending = True
            event.remove(self.session, "after_begin", self._watch)
            for connection in self.connections:
                event.remove(connection, "commit", self._reject)


class Transactions(Generic[S]):
    """The transactions of one store's handlers, by the token of the claim or of the entry."""

    def __init__(self, name: str) -> None:
        self._current: ContextVar[tuple[S, Running] | None] = ContextVar(name, default=None)
        self.running: dict[bytes, tuple[S, Running]] = {}

    def session(self) -> S | None:
        """Return the session of the handler that asks, None outside of a handler.

        After the transaction that is None too, also in a context that was copied while the handler ran.
        """
        found = self._current.get()
        return None if found is None or found[1].over else found[0]

    def enter(self, token: bytes, session: S, running: Running) -> None:
        """Let the handler that the caller runs next find the session."""
        self.running[token] = session, running
        self._current.set((session, running))

    def leave(self, token: bytes) -> tuple[S, Running] | None:
        """Forget a transaction that is about to end; None if the token has no transaction."""
        found = self.running.pop(token, None)
        if found is not None:
            found[1].over = True  # the caller may run in a copy of the handler's context, which sees no change of it
            self._current.set(None)
        return found


def close(session: Session, connection: Connection | None, ends: float) -> None:
    """Roll back everything that is not committed, and return the connection to its pool."""
    broken = connection is None or connection.closed or connection.invalidated
    # On a broken connection even the rollback fails, and the pool discards the connection.
    with suppress(Exception), nullcontext() if broken else Bounded(cast("Connection", connection), ends):
        with suppress(Exception):
            session.rollback()
        session.close()
