"""From a store's URL to SQLAlchemy's engine: the driver, its options, and errors in the URL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError

from hookguard.errors import ConfigurationError
from hookguard.privacy.shown import shown_query
from hookguard.process.locks import Lock, World, world
from hookguard.process.server import declared_threads
from hookguard.stores.extras import install
from hookguard.stores.sql.execute import CARRIES_CLAIMS, seconds
from hookguard.stores.sqlite.file import inode, make_private

__all__ = ["POOL_SIZE", "engine_options", "follow_file", "full_url", "leave_to_parent", "shown_database", "telling"]

#: The most connections that a process opens, each when it is needed. If the server configures more threads per worker, each
#: thread gets one.
POOL_SIZE: Final = 15

#: Replaces SQLAlchemy's text, which quotes a part of the URL, possibly of the password.
_UNREADABLE = (
    "store: SQLAlchemy cannot read this URL: write scheme://user:password@host/database, and percent-encode special characters"
    " in the password"
)


def full_url(url: str | URL) -> URL:
    """Return the URL with a driver. If it names none, it gets the driver of our extra."""
    try:
        full = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(_UNREADABLE) from None
    driver = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}.get(full.drivername)
    return full if driver is None else full.set(drivername=driver)


def shown_database(url: URL) -> str:
    """Return a URL without its password, which drivers also take from the query: ``?password=…``, ``?sslpassword=…``."""
    whole, mark, query = repr(url).partition("?")
    return f"{whole}{mark}{shown_query(query)}"


def engine_options(url: URL, timeout: float, pool_size: int | None = None, *, pooled: bool = False) -> dict[str, Any]:
    """Return the engine's options: the driver's timeouts, as far as it has them, and the size of the pool.

    ``pooled``: asyncpg connects to a pooler, which may give each transaction another connection to the server.
    """
    if pool_size is not None and (not isinstance(pool_size, int) or isinstance(pool_size, bool) or pool_size < 1):
        raise ConfigurationError(f"pool_size is {pool_size!r}: give a number of connections, at least 1")
    whole = max(1, math.ceil(seconds(timeout)))
    driver = url.get_driver_name()
    connect: dict[str, Any] = {}
    if driver in ("psycopg", "psycopg_async", "psycopg2"):
        connect = {"connect_timeout": whole, "options": f"-c statement_timeout={timeout * 1000:.0f}"}
    elif driver == "asyncpg":
        connect = {"timeout": timeout, "command_timeout": timeout}
        if pooled:
            # Prepared and executed in one transaction, without a name that another client may have used.
            connect |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
            connect["prepared_statement_name_func"] = _no_name
    elif driver == "pymysql":
        # They also limit PyMySQL's goodbye on a connection that was cut.
        connect = {"connect_timeout": timeout, "read_timeout": timeout, "write_timeout": timeout, "init_command": _NO_GAPS}
    elif driver == "mysqldb":
        connect = {"connect_timeout": whole, "read_timeout": whole, "write_timeout": whole, "init_command": _NO_GAPS}
    elif driver in ("aiomysql", "asyncmy"):
        connect = {"connect_timeout": whole, "init_command": _NO_GAPS}
    elif driver in ("pysqlite", "aiosqlite"):
        # Shorter than the step: SQLite itself must report that it is busy, and must not claim after the caller gave up.
        return {
            "isolation_level": "AUTOCOMMIT",
            "connect_args": {"timeout": timeout * 0.8},
            "execution_options": {CARRIES_CLAIMS: True},
            **({} if pool_size is None else {"pool_size": pool_size, "max_overflow": 0}),
        }
    return {
        "execution_options": {CARRIES_CLAIMS: True},
        # Set once per connection, not at each checkout. A step leaves nothing to roll back.
        **({} if pooled else {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None, "skip_autocommit_rollback": True}),
        # No overflow: such connections would be opened and closed all the time. The pool's timeout is shorter than the step's, so
        # that the error names the pool.
        "pool_size": pool_size or max(POOL_SIZE, declared_threads()),
        "max_overflow": 0,
        "pool_timeout": timeout * 0.9,
        "connect_args": connect,
    }


def _no_name() -> str:
    return ""


#: At MySQL's default level a purge locks the gaps between rows, where new claims are inserted.
_NO_GAPS = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"


@contextmanager
def telling(url: URL) -> Iterator[None]:
    """Turn SQLAlchemy's errors about a URL into ConfigurationErrors that name the fix."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"store: the database's driver is missing ({error}): {install(url.drivername)}"
        raise ConfigurationError(message) from error
    except NoSuchModuleError as error:
        raise ConfigurationError(
            f"store: SQLAlchemy has no driver {url.drivername!r}: write postgresql://, mysql://, or either with a driver that"
            " SQLAlchemy lists, such as postgresql+asyncpg://"
        ) from error
    except (ArgumentError, ValueError):
        raise ConfigurationError(_UNREADABLE) from None


_worlds: WeakKeyDictionary[Engine, World] = WeakKeyDictionary()
_disposing = Lock()


def leave_to_parent(engine: Engine) -> None:
    """Give the pool connections of this process, if it was forked since the last call.

    Those that it has are the parent's: closing them would end them for the parent too. One call serves all stores of an engine.
    """
    here = world()
    if _worlds.get(engine) == here:
        return
    with _disposing:
        if _worlds.get(engine, here) != here:
            engine.dispose(close=False)
        _worlds[engine] = here


def follow_file(engine: Engine) -> None:
    """Keep a SQLite file private, and reopen it after it was deleted or replaced: open connections keep the old file."""
    path = engine.url.database or ""

    @event.listens_for(engine, "do_connect")
    def keep_private(_dialect: Any, _record: Any, _arguments: Any, _options: Any) -> None:
        if path and path != ":memory:" and not path.startswith("file:"):
            make_private(Path(path))

    @event.listens_for(engine, "connect")
    def remember(_connection: Any, record: Any) -> None:
        record.info["hookguard_file"] = inode(path)

    @event.listens_for(engine, "checkout")
    def compare(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["hookguard_file"] != inode(path):
            raise DisconnectionError("the file was replaced")
