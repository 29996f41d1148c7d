"""Runs the contract's steps on one of Django's connections, and says in our errors what went wrong."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, cast

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.connection import ConnectionDoesNotExist

from hookguard.errors import StoreMisconfigured, StoreUnavailable
from hookguard.store import Capabilities
from hookguard.stores.statements import Database, Steps

__all__ = ["TABLE", "capabilities_of", "connection_to", "database_of", "lost", "opened_by_hand", "run", "unavailable", "undone"]

TABLE = "hookguard_event"


def connection_to(using: str | None) -> BaseDatabaseWrapper:
    """Return this thread's connection; without a name, the one that the project's routers choose. Raises StoreMisconfigured."""
    if using is None:
        try:
            # A settings module may import the stores.
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
        raise StoreMisconfigured(f"DATABASES has no {using!r}: give the store the alias of a database that is there") from error
    by_hand = connection.connection is not None and not connection.autocommit and not connection.in_atomic_block
    if by_hand or not connection.settings_dict["AUTOCOMMIT"]:
        raise StoreMisconfigured(f"autocommit is off in the database {using!r}, so no claim would be kept: use another alias")
    return connection


def database_of(connection: BaseDatabaseWrapper) -> Database:
    """Return whose SQL to speak; StoreMisconfigured for a database nobody tried."""
    if connection.vendor not in ("postgresql", "mysql", "sqlite"):
        raise StoreMisconfigured(f"no store for {connection.vendor}: set STORE to another one, such as sqlite:///path")
    return cast("Database", connection.vendor)


def capabilities_of(using: str | None, *, transactional: bool) -> Capabilities:
    """Return what claims in this database can promise; nothing is connected."""
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
    """Whether a transaction is open that is neither a test case's nor our own."""
    return connection.in_atomic_block and not all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def run(connection: BaseDatabaseWrapper, steps: Steps) -> Any:
    """Execute statement after statement; return what the steps return."""
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


def lost(connection: BaseDatabaseWrapper) -> bool:
    """Whether there was a connection and it broke, so that a new one may do."""
    return connection.connection is not None and not connection.is_usable()


def undone(error: BaseException) -> bool:
    """Whether the database itself gave the step up, so that it surely did not happen and may be tried again at once.

    A deadlock, a serialization failure (SQLSTATE 40001, 40P01; MySQL's 1213, and MariaDB's 1020 at snapshot isolation).
    """
    why = error.__cause__
    state = getattr(why, "sqlstate", None) or getattr(why, "pgcode", None)
    return state in ("40001", "40P01") or (bool(error.args) and error.args[0] in (1213, 1020))


def unavailable(error: BaseException, connection: BaseDatabaseWrapper) -> StoreUnavailable:
    """Return the error for the guard."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    missing = TABLE in reason and any(sign in reason for sign in ("no such table", "does not exist", "doesn't exist"))
    hint = '; is "hookguard_django" in INSTALLED_APPS, and did you run manage.py migrate?' if missing else ""
    return StoreUnavailable(f"{connection.vendor} cannot answer ({type(error).__name__}: {reason}){hint}")
