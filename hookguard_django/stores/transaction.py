"""Transactional mode: claim, the view's writes and completion are ONE transaction, so that each effect happens once.

``claim`` opens ``atomic(durable=True)`` and its first statement is the claim; whatever the view writes to the same database
by the ORM is part of it; ``complete`` marks the event as done by the *last* statement and commits. That statement is the
proof that the transaction is still whole: after a database error that the view swallowed it cannot run, and after a
rollback it finds no claim. Only when the commit has returned is there a reply.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

from django.db import Error, InterfaceError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.errors import StoreMisconfigured, StoreUnavailable, TransactionEscaped, TransactionFailed
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.statements import Statements
from hookguard_django.stores.orm import PURGE_BATCH, PURGE_EVERY, ORMStore
from hookguard_django.stores.running import TABLE, connection_to, database_of, run, unavailable

__all__ = ["ORMTransactionStore"]

_log = logging.getLogger("hookguard.django")


class _Running:
    """One event's transaction."""

    __slots__ = ("atomic", "committed", "connection", "key")

    def __init__(self, connection: BaseDatabaseWrapper, key: StoreKey) -> None:
        self.connection = connection
        self.key = key
        self.committed = False
        self.atomic = transaction.atomic(using=connection.alias, durable=True)
        self.atomic.__enter__()
        # The first of all callbacks: whatever a later one raises, the commit is done.
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

    Effects elsewhere (another database, mail, another service) are not part of it: ``transaction.on_commit`` and
    ``event.idempotency_key`` are for those.
    """

    capabilities = Capabilities(durable=True, shared=True, transactional=True, may_forget=False, clock="server", blocking=True)

    def __init__(self, using: str | None = None) -> None:
        self.using = using
        self._aside = ORMStore(using)
        self._steps: dict[str, Statements] = {}
        self._running: dict[bytes, _Running] = {}
        self._busy: set[StoreKey] = set()  # with SQLite, which has no locks to ask for
        self._entering = threading.Lock()
        self._won = 0

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Begin the transaction with the claim."""
        connection = connection_to(self.using)
        steps = self._statements(connection)
        elsewhere = Claim(ClaimStatus.IN_PROGRESS, retry_after=min(lease, 5.0))
        if not self._enter(connection, key):
            return elsewhere
        running: _Running | None = None
        claim = elsewhere
        try:
            try:
                running = _Running(connection, key)
            except RuntimeError as error:
                raise StoreMisconfigured(
                    "a transaction is open around the guarded view, so its claim cannot be committed with its effects:"
                    " put @webhook outside of @transaction.atomic"
                ) from error
            if run(connection, steps.lock(key)):
                claim = run(connection, steps.claim(key, token, fingerprint, lease, retention))
        except (Error, OSError) as error:
            raise unavailable(error, connection) from error
        finally:
            if claim.status == ClaimStatus.ACQUIRED and running is not None:
                self._running[token] = running
            else:
                if running is not None:
                    running.roll_back()
                self._leave(connection, key)
        return claim

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """End it with the completion, and commit. Raises TransactionFailed or StoreUnavailable, and nothing happened."""
        running = self._running.pop(token, None)
        if running is None:
            return False
        connection = running.connection
        try:
            done = False
            try:
                done = run(connection, self._statements(connection).complete(key, token, retention, reply))
            finally:
                if not done:
                    running.roll_back()
            if not done:
                raise TransactionEscaped(
                    "the transaction that the claim was part of is gone: the view rolled it back, and still answered 2xx"
                )
            running.commit()
        except (Error, OSError) as error:
            raise _translated(error, connection) from error
        finally:
            self._leave(connection, key)
        self._won += 1
        if self._won % PURGE_EVERY == 0:
            with suppress(StoreUnavailable):
                self.purge(limit=PURGE_BATCH)
        return True

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Roll back: what the view wrote is gone, and so is the claim."""
        running = self._running.pop(token, None)
        if running is None:
            return False
        running.roll_back()
        self._leave(running.connection, key)
        return True

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Whether the transaction is open: it holds the event for as long as its connection lives."""
        return token in self._running

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""
        return self._aside.purge(limit=limit)

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state."""
        return self._aside.forget(key)

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

    def _leave(self, connection: BaseDatabaseWrapper, key: StoreKey) -> None:
        with self._entering:
            self._busy.discard(key)
        if connection.vendor == "mysql" and connection.connection is not None:
            # MySQL's lock belongs to the connection, which Django keeps.
            try:
                run(connection, self._statements(connection).unlock(key))
            except (Error, OSError):
                connection.close()

    def __repr__(self) -> str:
        return f"ORMTransactionStore({self.using!r})" if self.using else "ORMTransactionStore()"


def _translated(error: Error | OSError, connection: BaseDatabaseWrapper) -> StoreUnavailable | TransactionFailed:
    if isinstance(error, (OperationalError, InterfaceError, OSError)):
        # A lost connection, a deadlock, a serialization failure: the redelivery finds out, or does it again.
        return unavailable(error, connection)
    return TransactionFailed(
        f"the view's transaction cannot be committed ({type(error).__name__}: {str(error).partition(chr(10))[0]});"
        " did the view catch a database error? Use transaction.atomic() around what may fail"
    )
