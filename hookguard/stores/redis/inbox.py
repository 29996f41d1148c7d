"""The inbox in Redis, beside the claims: one script stores an event's entries with its claim."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from hookguard.inbox.contract import Survives
from hookguard.stores.inbox_sides import AwaitedInbox, BlockingInbox, Operation
from hookguard.stores.redis.inbox_calls import Ask, InboxCalls, InboxSteps
from hookguard.stores.redis.inbox_check import check_inbox
from hookguard.stores.redis.scripts import Calls

__all__ = ["AsyncRedisInbox", "RedisInbox"]

T = TypeVar("T")


class _OnAServer:
    """The server and the prefix of an inbox, and what it survives there."""

    survives: Survives = "process"
    _base: str
    _prefix: str

    def check(self, info: dict[str, Any]) -> list[str]:
        """Return remarks on a server by its INFO, with its settings for the append-only file. Raises StoreMisconfigured."""
        self.survives, remarks = check_inbox(info, self._prefix)
        return remarks

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base!r})"


class RedisInbox(_OnAServer, BlockingInbox):
    """The inbox of a :class:`RedisStore`: see ``RedisStore.inbox``. Safe to share between threads.

    ``perform`` makes one call, within the store's timeout. ``survives`` is "power" if the store's check found that the server
    writes each event to the disk before it answers.
    """

    def __init__(self, calls: Calls, perform: Callable[[Any, Callable[[Any], Any]], Any]) -> None:
        self._calls = InboxCalls(calls, calls.base)
        super().__init__(self._calls)
        self._base, self._prefix = calls.base, calls.prefix
        self._perform = perform

    def try_out(self) -> None:
        """Store an event beside this inbox, take it, complete it and drop it. Raises StoreMisconfigured or StoreUnavailable."""
        self._do(self._calls.try_out())

    def _do(self, operation: Operation[T]) -> T:
        steps = cast("InboxSteps[T]", operation).make()
        try:
            ask: Ask = next(steps)
            while True:
                ask = steps.send(self._perform(*ask))
        except StopIteration as done:
            return cast("T", done.value)


class AsyncRedisInbox(_OnAServer, AwaitedInbox):
    """The inbox of an :class:`AsyncRedisStore`: see ``AsyncRedisStore.inbox``."""

    def __init__(self, calls: Calls, perform: Callable[[Any, Callable[[Any], Any]], Awaitable[Any]]) -> None:
        self._calls = InboxCalls(calls, calls.base)
        super().__init__(self._calls)
        self._base, self._prefix = calls.base, calls.prefix
        self._perform = perform

    async def try_out(self) -> None:
        """Check it; see :meth:`RedisInbox.try_out`."""
        await self._do(self._calls.try_out())

    async def _do(self, operation: Operation[T]) -> T:
        steps = cast("InboxSteps[T]", operation).make()
        try:
            ask: Ask = next(steps)
            while True:
                ask = steps.send(await self._perform(*ask))
        except StopIteration as done:
            return cast("T", done.value)
