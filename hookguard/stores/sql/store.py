"""Lease mode: every step is a transaction of its own, on a connection of the store's own.

Never the request's session: a handler that rolls back would take the claim with it.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.drivers import install
from hookguard.stores.sql.check import look_over
from hookguard.stores.sql.deadline import bounded, connects_in_time, in_time, within
from hookguard.stores.sql.running import database_of, lost_connection, no_table, run, unavailable, undone
from hookguard.stores.sql.table import create_table
from hookguard.stores.statements import Statements, Steps

__all__ = ["PURGE_BATCH", "PURGE_EVERY", "AsyncSQLStore", "SQLStore", "seconds", "store_from_url"]

#: Every so many claims won, a few expired events are deleted: the table stays small without a timer or a stall.
PURGE_EVERY = 64
PURGE_BATCH = 256

#: How often a step is tried whose answer got lost. It may have happened: it is the same step with the same token, and a claim
#: whose holder does not hear of it would lock its event until the lease ends.
_TRIES = 3

#: Not SQLAlchemy's own text, which shows a piece of the URL, and that may be one of the password.
_UNREADABLE = (
    "store: SQLAlchemy cannot read this URL: write scheme://user:password@host/database, and percent-encode special characters"
    " in the password"
)


class SQLStore:
    """Claims in the table ``table`` of ``engine``'s database.

    The engine's pool lends a connection for each step; where handlers hold connections of the same pool while the store
    waits for one, a busy server can run dry, so that an engine of its own (``from_url``) is better. ``timeout`` is how many
    seconds a step may take on a connection; waiting for one is as long as the engine's own ``pool_timeout`` and driver let
    it. Errors of the database are StoreUnavailable, after one more try when the connection itself was lost or the database
    rolled the step back. ``clock`` is for tests.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        timeout: float = 1.0,
        table: str = "hookguard_event",
        clock: Callable[[], float] | None = None,
    ) -> None:
        if not isinstance(engine, Engine):
            raise ConfigurationError(f"engine is {type(engine).__name__}: give create_engine(…), or use SQLStore.from_url")
        database = database_of(engine.dialect)
        self.engine = engine
        self.table = table
        self.capabilities = _capabilities(database)
        self._steps = Statements(database, table=table, clock=clock)
        self._own: Engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._timeout = seconds(timeout)
        self._creates = False
        self._pid: int | None = None
        self._won = 0

    @classmethod
    def from_url(cls, url: str | URL, *, timeout: float = 1.0, table: str = "hookguard_event", create: bool = True) -> SQLStore:
        """Return a store with a small pool of its own.

        ``postgresql://`` means psycopg and ``mysql://`` PyMySQL, unless the URL names a driver. ``timeout`` is how many
        seconds an operation may take in all, connecting and waiting for a connection of the pool included. ``create``: the
        table is created when it is missed. Each process opens connections of its own, also where it was forked from one that
        had some.
        """
        full = _full(url)
        with _telling(full):
            engine = create_engine(full, **_options(full, timeout))
        store = cls(engine, timeout=timeout, table=table)
        store._own = store.engine  # it is in autocommit from its first connection on
        store._creates = create
        store._pid = os.getpid()
        if store._steps.database == "sqlite":
            _follow_file(store.engine)
        else:
            connects_in_time(store.engine, timeout)
        return store

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""
        with within(self._timeout) as ends:
            claim: Claim = self._tried(lambda: self._steps.claim(key, token, fingerprint, lease, retention), ends)
            if claim.status == ClaimStatus.ACQUIRED:
                self._won += 1
                if self._won % PURGE_EVERY == 0:
                    # The event is won; that old ones could not be deleted now must not turn it away.
                    with suppress(StoreUnavailable):
                        self._tried(lambda: self._steps.purge(PURGE_BATCH), ends)
        return claim

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done; True only for the holder of the claim."""
        return bool(self._run(lambda: self._steps.complete(key, token, retention, reply)))

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""
        return bool(self._run(lambda: self._steps.release(key, token)))

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim for ``lease`` seconds from now."""
        return bool(self._run(lambda: self._steps.extend(key, token, lease)))

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""
        return int(self._run(lambda: self._steps.purge(limit)))

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state."""
        return bool(self._run(lambda: self._steps.forget(key)))

    def check(self) -> list[str]:
        """Look whether the table is there and takes claims, and how the clocks differ; return what is worth knowing.

        Raises StoreUnavailable when the database cannot be reached, and StoreMisconfigured when it must not be used as it is.
        """
        if self._creates:
            self.purge(limit=1)  # which creates the table if it is missed
        try:
            with within(self._timeout) as ends, self._connected(ends) as connection:
                return look_over(connection, self._steps)
        except Exception as error:
            raise unavailable(error, self.engine.dialect) from error

    def create_table(self) -> None:
        """Create the table unless it is there. Raises StoreMisconfigured."""
        create_table(self.engine, self.table)

    def close(self) -> None:
        """Close the pool's connections."""
        self.engine.dispose()

    def _run(self, steps: Callable[[], Steps]) -> Any:
        with within(self._timeout) as ends:
            return self._tried(steps, ends)

    def _tried(self, steps: Callable[[], Steps], ends: float) -> Any:
        try:
            for _ in range(_TRIES - 1):
                try:
                    return self._once(steps, ends)
                except Exception as error:
                    if self._creates and no_table(error):
                        self.create_table()
                    elif not _again(error) or time.monotonic() >= ends:
                        raise
            return self._once(steps, ends)
        # Whatever a driver raises when its server is in trouble: none of it may pass for an answer.
        except Exception as error:
            raise unavailable(error, self.engine.dialect) from error

    def _once(self, steps: Callable[[], Steps], ends: float) -> Any:
        with self._connected(ends) as connection:
            return run(connection, steps())

    @contextmanager
    def _connected(self, ends: float) -> Iterator[Connection]:
        if self._pid is not None and self._pid != os.getpid():
            # Forked: those connections are the parent's, and closing them would be heard at the other end.
            self.engine.dispose(close=False)
            self._pid = os.getpid()
        with self._own.connect() as connection, bounded(connection, ends):
            yield connection

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.engine.url!r}, table={self.table!r})"


