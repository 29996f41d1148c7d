"""Runs the inbox's operations on a SQLAlchemy connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from hookguard.stores.driver_errors import lost_a_race
from hookguard.stores.inbox_work import InboxWork, perform
from hookguard.stores.sql.execute import driver_error, run

__all__ = ["performing"]


def performing(work: InboxWork[Any]) -> Callable[[Connection], Any]:
    """Return a function that performs the operation, from its first step at each try."""

    def perform_on(connection: Connection) -> Any:
        @contextmanager
        def transaction() -> Iterator[None]:
            connection.commit()  # ends what came before, as far as SQLAlchemy knows: only then may the mode change
            # The pool's connections are in autocommit mode, and are so again when this one returns.
            connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                yield

        def may_retry(error: Exception) -> bool:
            if not isinstance(error, DBAPIError) or not lost_a_race(driver_error(error)):
                return False
            connection.rollback()  # behind a pooler each step is a transaction
            return True

        return perform(work, lambda steps: run(connection, steps), transaction, may_retry)

    return perform_on
