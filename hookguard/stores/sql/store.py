"""Lease mode: every step is a transaction of its own, on a connection of the store's own.

Never the request's session: a handler that rolls back would take the claim with it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.sql.running import database_of, lost_connection, run, unavailable
from hookguard.stores.sql.table import create_table
from hookguard.stores.statements import Statements, Steps

__all__ = ["PURGE_BATCH", "PURGE_EVERY", "AsyncSQLStore", "SQLStore", "store_from_url"]

#: Every so many claims won, a few expired events are deleted: the table stays small without a timer or a stall.
PURGE_EVERY = 64
PURGE_BATCH = 256


class SQLStore:
    """Claims in the table ``table`` of ``engine``'s database.

    The engine's pool lends a connection for each step; where handlers hold connections of the same pool while the store
    waits for one, a busy server can run dry, so that an engine of its own (``from_url``) is better. Errors of the database
    are StoreUnavailable, after one more try when the connection itself was lost. ``clock`` is for tests.
    """

    def __init__(self, engine: Engine, *, table: str = "hookguard_event", clock: Callable[[], float] | None = None) -> None:
        if not isinstance(engine, Engine):
            raise ConfigurationError(f"engine is {type(engine).__name__}: give create_engine(…), or use SQLStore.from_url")
        database = database_of(engine.dialect)
        self.engine = engine
        self.table = table
        self.capabilities = _capabilities(database)
        self._steps = Statements(database, table=table, clock=clock)
        self._own: Engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._creates = False
        self._won = 0

    @classmethod
    def from_url(cls, url: str | URL, *, timeout: float = 1.0, table: str = "hookguard_event", create: bool = True) -> SQLStore:
        """Return a store with a small pool of its own.

        ``postgresql://`` means psycopg and ``mysql://`` PyMySQL, unless the URL names a driver. ``timeout`` is how many
        seconds a step may take, as far as the driver can bound it. ``create``: the table is created when it is first
        missed.
        """
        full = _full(url)
        store = cls(create_engine(full, **_options(full, timeout)), table=table)
        store._own = store.engine  # it is in autocommit from its first connection on
        store._creates = create
        return store

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""
        claim: Claim = self._run(lambda: self._steps.claim(key, token, fingerprint, lease, retention))
        if claim.status == ClaimStatus.ACQUIRED:
            self._won += 1
            if self._won % PURGE_EVERY == 0:
                # The event is won; that old ones could not be deleted now must not turn it away.
                with suppress(StoreUnavailable):
                    self.purge(limit=PURGE_BATCH)
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

    def create_table(self) -> None:
        """Create the table unless it is there. Raises StoreMisconfigured."""
        create_table(self.engine, self.table)

    def close(self) -> None:
        """Close the pool's connections."""
        self.engine.dispose()

    def _run(self, steps: Callable[[], Steps]) -> Any:
        try:
            try:
                return self._once(steps)
            except SQLAlchemyError as error:
                if not self._mended(error):
                    raise
                return self._once(steps)
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(error, self.engine.dialect) from error

    def _once(self, steps: Callable[[], Steps]) -> Any:
        with self._own.connect() as connection:
            return run(connection, steps())

    def _mended(self, error: SQLAlchemyError) -> bool:
        """Whether trying again may help. The step may have happened: it is the same step with the same token."""
        if self._creates and _no_table(error):
            self._creates = False
            self.create_table()
            return True
        return lost_connection(error)

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
        self._timeout = timeout
        self._creates = False
        self._won = 0

    @classmethod
    def from_url(
        cls, url: str | URL, *, timeout: float = 1.0, table: str = "hookguard_event", create: bool = True
    ) -> AsyncSQLStore:
        """Return a store with a small pool of its own; the URL names an asynchronous driver (``postgresql+asyncpg://``)."""
        full = _full(url)
        store = cls(create_async_engine(full, **_options(full, timeout)), timeout=timeout, table=table)
        store._own = store.engine  # it is in autocommit from its first connection on
        store._creates = create
        return store

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""
        claim: Claim = await self._run(lambda: self._steps.claim(key, token, fingerprint, lease, retention))
        if claim.status == ClaimStatus.ACQUIRED:
            self._won += 1
            if self._won % PURGE_EVERY == 0:
                with suppress(StoreUnavailable):  # as above
                    await self.purge(limit=PURGE_BATCH)
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

    async def create_table(self) -> None:
        """Create the table unless it is there. Raises StoreMisconfigured."""
        async with self._own.connect() as connection:
            await connection.run_sync(create_table, self.table)

    async def close(self) -> None:
        """Close the pool's connections."""
        await self.engine.dispose()

    async def _run(self, steps: Callable[[], Steps]) -> Any:
        try:
            return await asyncio.wait_for(self._tried(steps), self._timeout)
        except (SQLAlchemyError, OSError, asyncio.TimeoutError) as error:
            raise unavailable(error, self.engine.dialect) from error

    async def _tried(self, steps: Callable[[], Steps]) -> Any:
        try:
            return await self._once(steps)
        except SQLAlchemyError as error:
            if self._creates and _no_table(error):
                self._creates = False
                await self.create_table()
            elif not lost_connection(error):
                raise
            return await self._once(steps)

    async def _once(self, steps: Callable[[], Steps]) -> Any:
        async with self._own.connect() as connection:
            return await connection.run_sync(lambda plain: _run_plain(plain, steps))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.engine.url!r}, table={self.table!r})"


