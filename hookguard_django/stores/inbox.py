"""The inbox in the project's own database, beside the claims: the operations of every database, on Django's connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar, cast

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.errors import StoreMisconfigured
from hookguard.inbox.contract import Kept, Put
from hookguard.store import StoreKey
from hookguard.stores import inbox_server_sql as sql
from hookguard.stores.driver_errors import lost_a_race
from hookguard.stores.inbox_keys import put_from_row
from hookguard.stores.inbox_server import ServerInbox
from hookguard.stores.inbox_sides import BlockingInbox, Operation
from hookguard.stores.inbox_statements import InboxSteps, row_of
from hookguard.stores.inbox_work import InboxWork, perform
from hookguard.stores.sqlite.inbox_jobs import InboxJobs
from hookguard.stores.statements import Database, Statement
from hookguard_django.stores.connection import TABLE, connection_to, database_of, driver_error, opened_by_hand, run

__all__ = ["ORMInbox", "operations_in", "transaction_on"]

T = TypeVar("T")

#: As on the servers, in SQLite's words.
_NEW_KEY: Final = sql.NEW_KEY.replace("INSERT IGNORE", "INSERT OR IGNORE")

_LOOK_KEY: Final = sql.LOOK_KEY.replace(" {lock}", "")

_REMEMBER: Final = "UPDATE hookguard_event SET expires_at = :until WHERE id = :id AND state = 2"


def operations_in(database: Database, clock: Callable[[], float] | None) -> InboxJobs | ServerInbox:
    """Return the operations for a database; ``clock`` replaces its clock, for tests."""
    return InboxJobs(EventKeys(), clock or time.time) if database == "sqlite" else ServerInbox(database, TABLE, clock)


class EventKeys:
    """The keys in the table of events in SQLite."""

    def occupy(self, event: Kept, now: float) -> InboxSteps:
        """See Keys."""
        values = {**row_of(event, now), "token": b"", "fingerprint": event.fingerprint}
        if (yield Statement(_NEW_KEY, values, fetch=False)) > 0:
            return None
        found: Put | None = yield from self.known(event, now)
        if found is None:
            yield Statement(sql.TAKE_KEY, values, fetch=False)
        return found

    def known(self, event: Kept, now: float) -> InboxSteps:
        """See Keys."""
        rows = yield Statement(_LOOK_KEY, {"id": event.key.idempotency_key, "now": now}, fetch=True)
        return put_from_row(rows[0][:4], event, now) if rows else None

    def remember(self, key: StoreKey, until: float) -> InboxSteps:
        """See Keys."""
        yield Statement(_REMEMBER, {"id": key.idempotency_key, "until": until}, fetch=False)

    def forget(self, key: StoreKey) -> InboxSteps:
        """See Keys."""
        return (yield Statement(sql.FORGET_KEY, {"id": key.idempotency_key}, fetch=False))


class ORMInbox(BlockingInbox):
    """The inbox of an :class:`ORMStore`: see ``ORMStore.inbox``. Safe to share between threads.

    Every operation is one statement or one transaction on the thread's own connection to ``using``, or a part of the transaction
    that is open there. ``on_connection`` calls a function of that connection.
    """

    def __init__(
        self,
        using: str | None,
        clock: Callable[[], float] | None,
        on_connection: Callable[[Callable[[BaseDatabaseWrapper], Any]], Any],
    ) -> None:
        self._using = using
        self._clock = clock
        self._on_connection = on_connection
        self._made: dict[Database, InboxJobs | ServerInbox] = {}

    @property
    def _operations(self) -> InboxJobs | ServerInbox:  # type: ignore[override]  # the database is known at the first use
        database = database_of(connection_to(self._using))
        if database not in self._made:
            self._made[database] = operations_in(database, self._clock)
        return self._made[database]

    def put(self, events: Sequence[Kept]) -> list[Put]:
        """Store all events, or none of them. Raises StoreMisconfigured if a transaction is open, which may be rolled back."""
        if opened_by_hand(connection := connection_to(self._using)):
            raise StoreMisconfigured(
                f"a transaction on {connection.alias!r} is open around the guarded view, so the event would be answered before it"
                " is committed: put @webhook outside of @transaction.atomic"
            )
        return super().put(events)

    def __repr__(self) -> str:
        return f"ORMInbox({self._using!r})" if self._using else "ORMInbox()"

    def _do(self, operation: Operation[T]) -> T:
        work = cast("InboxWork[T]", operation)
        return cast("T", self._on_connection(lambda connection: _perform(connection, work)))


def _perform(connection: BaseDatabaseWrapper, work: InboxWork[Any]) -> Any:
    def may_retry(error: Exception) -> bool:
        # Somebody else's transaction is not ours to continue.
        return isinstance(error, Error) and not connection.in_atomic_block and lost_a_race(driver_error(error))

    return perform(work, lambda steps: run(connection, steps), lambda: transaction_on(connection), may_retry)


@contextmanager
def transaction_on(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """One transaction for steps that read and write; a savepoint if a transaction is open."""
    if connection.in_atomic_block:
        with transaction.atomic(using=connection.alias):  # a savepoint
            yield
    elif connection.vendor == "sqlite":
        with _immediate(connection):
            yield
    else:
        with transaction.atomic(using=connection.alias):
            # Whatever DATABASES says: with a snapshot, a worker would not see what another one has committed meanwhile.
            _execute(connection, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            yield


@contextmanager
def _immediate(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """A transaction that waits for its turn to write before it reads. Django's own may fail at its first write instead."""
    _execute(connection, "BEGIN IMMEDIATE")
    try:
        yield
        _execute(connection, "COMMIT")
    except BaseException:
        with suppress(Error):
            _execute(connection, "ROLLBACK")
        if connection.connection is not None and connection.connection.in_transaction:
            connection.close()  # it must not be used with half of the work in it
        raise


def _execute(connection: BaseDatabaseWrapper, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
