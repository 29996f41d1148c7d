"""Runs the contract's steps on one of Django's connections."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, cast

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.stores.statements import Database, Steps

__all__ = ["TABLE", "connection_to", "database_of", "run", "unavailable"]

TABLE = "hookguard_event"


def connection_to(using: str | None) -> BaseDatabaseWrapper:
    """Return this thread's connection; without a name, the one that the project's routers choose."""
    if using is None:
        from hookguard_django.models import WebhookEvent  # noqa: PLC0415 - a settings module may import the stores

        using = router.db_for_write(WebhookEvent)
    connection = connections[using]
    if not connection.settings_dict["AUTOCOMMIT"]:
        raise StoreUnavailable(f"DATABASES[{using!r}] has AUTOCOMMIT off, so that no claim would be kept: use another alias")
    return connection


def database_of(connection: BaseDatabaseWrapper) -> Database:
    """Return whose SQL to speak; ConfigurationError for a database nobody tried."""
    if connection.vendor not in ("postgresql", "mysql", "sqlite"):
        raise ConfigurationError(f"no store for {connection.vendor}: set STORE to another one, such as sqlite:///path")
    return cast("Database", connection.vendor)


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


def unavailable(error: BaseException, connection: BaseDatabaseWrapper) -> StoreUnavailable:
    """Return the error for the guard."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    missing = any(sign in reason for sign in ("no such table", "does not exist", "doesn't exist"))
    hint = '; is "hookguard_django" in INSTALLED_APPS, and did you run manage.py migrate?' if missing else ""
    return StoreUnavailable(f"{connection.vendor} cannot answer ({type(error).__name__}: {reason}){hint}")