def store_from_url(url: str | URL) -> SQLStore | AsyncSQLStore:
    """Return the store for a URL: an asynchronous one where its driver is. Raises ConfigurationError."""
    try:
        full = _full(url)
        return AsyncSQLStore.from_url(full) if full.get_dialect().is_async else SQLStore.from_url(full)
    except ArgumentError as error:
        raise ConfigurationError("store: SQLAlchemy cannot read this URL: write scheme://user:password@host/database") from error
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigurationError(f"store: the database's driver is missing ({error}): install it beside SQLAlchemy") from error


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


def _no_table(error: SQLAlchemyError) -> bool:
    why = getattr(error, "orig", None)
    # SQLSTATE, MySQL's number, and SQLite's only sign.
    code = getattr(why, "sqlstate", None)
    number = why.args[0] if why is not None and why.args else None
    return code == "42P01" or number == 1146 or "no such table" in str(why)


def _full(url: str | URL) -> URL:
    """The URL with a driver that an extra of ours brings, where it names none."""
    full = make_url(url)
    driver = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}.get(full.drivername)
    return full if driver is None else full.set(drivername=driver)


def _options(url: URL, timeout: float) -> dict[str, Any]:
    """What makes each driver give up after ``timeout`` seconds, as far as it can."""
    if not timeout > 0:
        raise ConfigurationError(f"timeout is {timeout!r}: give seconds, more than 0")
    whole = max(1, math.ceil(timeout))
    driver = url.get_driver_name()
    connect: dict[str, Any] = {}
    if driver in ("psycopg", "psycopg_async", "psycopg2"):
        connect = {"connect_timeout": whole, "options": f"-c statement_timeout={timeout * 1000:.0f}"}
    elif driver == "asyncpg":
        connect = {"timeout": timeout, "command_timeout": timeout}
    elif driver in ("pymysql", "mysqldb"):
        connect = {"connect_timeout": whole, "read_timeout": whole, "write_timeout": whole, "init_command": _NO_GAPS}
    elif driver in ("aiomysql", "asyncmy"):
        connect = {"connect_timeout": whole, "init_command": _NO_GAPS}
    elif driver in ("pysqlite", "aiosqlite"):
        return {"isolation_level": "AUTOCOMMIT", "connect_args": {"timeout": timeout}}
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