class AsyncSQLStore:
    """The same for an ``AsyncEngine``. ``timeout`` bounds every step, in seconds."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        timeout: float = 1.0,
        table: str = "hookguard_event",
        clock: Callable[[], float] | None = None,
    ) -> None:
        if not isinstance(engine, AsyncEngine):
            raise ConfigurationError(f"engine is {type(engine).__name__}: give create_async_engine(…), or use from_url")
        database = database_of(engine.dialect)
        self.engine = engine
        self.table = table
        self.capabilities = _capabilities(database)
        self._steps = Statements(database, table=table, clock=clock)
        self._own = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._timeout = seconds(timeout)
        self._creates = False
        self._won = 0

    @classmethod
    def from_url(
        cls, url: str | URL, *, timeout: float = 1.0, table: str = "hookguard_event", create: bool = True
    ) -> AsyncSQLStore:
        """Return a store with a small pool of its own; the URL names an asynchronous driver (``postgresql+asyncpg://``)."""
        full = _full(url)
        with _telling(full):
            engine = create_async_engine(full, **_options(full, timeout))
        store = cls(engine, timeout=timeout, table=table)
        store._own = store.engine  # it is in autocommit from its first connection on
        store._creates = create
        if store._steps.database == "sqlite":
            _follow_file(store.engine.sync_engine)
        return store

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""
        ends = time.monotonic() + self._timeout
        claim: Claim = await self._run(lambda: self._steps.claim(key, token, fingerprint, lease, retention))
        if claim.status == ClaimStatus.ACQUIRED:
            self._won += 1
            if self._won % PURGE_EVERY == 0:
                with suppress(StoreUnavailable):  # as above
                    await self._run(lambda: self._steps.purge(PURGE_BATCH), ends - time.monotonic())
        return claim

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done; True only for the holder of the claim."""
        return bool(await self._run(lambda: self._steps.complete(key, token, retention, reply)))

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""
        return bool(await self._run(lambda: self._steps.release(key, token)))

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim for ``lease`` seconds from now."""
        return bool(await self._run(lambda: self._steps.extend(key, token, lease)))

    async def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""
        return int(await self._run(lambda: self._steps.purge(limit)))

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state."""
        return bool(await self._run(lambda: self._steps.forget(key)))

    async def check(self) -> list[str]:
        """Look whether the table is there and takes claims, and how the clocks differ; return what is worth knowing."""
        if self._creates:
            await self.purge(limit=1)  # which creates the table if it is missed
        try:
            return await in_time(self._looked_over(), self._timeout)
        except Exception as error:
            raise unavailable(error, self.engine.dialect) from error

    async def _looked_over(self) -> list[str]:
        async with self._own.connect() as connection:
            return await connection.run_sync(look_over, self._steps)

    async def create_table(self) -> None:
        """Create the table unless it is there. Raises StoreMisconfigured."""
        async with self._own.connect() as connection:
            await connection.run_sync(create_table, self.table)

    async def close(self) -> None:
        """Close the pool's connections."""
        await self.engine.dispose()

    async def _run(self, steps: Callable[[], Steps], timeout: float | None = None) -> Any:
        try:
            return await in_time(self._tried(steps), self._timeout if timeout is None else max(timeout, 0.0))
        except Exception as error:
            raise unavailable(error, self.engine.dialect) from error

    async def _tried(self, steps: Callable[[], Steps]) -> Any:
        for _ in range(_TRIES - 1):
            try:
                return await self._once(steps)
            except Exception as error:
                if self._creates and no_table(error):
                    await self.create_table()
                elif not _again(error):
                    raise
        return await self._once(steps)

    async def _once(self, steps: Callable[[], Steps]) -> Any:
        async with self._own.connect() as connection:
            return await connection.run_sync(lambda plain: _run_plain(plain, steps))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.engine.url!r}, table={self.table!r})"


