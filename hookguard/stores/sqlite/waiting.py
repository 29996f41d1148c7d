"""The jobs that wait for a writer in one process, and who of the waiting leads: takes them and commits for all."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hookguard.errors import StoreUnavailable
from hookguard.process.threads import OwnThread

if TYPE_CHECKING:
    import asyncio

__all__ = ["Answer", "Job", "State", "Waiting", "Work"]

#: A function of the connection. It may run more than once, if what it wrote was rolled back; so it changes nothing else.
Work = Callable[[sqlite3.Connection], Any]

#: Seconds without a job after which the thread ends; the next job starts another.
_IDLE: Final = 10.0


class State(IntEnum):
    """Where a job stands."""

    WAITING = 0  #: nothing is written; its waiter may still withdraw it
    BEGUN = 1  #: part of a transaction whose end is unknown
    LEFT = 2  #: likewise, and its waiter is gone
    OVER = 3  #: answered, failed or withdrawn


class Job:
    """Work, and the one who waits for its result: a future of an event loop, or a thread that waits for its ``turn``."""

    __slots__ = ("deadline", "error", "future", "leads", "loop", "read", "result", "single", "state", "turn", "write")

    def __init__(
        self, write: Work, read: Work | None, deadline: float, loop: asyncio.AbstractEventLoop | None, *, single: bool
    ) -> None:
        self.write = write
        self.read = read
        self.deadline = deadline
        self.single = single  #: whether each of its statements is complete without a transaction
        self.loop = loop
        self.state = State.WAITING
        self.result: Any = None
        self.error: BaseException | None = None
        self.leads = False
        if loop is not None:
            self.future: asyncio.Future[Any] = loop.create_future()
        else:
            self.turn = threading.Lock()
            self.turn.acquire()


class Answer(NamedTuple):
    """The result or the error for a job's waiter."""

    job: Job
    result: Any = None
    error: BaseException | None = None


class Waiting:
    """The jobs of one process, oldest first.

    At most one leads. A waiting thread that finds nobody leading leads itself; for event loops a thread of our own does.
    ``serve`` is what that thread runs.
    """

    def __init__(self, serve: Callable[[Waiting], None]) -> None:
        self._mutex = threading.Lock()  # held for moments only
        self._jobs: deque[Job] = deque()
        self._led = False
        self._serve = serve
        self._thread: threading.Thread | None = None
        self._thread_leads = False
        self._sleeping = False
        self._answered: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        self._bell = threading.Lock()
        self._bell.acquire()

    def join(self, job: Job) -> bool:
        """Add a job. Returns True if its waiter, a thread, must lead. RuntimeError if no thread can be started."""
        with self._mutex:
            self._jobs.append(job)
            if self._led:
                return False
            if job.loop is None:
                self._led = True
                return True
            try:
                self._ring()
            except BaseException:
                self._jobs.remove(job)
                raise
            return False

    def pass_on(self) -> None:
        """Stop leading: the waiter of the oldest job leads next."""
        with self._mutex:
            self._led = self._thread_leads = False
            while self._jobs and not self._led:
                oldest = self._jobs[0]
                if oldest.loop is None:
                    self._led = oldest.leads = True
                    oldest.turn.release()
                    return
                try:
                    self._ring()
                except RuntimeError as error:  # the interpreter is shutting down
                    self._jobs.popleft()
                    self._answer([Answer(oldest, error=StoreUnavailable(f"no thread can be started: {error}"))])

    def _ring(self) -> None:
        """Let the thread lead."""
        if self._thread is None:
            thread = OwnThread(lambda: self._serve(self), "hookguard-sqlite")
            thread.start()
            self._thread = thread
        self._led = self._thread_leads = True
        if self._sleeping:
            self._sleeping = False
            self._bell.release()

    def await_turn(self) -> bool:
        """Wait, in the thread, until it leads. Returns False when it has waited for long: it must end then."""
        with self._mutex:
            leads = self._thread_leads
            self._sleeping = not leads
        # Only now: a loop that is woken earlier waits for this thread to let go of the interpreter, a switch more for each job.
        self.wake()
        if leads:
            return True
        if not self._bell.acquire(timeout=_IDLE):
            with self._mutex:
                if self._sleeping:
                    self._sleeping = False
                    self._thread = None
                    return False
            self._bell.acquire()  # rung at the last moment
        return True

    def take(self, most: int) -> list[Job]:
        """Return at most that many jobs, the oldest first. They can still be withdrawn."""
        with self._mutex:
            jobs = self._jobs
            return [jobs.popleft() for _ in range(min(most, len(jobs)))]

    def put_back(self, jobs: Iterable[Job]) -> None:
        """Undo ``take``."""
        with self._mutex:
            self._jobs.extendleft(reversed([job for job in jobs if job.state is State.WAITING]))

    def begin(self, jobs: Iterable[Job]) -> list[Job]:
        """Return the jobs that nobody withdrew. From now on they cannot be withdrawn."""
        with self._mutex:
            begun = [job for job in jobs if job.state is State.WAITING]
            for job in begun:
                job.state = State.BEGUN
        return begun

    def undo(self, jobs: Iterable[Job]) -> list[Job]:
        """Return the jobs that must run once more, after what they wrote was rolled back: those that have a waiter."""
        again: list[Job] = []
        with self._mutex:
            for job in jobs:
                if job.state is State.LEFT:
                    job.state = State.OVER
                elif job.state is not State.OVER:
                    job.state = State.WAITING
                    again.append(job)
        return again

    def expire(self, jobs: Iterable[Job], now: float, error: BaseException) -> list[Job]:
        """Fail the jobs whose time is over, none of which has begun, and return the others."""
        kept: list[Job] = []
        overdue: list[Job] = []
        for job in jobs:
            (overdue if job.deadline <= now else kept).append(job)
        self.answer([Answer(job, error=error) for job in overdue])
        return kept

    def leave(self, job: Job) -> State:
        """Note that a job's waiter is gone, and return the job's state before: WAITING if the job has no effect."""
        with self._mutex:
            before = job.state
            if before is State.WAITING:
                job.state = State.OVER
                with suppress(ValueError):
                    self._jobs.remove(job)
            elif before is State.BEGUN:
                job.state = State.LEFT
        return before

    def answer(self, answers: Iterable[Answer]) -> None:
        """Hand out the answers. Event loops get theirs by ``wake``."""
        with self._mutex:
            self._answer(answers)

    def _answer(self, answers: Iterable[Answer]) -> None:
        for job, result, error in answers:
            if job.state is State.OVER:
                continue
            has_waiter = job.state is not State.LEFT
            job.result, job.error, job.state = result, error, State.OVER
            if not has_waiter:
                continue
            if job.loop is None:
                job.turn.release()
            else:
                self._answered.setdefault(job.loop, []).append(job)

    def wake(self) -> None:
        """Wake each event loop that has answers, once. The one who leads, or led, calls it soon after ``answer``."""
        if not self._answered:
            return
        with self._mutex:
            answered, self._answered = self._answered, {}
        for loop, jobs in answered.items():
            with suppress(RuntimeError):  # the loop is closed, and its waiters with it
                loop.call_soon_threadsafe(_wake, jobs)


def _wake(jobs: list[Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)
            job.future.exception()  # a waiter that is cancelled at this moment never asks, and asyncio would log that
