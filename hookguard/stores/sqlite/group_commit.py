"""One transaction with the work of many: everything in it is committed, or nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from hookguard.stores.sqlite.waiting import Answer, Job, State

__all__ = ["Batch", "look", "write_all"]

#: Seconds after which a batch is committed although more could join it: other processes wait for the file's lock meanwhile.
_LONGEST: Final = 0.02


class Batch(NamedTuple):
    """The end of a transaction.

    ``answers`` is what was committed. ``jobs`` are the others: with an ``error``, nothing was written for them, unless it is
    ``unknown`` whether the COMMIT took effect.
    """

    answers: list[Answer]
    jobs: list[Job]
    error: Exception | None = None
    unknown: bool = False


def look(connection: sqlite3.Connection, jobs: Sequence[Job]) -> tuple[list[Answer], list[Job]]:
    """Answer the jobs that a read alone answers, without a lock; return the answers and the other jobs."""
    answers, others = [], []
    for job in jobs:
        if job.state is State.OVER:
            continue  # withdrawn
        found: Any = None
        if job.read is not None:
            with suppress(Exception):  # the write meets the same error, and its waiter gets that one
                found = job.read(connection)
            job.read = None  # a write that waits for the lock does not read each time
        if found is None:
            others.append(job)
        else:
            answers.append(Answer(job, found))
    return answers, others


def write_all(connection: sqlite3.Connection, jobs: Sequence[Job], begin: Callable[[Sequence[Job]], list[Job]]) -> Batch:
    """Run the jobs in one transaction. ``begin`` returns those that still wait, once the file's lock is held."""
    if connection.in_transaction:  # somebody was interrupted between two statements
        connection.rollback()
    if len(jobs) == 1 and jobs[0].single:
        return _write_single(connection, begin(jobs))
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        return Batch([], list(jobs), error)
    began = time.monotonic()
    begun, answers, committing = begin(jobs), list[Answer](), False
    try:
        for job in begun:
            answers.append(Answer(job, job.write(connection)))
            if not connection.in_transaction:
                # SQLite does so itself, for example when the disk is full.
                raise sqlite3.OperationalError("the transaction was rolled back")
            if time.monotonic() - began > _LONGEST:
                break
        committing = True
        connection.execute("COMMIT")
    except BaseException as error:
        _roll_back(connection)
        if not isinstance(error, Exception):
            raise
        # A disk that failed may have written the end of the transaction, and a recovery would find it.
        unknown = committing and not (isinstance(error, sqlite3.Error) and "disk I/O error" not in str(error))
        return Batch([], begun, error, unknown=unknown)
    return Batch(answers, begun[len(answers) :])


def _write_single(connection: sqlite3.Connection, begun: list[Job]) -> Batch:
    """Let SQLite commit a job that is alone: two statements less, and a delivery that comes alone has two such jobs."""
    try:
        return Batch([Answer(job, job.write(connection)) for job in begun], [])
    except Exception as error:
        return Batch([], begun, error, unknown="disk I/O error" in str(error))


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