def store_from_url(url: str | URL) -> SQLStore | AsyncSQLStore:
    """Return the store for a URL: an asynchronous one where its driver is. Raises ConfigurationError."""
    full = _full(url)
    with _telling(full):
        waits = not full.get_dialect().is_async
    return SQLStore.from_url(full) if waits else AsyncSQLStore.from_url(full)


@contextmanager
def _telling(url: URL) -> Iterator[None]:
    """Turns what SQLAlchemy says of a URL into what to do about it."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"store: the database's driver is missing ({error}): {install(url.drivername)}"
        raise ConfigurationError(message) from error
    except NoSuchModuleError as error:
        raise ConfigurationError(
            f"store: SQLAlchemy has no driver {url.drivername!r}: write postgresql://, mysql://, or either with a driver that"
            " SQLAlchemy lists, as postgresql+asyncpg://"
        ) from error
    except (ArgumentError, ValueError):
        raise ConfigurationError(_UNREADABLE) from None


def _run_plain(connection: Connection, steps: Callable[[], Steps]) -> Any:
    return run(connection, steps())


def _capabilities(database: str) -> Capabilities:
    return Capabilities(
        durable=True,
        shared=True,
        transactional=False,
        may_forget=False,
        clock="client" if database == "sqlite" else "server",
        blocking=True,
    )


def _follow_file(engine: Engine) -> None:
    """Open a SQLite file anew when it was deleted or replaced: a connection would go on with the one that is gone."""
    path = Path(engine.url.database or "")

    def inode() -> int | None:
        try:
            return path.stat().st_ino
        except OSError:
            return None

    @event.listens_for(engine, "connect")
    def remember(_connection: Any, record: Any) -> None:
        record.info["hookguard_inode"] = inode()

    @event.listens_for(engine, "checkout")
    def compare(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["hookguard_inode"] != inode():
            raise DisconnectionError("the file is another one by now")


def _again(error: Exception) -> bool:
    """Whether the same step may do better at once."""
    # An error without a statement is one of connecting.
    connecting = isinstance(error, OperationalError) and error.statement is None
    return lost_connection(error) or connecting or undone(error)


def seconds(timeout: float) -> float:
    """Return the timeout; ConfigurationError unless it is seconds, more than 0."""
    if not timeout > 0:
        raise ConfigurationError(f"timeout is {timeout!r}: give seconds, more than 0")
    return timeout


def _full(url: str | URL) -> URL:
    """The URL with a driver that an extra of ours brings, where it names none."""
    try:
        full = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(_UNREADABLE) from None
    driver = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}.get(full.drivername)
    return full if driver is None else full.set(drivername=driver)


def _options(url: URL, timeout: float) -> dict[str, Any]:
    """What makes each driver give up after ``timeout`` seconds, as far as it can."""
    whole = max(1, math.ceil(seconds(timeout)))
    driver = url.get_driver_name()
    connect: dict[str, Any] = {}
    if driver in ("psycopg", "psycopg_async", "psycopg2"):
        connect = {"connect_timeout": whole, "options": f"-c statement_timeout={timeout * 1000:.0f}"}
    elif driver == "asyncpg":
        connect = {"timeout": timeout, "command_timeout": timeout}
    elif driver == "pymysql":
        # Also after a connection was cut: its own goodbye waits for nobody.
        connect = {"connect_timeout": timeout, "read_timeout": timeout, "write_timeout": timeout, "init_command": _NO_GAPS}
    elif driver == "mysqldb":
        connect = {"connect_timeout": whole, "read_timeout": whole, "write_timeout": whole, "init_command": _NO_GAPS}
    elif driver in ("aiomysql", "asyncmy"):
        connect = {"connect_timeout": whole, "init_command": _NO_GAPS}
    elif driver in ("pysqlite", "aiosqlite"):
        # Shorter than the step: SQLite is to say by itself that it is busy, and not to claim for somebody who has gone away.
        return {"isolation_level": "AUTOCOMMIT", "connect_args": {"timeout": timeout * 0.8}}
    return {
        # Set when a connection is made, not at each loan; a step ends with nothing to roll back.
        "isolation_level": "AUTOCOMMIT",
        "pool_reset_on_return": None,
        "skip_autocommit_rollback": True,
        "pool_timeout": timeout,
        "connect_args": connect,
    }


#: At MySQL's default level a purge would lock the gaps between the rows, where new claims go.
_NO_GAPS = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
