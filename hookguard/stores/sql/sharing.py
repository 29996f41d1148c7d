"""Jobs of one event loop that share a call: those that come while a call is under way wait for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from hookguard.errors import HookguardError

__all__ = ["Sharing"]

J = TypeVar("J")
T = TypeVar("T")


class Sharing(Generic[J, T]):
    """Runs at most ``most`` jobs together. ``perform`` takes a list of jobs, and returns the answer or the error for each."""

    def __init__(self, perform: Callable[[list[J]], Awaitable[Sequence[T | BaseException]]], most: int) -> None:
        self._perform = perform
        self._most = most
        self._waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting[J, T]] = WeakKeyDictionary()

    async def run(self, job: J) -> T:
        """Return the answer for one job. RuntimeError on an event loop other than asyncio's."""
        loop = asyncio.get_running_loop()
        if (waiting := self._waiting.get(loop)) is None:
            waiting = self._waiting[loop] = _Waiting(self._perform, self._most)
        return await waiting.answer(job)


class _Waiting(Generic[J, T]):
    """The jobs that wait on one event loop."""

    def __init__(self, perform: Callable[[list[J]], Awaitable[Sequence[T | BaseException]]], most: int) -> None:
        self._perform = perform
        self._most = most
        self._jobs: list[tuple[J, asyncio.Future[T]]] = []
        self.task: asyncio.Task[None] | None = None

    async def answer(self, job: J) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.append((job, future))
        if self.task is None or self.task.done():
            self.task = asyncio.ensure_future(self._work())
        return await future

    async def _work(self) -> None:
        jobs: list[tuple[J, asyncio.Future[T]]] = []
        try:
            while self._jobs:
                jobs, self._jobs = self._jobs[: self._most], self._jobs[self._most :]
                await self._settle(jobs)
        except BaseException:  # the loop ends: nobody may wait for an answer that does not come
            for _, future in (*jobs, *self._jobs):
                future.cancel()
            raise
        finally:
            self.task = None  # it would keep the loop, which would keep this

    async def _settle(self, jobs: list[tuple[J, asyncio.Future[T]]]) -> None:
        answers: Sequence[T | BaseException]
        try:
            answers = await self._perform([job for job, _ in jobs])
        except Exception as error:
            answers = [_own(error) for _ in jobs]
        for (_, future), answer in zip(jobs, answers, strict=True):
            if future.done():
                continue  # its waiter was cancelled
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)


def _own(error: Exception) -> Exception:
    """Return the error for one of several waiters: each raises one of its own."""
    if not isinstance(error, HookguardError):
        return error  # a mistake of ours
    own = copy(error)
    own.__cause__ = error
    return own
