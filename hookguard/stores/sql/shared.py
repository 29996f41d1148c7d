"""The inbox in PostgreSQL for an event loop: a worker's completions that wait share one statement, and with it one commit."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar, cast
from weakref import WeakKeyDictionary

from hookguard.errors import StoreUnavailable
from hookguard.inbox.contract import Lane
from hookguard.inbox.settings import InboxSettings
from hookguard.stores.inbox_completions import Completion
from hookguard.stores.inbox_server import ServerInbox
from hookguard.stores.inbox_sides import AwaitedInbox, Operation
from hookguard.stores.sql.inbox import SQLInbox

__all__ = ["AwaitedSQLInbox", "SharingSQLInbox"]

T = TypeVar("T")

#: The keys that may share a statement: what the server could reject in one would fail the others.
_PLAIN: Final = re.compile(r"[0-9a-f]{64}(\.[ -~]{1,64})?")

#: Completions in one statement, at most.
MOST: Final = 256


class SharingSQLInbox(SQLInbox):
    """The inbox of a :class:`SQLStore` in PostgreSQL."""

    def awaited(self, in_thread: Callable[..., Awaitable[Any]]) -> AwaitedSQLInbox:
        """Return an AsyncInbox over the same entries; ``in_thread`` runs a blocking call."""
        return AwaitedSQLInbox(self, self._server, in_thread)


class AwaitedSQLInbox(AwaitedInbox):
    """An AsyncInbox over the entries of a SharingSQLInbox.

    Completions that come while a statement is under way share the next one. Each waiter gets the answer for its own entry after
    the commit. If the statement fails, each raises StoreUnavailable: whether the entry is done may be unknown then, and the same
    token may complete it once more.
    """

    def __init__(self, inbox: SharingSQLInbox, operations: ServerInbox, in_thread: Callable[..., Awaitable[Any]]) -> None:
        super().__init__(operations)
        self._inbox = inbox
        self._server = operations
        self._in_thread = in_thread
        self._waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return repr(self._inbox)

    async def _do(self, operation: Operation[T]) -> T:
        return cast("T", await self._in_thread(lambda: self._inbox._do(operation)))

    async def due(self, lanes: Sequence[Lane]) -> bool:
        """Return whether anything can be taken from one of the lanes now."""
        return cast("bool", await self._in_thread(lambda: self._inbox.due(lanes)))

    async def complete(self, key: str, *, token: bytes, settings: InboxSettings) -> bool:
        """Mark the entry as done."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # another kind of event loop, such as trio's
            loop = None
        if loop is None or not _PLAIN.fullmatch(key):
            return await super().complete(key, token=token, settings=settings)
        if (waiting := self._waiting.get(loop)) is None:
            waiting = self._waiting[loop] = _Waiting(self._complete_all)
        return await waiting.answer(Completion(key, token, settings))

    async def _complete_all(self, completions: list[Completion]) -> list[bool]:
        return await self._do(self._server.complete_all(completions))


class _Waiting:
    """The completions that wait on one event loop."""

    def __init__(self, perform: Callable[[list[Completion]], Awaitable[list[bool]]]) -> None:
        self._perform = perform
        self._jobs: list[_Job] = []
        self._task: asyncio.Task[None] | None = None

    async def answer(self, completion: Completion) -> bool:
        """Return the answer for one entry."""
        job = _Job(completion, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())
        return await job.future

    async def _work(self) -> None:
        jobs: list[_Job] = []
        try:
            while self._jobs:
                jobs, self._jobs = self._jobs[:MOST], self._jobs[MOST:]
                await self._settle(jobs)
        except BaseException:  # the loop ends: nobody may wait for an answer that does not come
            for job in (*jobs, *self._jobs):
                job.future.cancel()
            raise

    async def _settle(self, jobs: list[_Job]) -> None:
        try:
            answers: Sequence[bool | Exception] = await self._perform([job.completion for job in jobs])
        except Exception as error:
            answers = [_own(error) for _ in jobs]
        for job, answer in zip(jobs, answers, strict=True):
            if job.future.done():
                continue  # its waiter was cancelled
            if isinstance(answer, Exception):
                job.future.set_exception(answer)
            else:
                job.future.set_result(answer)


class _Job(NamedTuple):
    completion: Completion
    future: asyncio.Future[bool]


def _own(error: Exception) -> Exception:
    """Return the error for one of several waiters: each raises one of its own."""
    own = StoreUnavailable(str(error))
    own.__cause__ = error
    return own
