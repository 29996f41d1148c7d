"""The inbox in PostgreSQL, MySQL or MariaDB, beside the claims: one database for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy.engine import Connection

from hookguard.errors import ConfigurationError
from hookguard.inbox.contract import Lane
from hookguard.stores.inbox_server import ServerInbox
from hookguard.stores.inbox_sides import BlockingInbox, Operation
from hookguard.stores.inbox_work import InboxWork
from hookguard.stores.sql.inbox_work import performing
from hookguard.stores.statements import Database, Steps

__all__ = ["SQLInbox", "server_inbox"]

T = TypeVar("T")


def server_inbox(database: Database, events: str, clock: Callable[[], float] | None) -> ServerInbox:
    """Return the operations. Raises ConfigurationError for a database that this store keeps no deliveries in."""
    if database == "sqlite":
        raise ConfigurationError(
            "an inbox in a SQLite file needs the SQLite store: write sqlite:////path/to/file for the store, without a driver"
        )
    return ServerInbox(database, events, clock)


class SQLInbox(BlockingInbox):
    """The inbox of a :class:`SQLStore`: see ``SQLStore.inbox``. Safe to share between threads.

    Every operation is one statement or one transaction, on a connection of the store's pool. ``perform`` runs it there, and
    ``look`` runs steps that only read.
    """

    def __init__(
        self,
        operations: ServerInbox,
        perform: Callable[[Callable[[Connection], Any]], Any],
        look: Callable[[Steps], Any],
    ) -> None:
        super().__init__(operations)
        self.table = operations.table
        self._server = operations
        self._perform = perform
        self._look = look

    def due(self, lanes: Sequence[Lane]) -> bool:
        """Return whether anything can be taken from one of the lanes now."""
        return cast("bool", self._look(self._server.due(lanes).steps()))

    def __repr__(self) -> str:
        return f"SQLInbox({self.table!r})"

    def _do(self, operation: Operation[T]) -> T:
        return cast("T", self._perform(performing(cast("InboxWork[T]", operation))))
