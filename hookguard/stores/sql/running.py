"""Runs the contract's steps on a SQLAlchemy connection, and says in our errors what went wrong."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hookguard.errors import ConfigurationError, HookguardError, StoreUnavailable
from hookguard.stores.statements import Database, Steps

__all__ = ["database_of", "lost_connection", "no_table", "passes", "run", "unavailable", "undone"]

# Read once: finding the placeholders in a text costs more than a claim.
_parsed: Any = lru_cache(maxsize=256)(text)


def run(connection: Connection, steps: Steps) -> Any:
    """Execute statement after statement; return what the steps return."""
    try:
        statement = next(steps)
        while True:
            prepared: TextClause = _parsed(statement.sql)
            result = connection.execute(prepared, statement.values)
            found = result.fetchall() if statement.fetch else result.rowcount
            result.close()
            statement = steps.send(found)
    except StopIteration as done:
        return done.value


def database_of(dialect: Dialect) -> Database:
    """Return whose SQL to speak; ConfigurationError for a database nobody tried."""
    known: dict[str, Database] = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite"}
    try:
        return known[dialect.name]
    except KeyError:
        raise ConfigurationError(f"no store for {dialect.name!r}: there are {', '.join(known)}") from None


def lost_connection(error: BaseException) -> bool:
    """Whether the connection broke, so that a new one may do."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def undone(error: BaseException) -> bool:
    """Whether the database itself gave the step up, so that it surely did not happen and may be tried again at once.

    A deadlock, a serialization failure (SQLSTATE 40001, 40P01; MySQL's 1213, and MariaDB's 1020 at snapshot isolation).
    """
    return _sqlstate(error) in ("40001", "40P01") or _number(error) in (1213, 1020)


def passes(error: BaseException) -> bool:
    """Whether the error says something of the database's state and nothing of what it was asked: it may pass by itself."""
    if isinstance(error, (OperationalError, InterfaceError, PoolTimeout, OSError, asyncio.TimeoutError)):
        return True
    # Some drivers have one class for all errors: connection lost (08), rolled back (40), out of resources (53), stopped by an
    # operator (57), of the system (58), a lock that was not to be had, a timeout, a server that became read-only.
    state = _sqlstate(error)
    return lost_connection(error) or state[:2] in ("08", "40", "53", "57", "58") or state in ("55P03", "25P03", "25006")


def no_table(error: BaseException) -> bool:
    """Whether the table is missing: SQLSTATE, MySQL's number, and SQLite's only sign."""
    return _sqlstate(error) == "42P01" or _number(error) == 1146 or "no such table" in str(getattr(error, "orig", ""))


def _sqlstate(error: BaseException) -> str:
    why = getattr(error, "orig", None)
    return str(getattr(why, "sqlstate", None) or getattr(why, "pgcode", None) or "")


def _number(error: BaseException) -> int:
    why = getattr(error, "orig", None)
    number = why.args[0] if why is not None and why.args else 0
    return number if isinstance(number, int) else 0


def unavailable(error: BaseException, dialect: Dialect) -> HookguardError:
    """Return the error for the guard. SQLAlchemy's own text would show the claim's token, the driver's does not."""
    if isinstance(error, HookguardError):
        return error
    why = getattr(error, "orig", None) or error
    reason = str(why).strip().partition("\n")[0] or type(why).__name__
    hint = ""
    if isinstance(error, SQLAlchemyError) and no_table(error):
        hint = "; create the table with create_table(engine), or by your migration"
    return StoreUnavailable(f"{dialect.name} cannot answer ({type(why).__name__}: {reason}){hint}")
