"""One transaction for all who wait for a SQLite file in this process, so that a burst pays for one commit.

::

    writer = Writer(database, timeout=5.0)
    attempt = await writer.submit(claim)             # under asyncio: no thread for each call, one wake-up for each batch
    attempt = writer.run(claim)                      # in a thread: it waits
    attempt = await writer.submit(claim, read=look)  # first read without a lock; a result that is not None is the answer

``claim`` and ``look`` are functions of a ``sqlite3.Connection``. The result comes after the COMMIT, and not before.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar, cast

from hookguard.errors import StoreError, StoreUnavailable
from hookguard.process.locks import Lazy
from hookguard.stores.sqlite.database import Database, Opened, is_busy
from hookguard.stores.sqlite.group_commit import Batch, look, write_all
from hookguard.stores.sqlite.waiting import Answer, Job, State, Waiting

__all__ = ["MOST", "Writer"]

T = TypeVar("T")

_log = logging.getLogger("hookguard.store")

#: Jobs in one transaction, at most.
MOST: Final = 256

#: Seconds after its deadline at which a waiter that heard nothing leaves: normally its writer says why it is late.
_GRACE: Final = 0.25


class _Left(NamedTuple):
    """The jobs of a group that must run again: ``apart``, one by one; with ``trouble``, after a moment, until their deadlines."""

    jobs: list[Job]
    apart: bool = False
    trouble: StoreUnavailable | None = None


class Writer:
    """Writes to a database for every task and thread of a process.

    Jobs that arrive while a transaction is under way share the next one. A job is a function of the connection: ``write`` runs
    inside of the transaction, and must not end it. It may run again if the transaction was rolled back, so it changes nothing
    but the database. ``read`` runs before, without a transaction; if it returns something other than None, that is the answer.
    ``single`` promises that each statement of ``write`` is complete in itself: a job that is alone needs no transaction then.

    Each waiter gets the truth about its own job:

    - its result, after the COMMIT;
    - the exception that its own ``write`` raised: the others of its transaction run again, one by one;
    - StoreUnavailable with SQLite's error, or because another process held the file for ``timeout`` seconds: nothing was written;
    - StoreUnavailable, because the COMMIT failed in such a way, or the wait took so long, that its effect is unknown. A job that
      may be written must therefore be one that can be repeated, for example by its token.

    A waiter that is cancelled, or whose time is over, before its transaction began has no effect. After a fork the child has
    waiters, a thread and a connection of its own. Safe to share between threads and event loops of asyncio.
    """

    def __init__(self, database: Database, *, timeout: float, most: int = MOST) -> None:
        self._database = database
        self._timeout = timeout
        self._most = most
        self._waiting = Lazy(lambda: Waiting(self._serve))

    async def submit(
        self,
        write: Callable[[sqlite3.Connection], T],
        *,
        read: Callable[[sqlite3.Connection], T | None] | None = None,
        single: bool = False,
    ) -> T:
        """Return the result of ``write`` (or ``read``) after the COMMIT. RuntimeError on an event loop other than asyncio's."""
        import asyncio  # noqa: PLC0415 - threads never need it

        loop = asyncio.get_running_loop()
        job = Job(write, read, time.monotonic() + self._timeout, loop, single=single)
        waiting = self._waiting.get()
        try:
            waiting.join(job)
        except RuntimeError as error:
            raise StoreUnavailable(f"no thread can be started: {error}") from error
        late = loop.call_later(self._timeout + _GRACE, self._give_up, waiting, job)
        try:
            return cast("T", await job.future)
        finally:
            late.cancel()
            if job.state is not State.OVER:  # cancelled
                waiting.leave(job)

    def run(
        self,
        write: Callable[[sqlite3.Connection], T],
        *,
        read: Callable[[sqlite3.Connection], T | None] | None = None,
        single: bool = False,
    ) -> T:
        """Return the result of ``write`` (or ``read``) after the COMMIT; the calling thread waits."""
        job = Job(write, read, time.monotonic() + self._timeout, None, single=single)
        waiting = self._waiting.get()
        leads = waiting.join(job)
        try:
            if not leads and not job.turn.acquire(timeout=self._timeout + _GRACE):
                self._leave(waiting, job)
            leads = leads or job.leads
            while leads and job.state is not State.OVER:
                self._lead(waiting, job)
        finally:
            if job.state is not State.OVER:  # interrupted
                waiting.leave(job)
            if leads or job.leads:
                waiting.pass_on()
                waiting.wake()
        if job.error is not None:
            raise job.error
        return cast("T", job.result)

    def _give_up(self, waiting: Waiting, job: Job) -> None:
        if not job.future.done() and (late := self._leave(waiting, job)) is not None:
            job.future.set_exception(late)

    def _leave(self, waiting: Waiting, job: Job) -> StoreUnavailable | None:
        before = waiting.leave(job)
        if before is State.OVER:
            return None  # its answer is on the way
        what = "nothing was written" if before is State.WAITING else "whether it was written is unknown"
        late = StoreUnavailable(f"no answer within {self._timeout} s, {what}: {self._database.path}")
        job.error = late
        return late

    def _serve(self, waiting: Waiting) -> None:
        """Lead, in the thread of our own, for the jobs of event loops."""
        while waiting.await_turn():
            try:
                self._lead(waiting, None)
            except BaseException:
                _log.exception("a batch of claims failed: %s", self._database.path)
            finally:
                waiting.pass_on()

    def _lead(self, waiting: Waiting, mine: Job | None) -> None:
        """Settle the oldest jobs. ``mine`` is the job of the thread that leads: it leads no longer than it waits itself."""
        groups = [waiting.take(self._most)]
        trouble: StoreUnavailable | None = None
        group: list[Job] = []
        try:
            while groups:
                group = groups.pop(0)
                if trouble is not None:
                    group = waiting.expire(group, time.monotonic(), trouble)
                if not group:
                    continue
                left, apart, trouble = self._attempt(waiting, group)
                if left:
                    waiting.wake()  # the others must not wait for these
                groups[:0] = [[job] for job in left] if apart else [left]
                if trouble is None or apart:
                    continue
                if mine is not None and mine.state is State.OVER:
                    waiting.put_back(job for each in groups for job in each)
                    return
                if len(groups) == 1:
                    # A job that only reads must not wait for another process's lock.
                    groups[0] += waiting.take(self._most - len(groups[0]))
                time.sleep(random.uniform(0.0002, 0.002))  # noqa: S311 - jitter, not a secret
        except BaseException as error:
            jobs = [*group, *(job for each in groups for job in each)]
            self._fail(waiting, jobs, f"interrupted ({type(error).__name__}), whether it was written is unknown", error)
            raise

    def _attempt(self, waiting: Waiting, group: list[Job]) -> _Left:
        """Settle a group in one transaction as far as possible."""
        database = self._database
        try:
            opened = database.here()
        except StoreError as error:
            waiting.answer([Answer(job, error=error) for job in group])
            return _Left([])
        with opened.lock:
            if not database.is_current(opened):
                return _Left(group)  # another thread closed it
            answers, others = look(opened.connection, group)
            batch = write_all(opened.connection, others, waiting.begin) if others else Batch([], [])
            answers += batch.answers
            # Checked after the statements: the answers of a file that was gone by then do not count. But while the lock is held:
            # a file that another thread closes loses its journals too, and jobs that were committed must not run twice.
            gone = (answers or batch.error is not None) and opened.watch.changed()
        if gone:
            database.was_replaced(opened)
            again = waiting.undo([*(answer.job for answer in answers), *batch.jobs])
            return _Left(again, trouble=StoreUnavailable(f"the file is replaced repeatedly: {database.path}"))
        waiting.answer(answers)
        if batch.error is None:
            return _Left(waiting.undo(batch.jobs))
        return self._failed(waiting, opened, batch.jobs, batch.error, unknown=batch.unknown)

    def _failed(self, waiting: Waiting, opened: Opened, jobs: list[Job], error: Exception, *, unknown: bool) -> _Left:
        """Settle the jobs of a transaction that failed."""
        database = self._database
        told: Exception = error
        trouble = StoreUnavailable(f"another job of the same transaction failed ({type(error).__name__}): {database.path}")
        if isinstance(error, sqlite3.Error):
            told = trouble = database.unavailable(error)
            trouble.__cause__ = error
            if is_busy(error):
                return _Left(waiting.undo(jobs), trouble=trouble)
            if "disk I/O error" in str(error):
                database.drop(opened)  # its journal may be gone, and this connection would keep failing
        if unknown:
            self._fail(waiting, jobs, f"the COMMIT failed ({error}), whether it was written is unknown", error)
        elif len(jobs) == 1:
            waiting.answer([Answer(jobs[0], error=told)])
        else:
            return _Left(waiting.undo(jobs), apart=True, trouble=trouble)
        return _Left([])

    def _fail(self, waiting: Waiting, jobs: list[Job], why: str, cause: BaseException) -> None:
        answers = []
        for job in jobs:
            error = StoreUnavailable(f"{why}: {self._database.path}")
            error.__cause__ = cause
            answers.append(Answer(job, error=error))
        waiting.answer(answers)
