"""The inbox in PostgreSQL for an event loop: puts that wait share a statement and its commit, and a worker's completions too."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar, cast

from sqlalchemy.exc import DBAPIError

from hookguard.errors import StoreUnavailable
from hookguard.inbox.contract import Kept, Lane, Put
from hookguard.inbox.settings import InboxSettings
from hookguard.stores.driver_errors import sqlstate
from hookguard.stores.inbox_completions import Completion
from hookguard.stores.inbox_server import ServerInbox
from hookguard.stores.inbox_sides import AwaitedInbox, Operation
from hookguard.stores.sql.execute import driver_error
from hookguard.stores.sql.inbox import SQLInbox
from hookguard.stores.sql.sharing import Sharing

__all__ = ["AwaitedSQLInbox", "SharingSQLInbox"]

T = TypeVar("T")

#: The keys that may share a statement: what the server could reject in one would fail the others.
_PLAIN: Final = re.compile(r"[0-9a-f]{64}(\.[ -~]{1,64})?")

#: Events in one statement, at most, and the longest body of each in bytes.
_PUTS: Final = 64
_LONGEST: Final = 65_536

#: Completions in one statement, at most.
_COMPLETIONS: Final = 256

#: The SQLSTATEs with which PostgreSQL rejects a statement, and has rolled it back: wrong data, a lock or a time limit.
_REJECTED: Final = ("21", "22", "23", "42", "55", "57014")


class SharingSQLInbox(SQLInbox):
    """The inbox of a :class:`SQLStore` in PostgreSQL."""

    def awaited(self, in_thread: Callable[..., Awaitable[Any]]) -> AwaitedSQLInbox:
        """Return an AsyncInbox over the same entries; ``in_thread`` runs a blocking call."""
        return AwaitedSQLInbox(self, self._server, in_thread)


class AwaitedSQLInbox(AwaitedInbox):
    """An AsyncInbox over the entries of a SharingSQLInbox.

    Puts of one event, and completions, that come while a statement is under way share the next one. Each waiter gets the answer
    for its own entry after the commit. If the server rejects the statement of several puts, each is tried on its own. If the
    server does not answer, each waiter raises StoreUnavailable: its entry may be written or not. Both operations may be repeated.
    """

    def __init__(self, inbox: SharingSQLInbox, operations: ServerInbox, in_thread: Callable[..., Awaitable[Any]]) -> None:
        super().__init__(operations)
        self._inbox = inbox
        self._server = operations
        self._in_thread = in_thread
        self._completions: Sharing[Completion, bool] = Sharing(self._complete_all, _COMPLETIONS)
        self._puts: dict[tuple[str, bool], Sharing[Kept, Put]] = {}

    def __repr__(self) -> str:
        return repr(self._inbox)

    async def _do(self, operation: Operation[T]) -> T:
        return cast("T", await self._in_thread(lambda: self._inbox._do(operation)))

    async def due(self, lanes: Sequence[Lane]) -> bool:
        """Return whether anything can be taken from one of the lanes now."""
        return cast("bool", await self._in_thread(lambda: self._inbox.due(lanes)))

    async def put(self, events: Sequence[Kept]) -> list[Put]:
        """Store all events, or none of them."""
        if len(events) != 1 or _size(events[0]) > _LONGEST or not _on_asyncio():
            return await super().put(events)
        (event,) = events
        kind = event.endpoint, event.takes_other_body
        if (puts := self._puts.get(kind)) is None:
            puts = self._puts[kind] = Sharing(self._put_all, _PUTS)
        return [await puts.run(event)]

    async def _put_all(self, events: list[Kept]) -> Sequence[Put | BaseException]:
        if len(events) == 1:
            return await super().put(events)
        try:
            return await self._do(self._server.put_all(events))
        except StoreUnavailable as error:
            if not _is_rejected(error.__cause__):
                raise
        return await asyncio.gather(*map(self._put_alone, events), return_exceptions=True)

    async def _put_alone(self, event: Kept) -> Put:
        (answer,) = await super().put([event])
        return answer

    async def complete(self, key: str, *, token: bytes, settings: InboxSettings) -> bool:
        """Mark the entry as done."""
        if not _PLAIN.fullmatch(key) or not _on_asyncio():
            return await super().complete(key, token=token, settings=settings)
        return await self._completions.run(Completion(key, token, settings))

    async def _complete_all(self, completions: list[Completion]) -> list[bool]:
        return await self._do(self._server.complete_all(completions))


def _size(event: Kept) -> int:
    return len(event.body) + len(event.content or b"")


def _on_asyncio() -> bool:
    """Whether a loop of asyncio runs here, and not another kind such as trio's."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_rejected(error: BaseException | None) -> bool:
    """Whether the server has answered that it rejects a statement: then nothing of it was written."""
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return False
    return sqlstate(driver_error(error)).startswith(_REJECTED)
