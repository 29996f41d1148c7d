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

import logging
from contextlib import suppress
from typing import Any

from django.db import Error, InterfaceError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.errors import HookguardError, StoreMisconfigured, StoreUnavailable, TransactionEscaped, TransactionFailed
from hookguard.process.locks import Lock
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.driver_errors import is_demoted
from hookguard.stores.statements import Statements
from hookguard_django.stores.connection import (
    TABLE,
    capabilities_of,
    connection_to,
    database_of,
    driver_error,
    drop,
    is_disconnected,
    run,
    unavailable,
)
from hookguard_django.stores.orm import PURGE_BATCH, PURGE_EVERY, ORMStore
from hookguard_django.stores.watch import Watch

__all__ = ["ORMTransactionStore"]

_log = logging.getLogger("hookguard.django")


class _Running:
    """One event's transaction."""

    __slots__ = ("atomic", "committed", "connection", "key", "locked", "watch")

    def __init__(self, connection: BaseDatabaseWrapper, key: StoreKey) -> None:
        self.connection = connection
        self.key = key
        self.committed = False
        self.locked = False
        self.watch = Watch(connection)
        self.atomic = transaction.atomic(using=connection.alias, durable=True)
        self.atomic.__enter__()
        # The first callback: if a later one raises, the commit has still happened.
        transaction.on_commit(self._note, using=connection.alias)

    def _note(self) -> None:
        self.committed = True

    def commit(self) -> None:
        try:
            self.atomic.__exit__(None, None, None)
        except Exception:
            if not self.committed:
                raise
            _log.exception("an on_commit callback raised after its webhook event was committed; the event is done")

    def roll_back(self) -> None:
        with suppress(Error, OSError):
            transaction.set_rollback(True, using=self.connection.alias)
            self.atomic.__exit__(None, None, None)


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
        self._running: dict[bytes, _Running] = {}
        self._busy: set[StoreKey] = set()  # for SQLite, which has no named locks
        self._entering = Lock()
        self._won = 0

    @property
    def capabilities(self) -> Capabilities:
        """The promises of this store."""
        return capabilities_of(self.using, transactional=True)

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Begin the transaction with the claim."""
        connection = connection_to(self.using)
        used = connection.connection
        try:
            try:
                return self._claim(connection, key, token, fingerprint, lease, retention)
            except Error as error:
                if connection.in_atomic_block or not self._broke(error, connection, used):
                    raise
                # A persistent connection broke since the last request, or its server was demoted. It claimed nothing.
                return self._claim(connection, key, token, fingerprint, lease, retention)
        except (Error, OSError) as error:
            raise unavailable(error, connection) from error

    @staticmethod
    def _broke(error: Error, connection: BaseDatabaseWrapper, used: Any) -> bool:
        if is_demoted(driver_error(error)):
            drop(connection)
            return True
        if used is None or not isinstance(error, (OperationalError, InterfaceError)):
            return False
        # After a break, Django may have opened a new connection for the rollback.
        if connection.connection is used and not is_disconnected(connection):
            return False
        connection.close()
        return True

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done and commit. After TransactionFailed or StoreUnavailable nothing was written."""
        running = self._running.pop(token, None)
        if running is None:
            return False
        connection = running.connection
        try:
            done = False
            try:
                running.watch.end()
                if running.watch.escaped is not None:
                    # The view went on after the error, so what it counts as written is unknown.
                    raise running.watch.escaped
                done = run(connection, self._statements(connection).complete(key, token, retention, reply))
            finally:
                if not done:
                    running.roll_back()
            if not done:
                raise TransactionEscaped(
                    "the transaction that the claim was part of is gone: the view rolled it back, but answered 2xx"
                )
            running.commit()
        except HookguardError:
            raise
        except (Error, OSError) as error:
            if is_demoted(driver_error(error)):
                drop(connection)
            raise _translated(error, connection) from error
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
        running.watch.end()
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
        """Forget an event. Raises StoreUnavailable while it is being handled."""
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
                return bool(run(connection, steps.forget(key)))
        except (Error, OSError) as error:
            raise unavailable(error, connection) from error
        finally:
            if locked:
                self._unlock(connection, key)

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
        running: _Running | None = None
        try:
            if connection.vendor == "sqlite":
                # A duplicate of a completed event need not wait for another writer.
                found: Claim | None = run(connection, steps.look(key, token, fingerprint))
                if found is not None and found.status != ClaimStatus.ACQUIRED:
                    return found
            try:
                running = _Running(connection, key)
            except RuntimeError as error:
                raise StoreMisconfigured(
                    "a transaction is open around the guarded view, so its claim cannot be committed with its effects:"
                    " put @webhook outside of @transaction.atomic"
                ) from error
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

    def _leave(self, running: _Running) -> None:
        with self._entering:
            self._busy.discard(running.key)
        if running.locked:
            self._unlock(running.connection, running.key)

    def _unlock(self, connection: BaseDatabaseWrapper, key: StoreKey) -> None:
        if connection.vendor == "mysql" and connection.connection is not None:
            # MySQL's lock belongs to the connection, which Django keeps open.
            try:
                run(connection, self._statements(connection).unlock(key))
            except (Error, OSError):
                connection.close()

    def __repr__(self) -> str:
        return f"ORMTransactionStore({self.using!r})" if self.using else "ORMTransactionStore()"


def _translated(error: Error | OSError, connection: BaseDatabaseWrapper) -> StoreUnavailable | TransactionFailed:
    if isinstance(error, (OperationalError, InterfaceError, OSError)) or is_demoted(driver_error(error)):
        # A lost connection, a deadlock, a serialization failure: the provider's retry settles it.
        return unavailable(error, connection)
    reason = str(error).partition("\n")[0]
    swallowed = isinstance(error, transaction.TransactionManagementError) or "transaction is aborted" in reason
    return TransactionFailed(
        f"the view's transaction cannot be committed ({type(error).__name__}: {reason})"
        + ("; did the view catch a database error? Use transaction.atomic() around what may fail" if swallowed else "")
    )
