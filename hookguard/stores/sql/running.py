"""Runs the contract's steps on a SQLAlchemy connection, and says in our errors what went wrong."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.stores.statements import Database, Steps

__all__ = ["database_of", "lost_connection", "run", "unavailable"]

#: What the databases say when a table is missing.
_NO_TABLE = ("no such table", "does not exist", "doesn't exist")

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


def unavailable(error: BaseException, dialect: Dialect) -> StoreUnavailable:
    """Return the error for the guard. SQLAlchemy's own text would show the claim's token, the driver's does not."""
    why = getattr(error, "orig", None) or error
    reason = str(why).strip().partition("\n")[0] or type(why).__name__
    hint = ""
    if isinstance(error, SQLAlchemyError) and any(sign in reason for sign in _NO_TABLE):
        hint = "; create the table with create_table(engine), or by your migration"
    return StoreUnavailable(f"{dialect.name} cannot answer ({type(why).__name__}: {reason}){hint}")
