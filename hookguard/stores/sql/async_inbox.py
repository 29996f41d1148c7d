"""The inbox for an asynchronous driver. Imported on demand, as the asynchronous store is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy.engine import Connection

from hookguard.inbox.contract import Lane
from hookguard.stores.inbox_server import ServerInbox
from hookguard.stores.inbox_sides import AwaitedInbox, Operation
from hookguard.stores.inbox_work import InboxWork
from hookguard.stores.sql.execute import look
from hookguard.stores.sql.inbox_work import performing

__all__ = ["AsyncSQLInbox"]

T = TypeVar("T")


class AsyncSQLInbox(AwaitedInbox):
    """The inbox of a :class:`AsyncSQLStore`: see ``AsyncSQLStore.inbox``.

    Every operation is one statement or one transaction, on a connection of the store's pool. ``perform`` runs it there.
    """

    def __init__(self, operations: ServerInbox, perform: Callable[[Callable[[Connection], Any]], Awaitable[Any]]) -> None:
        super().__init__(operations)
        self.table = operations.table
        self._server = operations
        self._perform = perform

    async def due(self, lanes: Sequence[Lane]) -> bool:
        """Return whether anything can be taken from one of the lanes now."""
        return cast("bool", await self._perform(lambda connection: look(connection, self._server.due(lanes).steps())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.table!r})"

    async def _do(self, operation: Operation[T]) -> T:
        return cast("T", await self._perform(performing(cast("InboxWork[T]", operation))))
