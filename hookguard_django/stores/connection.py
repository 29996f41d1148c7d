"""Runs the contract's steps on one of Django's connections, and translates its errors into ours."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, cast

from django.db import InterfaceError, OperationalError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.connection import ConnectionDoesNotExist

from hookguard.errors import MissingTable, StoreMisconfigured, StoreUnavailable
from hookguard.store import Capabilities
from hookguard.stores.driver_errors import is_demoted, is_missing_column, is_missing_table, was_rolled_back
from hookguard.stores.statements import Database, Steps

__all__ = [
    "TABLE",
    "capabilities_of",
    "connection_to",
    "database_of",
    "driver_error",
    "drop",
    "is_disconnected",
    "opened_by_hand",
    "run",
    "succeeds_again",
    "unavailable",
]

TABLE = "hookguard_event"


def connection_to(using: str | None) -> BaseDatabaseWrapper:
    """Return this thread's connection to ``using``, or to the routers' choice for None. Raises StoreMisconfigured."""
    if using is None:
        try:
            # Imported here, because a settings module may import the stores.
            from hookguard_django.models import WebhookEvent  # noqa: PLC0415
        except RuntimeError as error:
            raise StoreMisconfigured(
                'the table of events belongs to an app that is not installed: add "hookguard_django" to INSTALLED_APPS and run'
                " manage.py migrate"
            ) from error
        using = router.db_for_write(WebhookEvent)
    try:
        connection = connections[using]
    except ConnectionDoesNotExist as error:
        raise StoreMisconfigured(f"DATABASES has no {using!r}: give the store an alias that DATABASES has") from error
    by_hand = connection.connection is not None and not connection.autocommit and not connection.in_atomic_block
    if by_hand or not connection.settings_dict["AUTOCOMMIT"]:
        raise StoreMisconfigured(
            f"autocommit is off in the database {using!r}, so no claim would be committed: use another alias"
        )
    return connection


def database_of(connection: BaseDatabaseWrapper) -> Database:
    """Return the database whose SQL to use. Raises StoreMisconfigured for an unsupported database."""
    if connection.vendor not in ("postgresql", "mysql", "sqlite"):
        raise StoreMisconfigured(f"no store for {connection.vendor}: set STORE to another one, such as sqlite:///path")
    return cast("Database", connection.vendor)


def capabilities_of(using: str | None, *, transactional: bool) -> Capabilities:
    """Return the capabilities of claims in this database. Opens no connection."""
    # SQLite is a library: its clock is the process's.
    clock = "client" if connection_to(using).vendor == "sqlite" else "server"
    return Capabilities(
        durable=True,
        shared=True,
        transactional=transactional,
        may_forget=False,
        clock=clock,  # type: ignore[arg-type]  # one of the two
        blocking=True,
    )


def opened_by_hand(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a transaction is open that neither a test case nor hookguard opened."""
    return connection.in_atomic_block and not all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def run(connection: BaseDatabaseWrapper, steps: Steps) -> Any:
    """Execute each statement of the steps; return their result."""
    with connection.cursor() as cursor:
        try:
            statement = next(steps)
            while True:
                cursor.execute(_in_django(statement.sql), statement.values)
                statement = steps.send(cursor.fetchall() if statement.fetch else cursor.rowcount)
        except StopIteration as done:
            return done.value


@lru_cache(maxsize=256)
def _in_django(sql: str) -> str:
    return re.sub(r":(\w+)", r"%(\1)s", sql.replace("%", "%%"))


def is_disconnected(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a connection was open and broke, so that a new one may work."""
    return connection.connection is not None and not connection.is_usable()


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's own error behind Django's."""
    return error.__cause__ or error


def succeeds_again(error: BaseException, connection: BaseDatabaseWrapper, used: object = None) -> bool:
    """Return whether an immediate retry may succeed. Drops a connection that is broken or leads to a demoted server.

    A step may have happened before its connection broke. The retry has the same token, so that is safe. ``used`` is the driver's
    connection from before the step: Django drops a broken one at the end of a transaction, and may open another.
    """
    why = driver_error(error)
    if is_demoted(why):
        drop(connection)
        return True
    replaced = used is not None and connection.connection is not used
    if isinstance(error, (OperationalError, InterfaceError)) and (replaced or is_disconnected(connection)):
        connection.close()
        return True
    return was_rolled_back(why)


def drop(connection: BaseDatabaseWrapper) -> None:
    """Close the connection, and those of Django's pool: they lead to a server that accepts no writes any more."""
    pool = getattr(connection, "pool", None)
    if pool is not None:
        if connection.connection is not None:
            connection.connection.close()  # otherwise the pool would reuse it
        if hasattr(pool, "drain"):
            pool.drain()
        else:  # before psycopg_pool 3.3
            connection.close_pool()  # type: ignore[attr-defined]  # only PostgreSQL's has one
    connection.close()


def unavailable(error: BaseException, connection: BaseDatabaseWrapper) -> StoreUnavailable:
    """Return the error for the guard."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    said = f"{connection.vendor} cannot answer ({type(error).__name__}: {reason})"
    why = driver_error(error)
    if is_missing_table(why) or is_missing_column(why):
        hint = 'is "hookguard_django" in INSTALLED_APPS, and did you run manage.py migrate?'
        return MissingTable(f"{said}; {hint}")
    return StoreUnavailable(said)
