"""A writer over a table of its own, jobs that write to it, and writers that are wrong in one way each."""

import asyncio
import sqlite3
import threading
import warnings
from contextlib import closing, contextmanager, suppress
from typing import Any

from hookguard.stores.sqlite import writer as writers
from hookguard.stores.sqlite.database import Database
from hookguard.stores.sqlite.group_commit import Batch, write_all
from hookguard.stores.sqlite.waiting import Answer, State, Waiting
from hookguard.stores.sqlite.writer import Writer

#: A row may be written twice: only the writer prevents that. A child row without its parent fails the COMMIT, and not before.
SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS parent (number INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS child (
    number INTEGER NOT NULL REFERENCES parent (number) DEFERRABLE INITIALLY DEFERRED
);
"""


class ForeignKeys(Database):
    """Checks them, as SQLite does only when asked."""

    def _connect(self):
        opened = super()._connect()
        opened.connection.execute("PRAGMA foreign_keys = ON")
        return opened


def make(path, *, timeout=5.0, synchronous: Any = "NORMAL", most=256):
    database = ForeignKeys(path, schema=SCHEMA, tables={}, synchronous=synchronous, timeout=timeout)
    return database, Writer(database, timeout=timeout, most=most)


class Wrong(Exception):
    """The job's own error."""


def good(number):
    def write(connection):
        connection.execute("INSERT INTO entry VALUES (?)", (number,))
        return number

    return write


def raises(number):
    def write(connection):
        connection.execute("INSERT INTO entry VALUES (?)", (number,))
        raise Wrong(number)

    return write


def orphan(number):
    """Fails the COMMIT of its transaction."""

    def write(connection):
        connection.execute("INSERT INTO entry VALUES (?)", (number,))
        connection.execute("INSERT INTO child VALUES (?)", (number,))
        return number

    return write


def rows(path):
    """How often each number was written."""
    connection = sqlite3.connect(path)
    found = [number for (number,) in connection.execute("SELECT number FROM entry ORDER BY number")]
    connection.close()
    return found


@contextmanager
def locked(path, timeout=30):
    """Hold the file's lock, as another process does."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=timeout)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


def forks():
    """``os.fork`` beside threads: what is tested is that it works."""
    import os

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


async def outcomes(writer, jobs):
    """Submit all jobs in one step of the loop, and return each result or error."""
    return await asyncio.gather(*(writer.submit(job) for job in jobs), return_exceptions=True)


class Held:
    """A job that stays in its transaction until it is let go."""

    def __init__(self, number):
        self.number = number
        self.began = threading.Event()
        self.ends = threading.Event()

    def __call__(self, connection):
        self.began.set()
        self.ends.wait(60)
        return good(self.number)(connection)


# --- writers that are wrong in one way each -----------------------------------------------------


def acknowledges_before_the_commit(connection, jobs, begin):
    loop: Any = None
    connection.execute("BEGIN IMMEDIATE")
    for job in begin(jobs):
        result = job.write(connection)
        if job.loop is not None:
            job.loop.call_soon_threadsafe(lambda job=job, result=result: job.future.done() or job.future.set_result(result))
            loop = job.loop
        job.state = State.OVER
    told = threading.Event()
    loop.call_soon_threadsafe(lambda: loop.call_later(0.01, told.set))  # those that have their answers go on first
    told.wait(10)
    connection.execute("COMMIT")
    return Batch([], [])


def acknowledges_a_commit_that_failed(connection, jobs, begin):
    connection.execute("BEGIN IMMEDIATE")
    answers = [Answer(job, job.write(connection)) for job in begin(jobs)]
    with suppress(sqlite3.Error):
        connection.execute("COMMIT")
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    return Batch(answers, [])


def keeps_half_a_job(connection, jobs, begin):
    connection.execute("BEGIN IMMEDIATE")
    answers = []
    for job in begin(jobs):
        try:
            answers.append(Answer(job, job.write(connection)))
        except Exception as error:
            answers.append(Answer(job, error=error))
    connection.execute("COMMIT")
    return Batch(answers, [])


def fails_all_for_one(connection, jobs, begin):
    batch = write_all(connection, jobs, begin)
    if batch.error is None or "locked" in str(batch.error):
        return batch
    return Batch([Answer(job, error=batch.error) for job in batch.jobs], [])


def runs_a_withdrawn_job(_, job):
    return State.WAITING


BROKEN = [
    acknowledges_before_the_commit,
    acknowledges_a_commit_that_failed,
    keeps_half_a_job,
    fails_all_for_one,
    runs_a_withdrawn_job,
]


@contextmanager
def broken(variant):
    """Writers are wrong in this way inside of the block."""
    place, name = (Waiting, "leave") if variant is runs_a_withdrawn_job else (writers, "write_all")
    right = getattr(place, name)
    setattr(place, name, variant)
    try:
        yield
    finally:
        setattr(place, name, right)
