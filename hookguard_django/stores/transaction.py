"""Transactional mode: claim, the view's writes and completion are ONE transaction, so that each effect happens once.

``claim`` opens ``atomic(durable=True)``, and its first statement is the claim. All writes of the view to the same database by
the ORM are part of it. ``complete`` marks the event as done with the *last* statement, and commits. That statement proves that
the transaction is still whole: it cannot run after a database error that the view swallowed, and it finds no claim after a
rollback. The reply is sent only after the commit has returned.

While the view runs, its statements are watched (see :mod:`~hookguard_django.stores.watch`), because Django allows some actions
that would separate its writes from the claim without an error.

Another delivery of the same event must not wait for the first view, as a plain insert would. So the store asks PostgreSQL and
MySQL for a lock without waiting. With SQLite this process remembers its events in progress. Other processes wait for the file
like every writer, except for events that are done.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.errors import MissingTable, StoreUnavailable
from hookguard.process.locks import Lock
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.statements import Database, Statements, Steps
from hookguard_django.stores.connection import TABLE, capabilities_of, connection_to, database_of, run, unavailable
from hookguard_django.stores.inbox import operations_in
from hookguard_django.stores.orm import PURGE_BATCH, PURGE_EVERY, ORMStore
from hookguard_django.stores.running import Running, beginning

if TYPE_CHECKING:
    from hookguard.stores.evidence_sql import SQLEvidence
    from hookguard_django.stores.transaction_inbox import ORMTransactionInbox

__all__ = ["ORMTransactionStore"]


class ORMTransactionStore:
    """Exactly-once effects in the database ``using``, or the one that the routers choose; for synchronous views.

    The view must leave the transaction to hookguard: a ``COMMIT`` or ``ROLLBACK`` of its own, and a write to another database,
    raise TransactionEscaped. Blocks of ``transaction.atomic()`` in it are savepoints. Effects elsewhere (mail, another
    service) are not part of it: write a row for another process to work off, and pass ``event.idempotency_key`` on.
    """

    def __init__(self, using: str | None = None) -> None:
        self.using = using
        self._aside = ORMStore(using)
        self._steps: dict[str, Statements] = {}
        self._running: dict[bytes, Running] = {}
        self._busy: set[StoreKey] = set()  # for SQLite, which has no named locks
        self._entering = Lock()
        self._inbox: ORMTransactionInbox | None = None
        self._won = 0

    @property
    def capabilities(self) -> Capabilities:
        """The promises of this store."""
        return capabilities_of(self.using, transactional=True)

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Begin the transaction with the claim."""
        connection = connection_to(self.using)
        # A persistent connection that broke since the last request claimed nothing.
        return beginning(connection, lambda: self._claim(connection, key, token, fingerprint, lease, retention))

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done and commit. After TransactionFailed or StoreUnavailable nothing was written."""
        running = self._running.pop(token, None)
        if running is None:
            return False
        try:
            running.finish(self._statements(running.connection).complete(key, token, retention, reply))
        finally:
            self._leave(running)
        self._won += 1
        if self._won % PURGE_EVERY == 0:
            with suppress(StoreUnavailable):
                self.purge(limit=PURGE_BATCH)
        return True

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Roll back the view's writes and the claim."""
        running = self._running.pop(token, None)
        if running is None:
            return False
        running.roll_back()
        self._leave(running)
        return True

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Return whether the transaction is open. It holds the event as long as its connection lives."""
        return token in self._running

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""
        return self._aside.purge(limit=limit)

    def forget(self, key: StoreKey) -> bool:
        """Forget an event; False while an inbox entry of it is waiting or held. Raises StoreUnavailable while it is handled."""
        with suppress(MissingTable):  # of a project that has yet to migrate
            return self._forget(key, lambda database: operations_in(database, None).forget(key).steps())
        return self._forget(key, lambda database: Statements(database, table=TABLE).forget(key))

    def _forget(self, key: StoreKey, how: Callable[[Database], Steps]) -> bool:
        connection = connection_to(self.using)
        steps = self._statements(connection)
        busy = StoreUnavailable("the event is being handled: forget it when the handler is done")
        if key in self._busy:
            raise busy
        locked = False
        try:
            with transaction.atomic(using=connection.alias):
                if not (locked := run(connection, steps.lock(key))):
                    raise busy
                return bool(run(connection, how(database_of(connection))))
        except (Error, OSError) as error:
            raise unavailable(error, connection) from error
        finally:
            if locked:
                self._unlock(connection, key)

    def inbox(self) -> ORMTransactionInbox:
        """Return the inbox beside the claims, whose views write in the transaction of their entry."""
        if self._inbox is None:
            from hookguard_django.stores.transaction_inbox import ORMTransactionInbox  # noqa: PLC0415 - most projects have none

            self._aside.inbox()  # its check includes the inbox's table from now on
            self._inbox = ORMTransactionInbox(self.using, self._aside._for_inbox, self._running)
        return self._inbox

    def evidence(self) -> SQLEvidence:
        """Return the records of deliveries; they are written outside of the view's transaction."""
        return self._aside.evidence()

    def check(self) -> list[str]:
        """Check the table; see :meth:`ORMStore.check`."""
        return self._aside.check()

    def _claim(
        self,
        connection: BaseDatabaseWrapper,
        key: StoreKey,
        token: bytes,
        fingerprint: bytes,
        lease: float,
        retention: float,
    ) -> Claim:
        steps = self._statements(connection)
        claim = Claim(ClaimStatus.IN_PROGRESS, retry_after=min(lease, 5.0))
        if not self._enter(connection, key):
            return claim
        running: Running | None = None
        try:
            if connection.vendor == "sqlite":
                # A duplicate of a completed event need not wait for another writer.
                found: Claim | None = run(connection, steps.look(key, token, fingerprint))
                if found is not None and found.status != ClaimStatus.ACQUIRED:
                    return found
            running = Running(connection, key)
            running.locked = bool(run(connection, steps.lock(key)))
            if running.locked:
                claim = run(connection, steps.claim(key, token, fingerprint, lease, retention))
            if claim.status == ClaimStatus.ACQUIRED:
                running.watch.begin()
                self._running[token] = running
        finally:
            if token not in self._running:
                if running is not None:
                    running.roll_back()
                    self._leave(running)
                with self._entering:
                    self._busy.discard(key)
        return claim

    def _statements(self, connection: BaseDatabaseWrapper) -> Statements:
        if connection.vendor not in self._steps:
            self._steps[connection.vendor] = Statements(database_of(connection), table=TABLE)
        return self._steps[connection.vendor]

    def _enter(self, connection: BaseDatabaseWrapper, key: StoreKey) -> bool:
        if connection.vendor != "sqlite":
            return True
        with self._entering:
            if key in self._busy:
                return False
            self._busy.add(key)
            return True

    def _leave(self, running: Running) -> None:
        with self._entering:
            self._busy.discard(cast("StoreKey", running.key))
        if running.locked:
            self._unlock(running.connection, cast("StoreKey", running.key))

    def _unlock(self, connection: BaseDatabaseWrapper, key: StoreKey) -> None:
        if connection.vendor == "mysql" and connection.connection is not None:
            # MySQL's lock belongs to the connection, which Django keeps open.
            try:
                run(connection, self._statements(connection).unlock(key))
            except (Error, OSError):
                connection.close()

    def __repr__(self) -> str:
        return f"ORMTransactionStore({self.using!r})" if self.using else "ORMTransactionStore()"
