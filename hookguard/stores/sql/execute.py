"""Runs the contract's steps on a SQLAlchemy connection, and translates its errors into ours."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Dialect, Engine, ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hookguard.errors import ConfigurationError, HookguardError, MissingTable, StoreUnavailable
from hookguard.stores.driver_errors import is_demoted, is_missing_column, is_missing_table, sqlstate, was_rolled_back
from hookguard.stores.fitness import ReadOnlyServer
from hookguard.stores.statements import Database, Steps

__all__ = [
    "CARRIES_CLAIMS",
    "database_of",
    "driver_error",
    "drop_demoted",
    "is_transient",
    "look",
    "no_table",
    "run",
    "seconds",
    "succeeds_again",
    "unavailable",
]


def run(connection: Connection, steps: Steps) -> Any:
    """Execute each statement of the steps; return their result."""
    dialect = connection.dialect
    try:
        statement = next(steps)
        while True:
            sql, order = _compiled(statement.sql, dialect)
            values = statement.values
            result = connection.exec_driver_sql(sql, values if order is None else tuple([values[name] for name in order]))
            # Both release the cursor.
            statement = steps.send(result.fetchall() if statement.fetch else result.rowcount)
    except StopIteration as done:
        return done.value


def look(connection: Connection, steps: Steps) -> Any:
    """Execute steps that only read, with the driver's own cursor; return their result.

    SQLAlchemy's execution takes twice the CPU time. Its pool does not learn of an error here, but at the connection's next use.
    """
    cursor = connection.connection.cursor()
    try:
        statement = next(steps)
        while True:
            sql, order = _compiled(statement.sql, connection.dialect)
            values = statement.values
            cursor.execute(sql, values if order is None else tuple([values[name] for name in order]))
            statement = steps.send(cursor.fetchall())
    except StopIteration as done:
        return done.value
    finally:
        cursor.close()


@lru_cache(maxsize=256)
def _compiled(sql: str, dialect: Dialect) -> tuple[str, list[str] | None]:
    """Return the SQL with the driver's own placeholders, and the order of its values; None if the driver takes them by name.

    Compiled once: SQLAlchemy finds a statement of its own in its cache, but that and the binding of the values take a quarter
    of an execution.
    """
    compiled = text(sql).compile(dialect=dialect)
    return compiled.string, compiled.positiontup


def database_of(dialect: Dialect) -> Database:
    """Return the database whose SQL to use. Raises ConfigurationError for an unsupported database."""
    known: dict[str, Database] = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite"}
    try:
        return known[dialect.name]
    except KeyError:
        raise ConfigurationError(f"no store for {dialect.name!r}: use one of {', '.join(known)}") from None


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's own error behind SQLAlchemy's."""
    return getattr(error, "orig", None) or error


def no_table(error: BaseException) -> bool:
    """Return whether the table is missing."""
    return is_missing_table(driver_error(error))


def succeeds_again(error: BaseException) -> bool:
    """Return whether an immediate retry may succeed: on a new connection, or after a rollback by the server."""
    # An error without a statement happened while connecting.
    connecting = isinstance(error, OperationalError) and error.statement is None
    gone = _is_disconnected(error) or connecting or isinstance(error, ReadOnlyServer)
    return gone or was_rolled_back(driver_error(error))


def is_transient(error: BaseException) -> bool:
    """Return whether the error comes from the database's state and not from the statement, so that it may pass."""
    if isinstance(error, (OperationalError, InterfaceError, PoolTimeout, OSError, asyncio.TimeoutError)):
        return True
    # Some drivers have one class for all errors, so the SQLSTATE decides: connection lost (08), rolled back (40), out of
    # resources (53), stopped by an operator (57), system error (58), lock not available, timeout, read-only server.
    why = driver_error(error)
    state = sqlstate(why)
    listed = state[:2] in ("08", "40", "53", "57", "58") or state in ("55P03", "25P03")
    return listed or _is_disconnected(error) or is_demoted(why)


def _is_disconnected(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


#: The execution option of connections that carry claims.
CARRIES_CLAIMS: Final = "hookguard_claims"


def drop_demoted(engine: Engine) -> None:
    """Drop a connection whose server was demoted, and its pool's other connections, as if the server had closed them.

    This concerns only connections that carry claims. Other uses of the engine are not changed.
    """

    @event.listens_for(engine, "handle_error")
    def disconnect(context: ExceptionContext) -> None:
        options = {} if context.connection is None else context.connection.get_execution_options()
        if CARRIES_CLAIMS in options and is_demoted(context.original_exception):
            context.is_disconnect = True


def seconds(timeout: float) -> float:
    """Return the timeout. Raises ConfigurationError unless it is more than 0 seconds."""
    if not timeout > 0:
        raise ConfigurationError(f"timeout is {timeout!r}: give seconds, more than 0")
    return timeout


def unavailable(error: BaseException, dialect: Dialect) -> HookguardError:
    """Return the error for the guard. It quotes the driver's text, because SQLAlchemy's text shows the claim's token."""
    if isinstance(error, HookguardError):
        return error
    if isinstance(error, PoolTimeout):
        return StoreUnavailable(
            f"all connections of the {dialect.name} pool stayed in use until the timeout: raise pool_size, or find out why the"
            " server is slow"
        )
    why = driver_error(error)
    reason = str(why).strip().partition("\n")[0] or type(why).__name__
    said = f"{dialect.name} cannot answer ({type(why).__name__}: {reason})"
    if isinstance(error, SQLAlchemyError) and (is_missing_table(why) or is_missing_column(why)):
        what = ", inbox=True" if "_inbox" in reason else ", evidence=True" if "_delivery" in reason else ""
        how = f"create_table(engine{what})"
        return MissingTable(f"{said}; create the table with {how}, or by your migration")
    return StoreUnavailable(said)
