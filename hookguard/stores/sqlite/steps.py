"""Runs steps without I/O on a connection to a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from hookguard.stores.statements import Steps

__all__ = ["job_of"]


def job_of(make: Callable[[], Steps]) -> Callable[[sqlite3.Connection], Any]:
    """Return a job for Writer, which runs the steps from the first one each time it is called."""
    return lambda connection: _execute(connection, make())


def _execute(connection: sqlite3.Connection, steps: Steps) -> Any:
    """Execute each statement of the steps; return their result."""
    try:
        statement = next(steps)
        while True:
            cursor = connection.execute(statement.sql, statement.values)
            statement = steps.send(cursor.fetchall() if statement.fetch else cursor.rowcount)
    except StopIteration as done:
        return done.value
