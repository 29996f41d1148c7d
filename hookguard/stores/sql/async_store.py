"""Lease mode with an asynchronous driver. Imported on demand, because SQLAlchemy's asyncio needs greenlet."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL, Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from hookguard.errors import ConfigurationError, MissingTable, StoreUnavailable
from hookguard.store import Claim, ClaimStatus, StoreKey
from hookguard.stores.creation import may_create
from hookguard.stores.sql.database_check import Needed, check_sql_database
from hookguard.stores.sql.deadline import in_time
from hookguard.stores.sql.engines import engine_options, follow_file, full_url, shown_database, telling
from hookguard.stores.sql.execute import (
    CARRIES_CLAIMS,
    database_of,
    drop_demoted,
    no_table,
    run,
    seconds,
    succeeds_again,
    unavailable,
)
from hookguard.stores.sql.pooler import BehindPooler, notice_pooler
from hookguard.stores.sql.store import PURGE_BATCH, PURGE_EVERY, TRIES, capabilities_of
from hookguard.stores.sql.table import create_table
from hookguard.stores.statements import Statements

if TYPE_CHECKING:
    from hookguard.stores.evidence_sql import SQLEvidence
    from hookguard.stores.sql.async_inbox import AsyncSQLInbox

__all__ = ["AsyncSQLStore"]


class AsyncSQLStore:
    """SQLStore for an ``AsyncEngine``. ``timeout`` limits every step, in seconds."""

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
        self.capabilities = capabilities_of(database)
        self._steps = Statements(database, table=table, clock=clock)
        self._own = engine.execution_options(isolation_level="AUTOCOMMIT", **{CARRIES_CLAIMS: True})
        drop_demoted(engine.sync_engine)
        self._timeout = seconds(timeout)
        self.creates = False  #: whether it creates a missing table
        self._make_pooled: Callable[[], AsyncEngine] | None = None
        self._pooled = False
        self._won = 0
        self._clock = clock
        self._inbox: AsyncSQLInbox | None = None
        self._evidence: SQLEvidence | None = None
        self._url: URL | None = None

    @classmethod
    def from_url(
        cls,
        url: str | URL,
        *,
        timeout: float = 1.0,
        table: str = "hookguard_event",
        create: bool = True,
        pool_size: int | None = None,
    ) -> AsyncSQLStore:
        """Return a store with a pool of its own. The URL names an asynchronous driver (``postgresql+asyncpg://``).

        See :meth:`SQLStore.from_url`. With asyncpg the store detects a pooler of connections such as PgBouncer, and makes each
        step a transaction then.
        """
        full = full_url(url)

        def make(*, pooled: bool) -> AsyncEngine:
            with telling(full):
                return create_async_engine(full, **engine_options(full, timeout, pool_size, pooled=pooled))

        store = cls(make(pooled=False), timeout=timeout, table=table)
        store._own = store.engine  # every connection is in autocommit mode
        store._url = full
        store.creates = create
        if store._steps.database == "sqlite":
            follow_file(store.engine.sync_engine)
        elif full.get_driver_name() == "asyncpg":
            notice_pooler(store.engine.sync_engine)
            store._make_pooled = lambda: make(pooled=True)
        return store

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""
        ends = time.monotonic() + self._timeout
        claim: Claim = await self._run(
            lambda connection: run(connection, self._steps.claim(key, token, fingerprint, lease, retention))
        )
        if claim.status == ClaimStatus.ACQUIRED:
            self._won += 1
            if self._won % PURGE_EVERY == 0:
                with suppress(StoreUnavailable):  # as SQLStore does
                    await self._run(lambda connection: run(connection, self._steps.purge(PURGE_BATCH)), ends - time.monotonic())
        return claim

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done. Returns True only for the holder of the claim."""
        return bool(await self._run(lambda connection: run(connection, self._steps.complete(key, token, retention, reply))))

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the claim: the next delivery runs the event."""
        return bool(await self._run(lambda connection: run(connection, self._steps.release(key, token))))

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim to ``lease`` seconds from now."""
        return bool(await self._run(lambda connection: run(connection, self._steps.extend(key, token, lease))))

    async def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""
        return int(await self._run(lambda connection: run(connection, self._steps.purge(limit))))

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event in any state, so that it may run again; False while an inbox entry of it is waiting or held."""
        if self._steps.database != "sqlite":
            with suppress(MissingTable):  # most databases have no inbox
                return await self._make_inbox().forget(key)
        return bool(await self._run(lambda connection: run(connection, self._steps.forget(key))))

    def inbox(self) -> AsyncSQLInbox:
        """Return the inbox beside the claims; see :meth:`SQLStore.inbox`."""
        if self._inbox is None:
            self._inbox = self._make_inbox()
        return self._inbox

    def _make_inbox(self) -> AsyncSQLInbox:
        from hookguard.stores.sql.async_inbox import AsyncSQLInbox  # noqa: PLC0415 - most applications have none
        from hookguard.stores.sql.inbox import server_inbox  # noqa: PLC0415 - as above

        operations = server_inbox(self._steps.database, self.table, self._clock)
        return AsyncSQLInbox(operations, self._run)

    def evidence(self) -> SQLEvidence:
        """Return the records of deliveries beside the claims. Its calls block, each on a connection and a loop of its own.

        Raises ConfigurationError for an engine that was given: such connections belong to the loop of its application.
        """
        if self._evidence is None:
            from hookguard.stores.sql.evidence import on_a_loop, sql_evidence  # noqa: PLC0415 - most applications have none

            if self._url is None:
                raise ConfigurationError(
                    "records of deliveries are written by a thread, which cannot use the connections of this engine: make the"
                    " store with AsyncSQLStore.from_url, or leave evidence out"
                )
            options = {"timeout": self._timeout, "table": self.table, "create": self.creates, "pool_size": 1}
            perform = on_a_loop(type(self), self._url, options)
            self._evidence = sql_evidence(self._steps.database, self.table, self._clock, perform)
        return self._evidence

    async def check(self) -> list[str]:
        """Check the table, a claim, and the clocks; return remarks."""
        if self.creates and may_create():
            await self.purge(limit=1)  # which creates the table if it is missing
            if self._inbox is not None:
                await self._inbox.find(limit=1)  # likewise
        # Records have a store of their own, which creates their table with the first one.
        recorded = self._evidence is not None and not (self.creates and may_create())
        needed = Needed(inbox=self._inbox is not None, evidence=recorded, created=self.creates)
        found: list[str] = await self._run(lambda connection: check_sql_database(connection, self._steps, needed))
        return found

    async def create_table(self) -> None:
        """Create the table unless it exists, and the inbox's if this store has one. Raises MissingTable."""
        inbox, evidence = self._inbox is not None, self._evidence is not None
        await self._once(lambda connection: create_table(connection, self.table, inbox=inbox, evidence=evidence))

    async def close(self) -> None:
        """Close the pool's connections."""
        await self.engine.dispose()

    async def _run(self, work: Callable[[Connection], Any], timeout: float | None = None) -> Any:
        try:
            return await in_time(self._tried(work), self._timeout if timeout is None else max(timeout, 0.0))
        except Exception as error:
            raise unavailable(error, self.engine.dialect) from error

    async def _tried(self, work: Callable[[Connection], Any]) -> Any:
        for _ in range(TRIES - 1):
            try:
                return await self._once(work)
            except Exception as error:
                if self.creates and may_create() and no_table(error):
                    await self.create_table()
                elif not succeeds_again(error):
                    raise
        return await self._once(work)

    async def _once(self, work: Callable[[Connection], Any]) -> Any:
        try:
            return await greenlet_spawn(self._in_greenlet, work)
        except BehindPooler:
            await self._follow_pooler()
            return await greenlet_spawn(self._in_greenlet, work)

    def _in_greenlet(self, work: Callable[[Connection], Any]) -> Any:
        # All of it in one greenlet. AsyncConnection would start one for each method call.
        with self._own.sync_engine.connect() as connection:
            found = work(connection)
            if self._pooled:
                connection.commit()
            return found

    async def _follow_pooler(self) -> None:
        """Replace the pool by one whose steps are transactions: a pooler keeps each on one server connection."""
        if self._make_pooled is None:
            return  # another step did it first
        engine, self._make_pooled, self._pooled = self._make_pooled(), None, True
        before, self.engine, self._own = self.engine, engine, engine
        drop_demoted(engine.sync_engine)
        await before.dispose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown_database(self.engine.url)}, table={self.table!r})"
