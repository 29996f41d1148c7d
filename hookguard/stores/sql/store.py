"""Lease mode: every step is a transaction of its own, on a connection of the store's own.

The store never uses the request's session: a handler's rollback would undo the claim.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Connection, Engine

from hookguard.errors import ConfigurationError, MissingTable, StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.creation import may_create
from hookguard.stores.deadline import Within
from hookguard.stores.sql.database_check import Needed, check_sql_database
from hookguard.stores.sql.deadline import Bounded, connects_in_time
from hookguard.stores.sql.engines import engine_options, follow_file, full_url, leave_to_parent, shown_database, telling
from hookguard.stores.sql.execute import (
    CARRIES_CLAIMS,
    database_of,
    drop_demoted,
    look,
    no_table,
    run,
    seconds,
    succeeds_again,
    unavailable,
)
from hookguard.stores.sql.table import create_table
from hookguard.stores.statements import Statements, Steps

if TYPE_CHECKING:
    from hookguard.stores.evidence_sql import SQLEvidence
    from hookguard.stores.sql.inbox import SQLInbox

__all__ = ["PURGE_BATCH", "PURGE_EVERY", "TRIES", "SQLStore", "capabilities_of"]

#: After this many acquired claims, a few expired events are deleted. The table stays small without a timer or a stall.
PURGE_EVERY = 64
PURGE_BATCH = 256

#: How often a step is tried if its answer is lost. It may have happened, but the same step with the same token is safe to
#: repeat. A claim whose holder got no answer would lock its event until the lease ends.
TRIES = 3


class SQLStore:
    """Claims in the table ``table`` of ``engine``'s database.

    Each step takes a connection from the engine's pool. If handlers hold connections of the same pool meanwhile, a busy server
    can run out of them, so an engine of the store's own (``from_url``) is better. ``timeout`` is how many seconds a step may
    take on its connection. Waiting for a connection is limited by the engine's ``pool_timeout`` and the driver. A database
    error is StoreUnavailable, after a retry if the connection was lost or the database rolled the step back. ``clock`` is for
    tests.
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
        self.capabilities = capabilities_of(database)
        self._steps = Statements(database, table=table, clock=clock)
        self._own: Engine = engine.execution_options(isolation_level="AUTOCOMMIT", **{CARRIES_CLAIMS: True})
        drop_demoted(engine)
        self._timeout = seconds(timeout)
        self.creates = False  #: whether it creates a missing table
        leave_to_parent(engine)
        self._won = 0
        self._clock = clock
        self._inbox: SQLInbox | None = None
        self._evidence: SQLEvidence | None = None

    @classmethod
    def from_url(
        cls,
        url: str | URL,
        *,
        timeout: float = 1.0,
        table: str = "hookguard_event",
        create: bool = True,
        pool_size: int | None = None,
    ) -> SQLStore:
        """Return a store with a pool of its own.

        ``postgresql://`` means psycopg and ``mysql://`` PyMySQL, unless the URL names a driver. ``timeout`` is how many
        seconds an operation may take in all, including the wait for a connection. ``create``: the store creates the table if
        it is missing. ``pool_size`` is how many connections a process may open: by default 15, or one for each configured
        thread of a worker if that is more. Each process opens its own connections, also after a fork.
        """
        full = full_url(url)
        with telling(full):
            engine = create_engine(full, **engine_options(full, timeout, pool_size))
        store = cls(engine, timeout=timeout, table=table)
        store._own = store.engine  # every connection is in autocommit mode
        store.creates = create
        if store._steps.database == "sqlite":
            follow_file(store.engine)
        else:
            connects_in_time(store.engine, timeout)
        return store

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""
        with Within(self._timeout) as ends:
            claim: Claim = self._tried(
                lambda connection: run(connection, self._steps.claim(key, token, fingerprint, lease, retention)), ends
            )
            if claim.status == ClaimStatus.ACQUIRED:
                self._won += 1
                if self._won % PURGE_EVERY == 0:
                    # The event is claimed. A failed purge must not reject it.
                    with suppress(StoreUnavailable):
                        self._tried(lambda connection: run(connection, self._steps.purge(PURGE_BATCH)), ends)
        return claim

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done. Returns True only for the holder of the claim."""
        return bool(self._run(lambda connection: run(connection, self._steps.complete(key, token, retention, reply))))

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the claim: the next delivery runs the event."""
        return bool(self._run(lambda connection: run(connection, self._steps.release(key, token))))

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim to ``lease`` seconds from now."""
        return bool(self._run(lambda connection: run(connection, self._steps.extend(key, token, lease))))

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""
        return int(self._run(lambda connection: run(connection, self._steps.purge(limit))))

    def forget(self, key: StoreKey) -> bool:
        """Forget an event in any state, so that it may run again; False while an inbox entry of it is waiting or held."""
        if self._steps.database != "sqlite":
            with suppress(MissingTable):  # most databases have no inbox
                return self._make_inbox().forget(key)
        return bool(self._run(lambda connection: run(connection, self._steps.forget(key))))

    def inbox(self) -> SQLInbox:
        """Return the inbox beside the claims. Raises ConfigurationError for SQLite, whose inbox is :class:`SQLiteStore`'s."""
        if self._inbox is None:
            self._inbox = self._make_inbox()
        return self._inbox

    def _make_inbox(self) -> SQLInbox:
        from hookguard.stores.sql.inbox import SQLInbox, server_inbox  # noqa: PLC0415 - most applications have none
        from hookguard.stores.sql.shared import SharingSQLInbox  # noqa: PLC0415 - as above

        kind = SharingSQLInbox if self._steps.database == "postgresql" else SQLInbox
        return kind(server_inbox(self._steps.database, self.table, self._clock), self._run, self._look)

    def evidence(self) -> SQLEvidence:
        """Return the records of deliveries beside the claims."""
        if self._evidence is None:
            from hookguard.stores.sql.evidence import sql_evidence  # noqa: PLC0415 - most applications have none

            self._evidence = sql_evidence(self._steps.database, self.table, self._clock, self._run)
        return self._evidence

    def check(self) -> list[str]:
        """Check the table, a claim, and the clocks; return remarks.

        Raises MissingTable until a migration has created the table, StoreUnavailable if the database cannot be reached,
        and StoreMisconfigured if it must not be used as it is.
        """
        if self.creates and may_create():
            self.purge(limit=1)  # which creates the table if it is missing
            if self._inbox is not None:
                self._inbox.find(limit=1)  # likewise
            if self._evidence is not None:
                self._evidence.find(limit=1)  # likewise
        needed = Needed(inbox=self._inbox is not None, evidence=self._evidence is not None, created=self.creates)
        found: list[str] = self._run(lambda connection: check_sql_database(connection, self._steps, needed))
        return found

    def create_table(self) -> None:
        """Create the table unless it exists, and those of the inbox and records if the store has them. Raises MissingTable."""
        create_table(self.engine, self.table, inbox=self._inbox is not None, evidence=self._evidence is not None)

    def close(self) -> None:
        """Close the pool's connections."""
        self.engine.dispose()

    def _run(self, work: Callable[[Connection], Any]) -> Any:
        with Within(self._timeout) as ends:
            return self._tried(work, ends)

    def _look(self, steps: Steps) -> Any:
        """Run steps that only read, without a retry."""
        leave_to_parent(self.engine)
        try:
            with Within(self._timeout) as ends, self._own.connect() as connection, Bounded(connection, ends):
                return look(connection, steps)
        except Exception as error:
            raise unavailable(error, self.engine.dialect) from error

    def _tried(self, work: Callable[[Connection], Any], ends: float) -> Any:
        try:
            for _ in range(TRIES - 1):
                try:
                    return self._once(work, ends)
                except Exception as error:
                    if self.creates and may_create() and no_table(error):
                        self.create_table()
                    elif not succeeds_again(error) or time.monotonic() >= ends:
                        raise
            return self._once(work, ends)
        # No error that a driver raises may count as an answer.
        except Exception as error:
            raise unavailable(error, self.engine.dialect) from error

    def _once(self, work: Callable[[Connection], Any], ends: float) -> Any:
        leave_to_parent(self.engine)
        with self._own.connect() as connection, Bounded(connection, ends):
            return work(connection)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown_database(self.engine.url)}, table={self.table!r})"


def capabilities_of(database: str) -> Capabilities:
    """Return the capabilities of claims in this database."""
    return Capabilities(
        durable=True,
        shared=True,
        transactional=False,
        may_forget=False,
        clock="client" if database == "sqlite" else "server",
        blocking=True,
    )
