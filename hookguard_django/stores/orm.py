"""Claims in the project's own database, in lease mode: every step is a transaction of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.errors import MissingTable, StoreUnavailable
from hookguard.process.threads import own_thread
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.driver_errors import is_demoted
from hookguard.stores.fitness import ReadOnlyServer
from hookguard.stores.statements import Statements, Steps
from hookguard_django.stores.connection import (
    TABLE,
    capabilities_of,
    connection_to,
    database_of,
    driver_error,
    drop,
    opened_by_hand,
    run,
    succeeds_again,
    unavailable,
)
from hookguard_django.stores.table_check import check_django_table

if TYPE_CHECKING:
    from hookguard.stores.evidence_sql import SQLEvidence
    from hookguard_django.stores.inbox import ORMInbox

__all__ = ["PURGE_BATCH", "PURGE_EVERY", "ORMStore"]

#: After this many acquired claims, a few expired events are deleted. ``manage.py hookguard_prune`` deletes all of them.
PURGE_EVERY = 64
PURGE_BATCH = 256

_log = logging.getLogger("hookguard.django")


class ORMStore:
    """Claims in the table of this app's migration, in the database ``using``, or the one that the routers choose.

    Under ``ATOMIC_REQUESTS`` the claim is outside the view's transaction. If your code opens a transaction around the guarded
    view, the claim becomes part of it. That is safe, but other workers wait for its end, so a warning is logged once. A
    database error is StoreUnavailable, after a retry if the connection was lost or the database rolled the step back. The
    timeouts are those of DATABASES. ``clock`` is for tests.
    """

    def __init__(self, using: str | None = None, *, clock: Callable[[], float] | None = None) -> None:
        self.using = using
        self._clock = clock
        self._steps: dict[str, Statements] = {}
        self._inbox: ORMInbox | None = None
        self._evidence: SQLEvidence | None = None
        self._won = 0
        self._warned = False

    @property
    def capabilities(self) -> Capabilities:
        """The promises of this store."""
        return capabilities_of(self.using, transactional=False)

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""
        claim: Claim = self._run(lambda steps: steps.claim(key, token, fingerprint, lease, retention))
        if claim.status == ClaimStatus.ACQUIRED:
            self._won += 1
            if self._won % PURGE_EVERY == 0:
                # The event is claimed. A failed purge must not reject it.
                with suppress(StoreUnavailable):
                    self.purge(limit=PURGE_BATCH)
        return claim

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done. Returns True only for the holder of the claim."""
        return bool(self._run(lambda steps: steps.complete(key, token, retention, reply)))

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the claim: the next delivery runs the event."""
        return bool(self._run(lambda steps: steps.release(key, token)))

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim to ``lease`` seconds from now."""
        return bool(self._run(lambda steps: steps.extend(key, token, lease)))

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""
        return int(self._run(lambda steps: steps.purge(limit)))

    def forget(self, key: StoreKey) -> bool:
        """Forget an event in any state, so that it may run again. False while an entry of it is waiting or held."""
        with suppress(MissingTable):  # of a project that has yet to migrate
            return self._make_inbox().forget(key)
        return bool(self._run(lambda steps: steps.forget(key)))

    def inbox(self) -> ORMInbox:
        """Return the inbox beside the claims."""
        if self._inbox is None:
            self._inbox = self._make_inbox()
        return self._inbox

    def _make_inbox(self) -> ORMInbox:
        from hookguard_django.stores.inbox import ORMInbox  # noqa: PLC0415 - most projects have none

        return ORMInbox(self.using, self._clock, self._for_inbox)

    def evidence(self) -> SQLEvidence:
        """Return the records of deliveries beside the claims. A thread of the process writes them, on a connection of its own."""
        if self._evidence is None:
            from hookguard_django.stores.evidence import orm_evidence  # noqa: PLC0415 - most projects have none

            self._evidence = orm_evidence(self.using, self._clock, self._for_inbox)
        return self._evidence

    def check(self) -> list[str]:
        """Check the table, a claim, and the clocks; return remarks.

        Checks the inbox's table, and whether the database waits for its disk, if the inbox is in use. Raises MissingTable until
        ``manage.py migrate`` has run, StoreUnavailable if the database cannot be reached, and StoreMisconfigured if it must not
        be used as it is.
        """
        connection = connection_to(self.using)
        steps = self._statements(connection)
        inbox = self._inbox is not None
        try:
            try:
                return check_django_table(connection, steps, inbox=inbox)
            except (Error, ReadOnlyServer) as error:
                if connection.in_atomic_block:
                    raise
                if isinstance(error, ReadOnlyServer):
                    drop(connection)  # a new one may reach the primary server
                elif not succeeds_again(error, connection):
                    raise
                return check_django_table(connection, steps, inbox=inbox)
        except (Error, OSError) as error:
            raise unavailable(error, connection) from error

    def _run(self, step: Callable[[Statements], Steps]) -> Any:
        connection = connection_to(self.using)
        if connection.in_atomic_block:
            self._warn_of_a_transaction(connection)
        try:
            return self._tried(connection, lambda: run(connection, step(self._statements(connection))))
        finally:
            if own_thread():  # Django closes it at the end of a request, which this thread never has
                connection.close()

    def _for_inbox(self, work: Callable[[BaseDatabaseWrapper], Any]) -> Any:
        connection = connection_to(self.using)
        try:
            return self._tried(connection, lambda: work(connection))
        finally:
            if (thread := own_thread()) is not None:
                connection.close_if_unusable_or_obsolete()  # a worker's lives on: as between two requests, CONN_MAX_AGE decides
                thread.at_end(connection.close)

    @staticmethod
    def _tried(connection: BaseDatabaseWrapper, work: Callable[[], Any]) -> Any:
        used = connection.connection
        try:
            try:
                return work()
            except Error as error:
                if connection.in_atomic_block:
                    # The transaction is not ours to retry, but the next one needs a working connection.
                    if is_demoted(driver_error(error)):
                        drop(connection)
                    raise
                if not succeeds_again(error, connection, used):
                    raise
                return work()
        except (Error, OSError) as error:
            raise unavailable(error, connection) from error

    def _statements(self, connection: BaseDatabaseWrapper) -> Statements:
        if connection.vendor not in self._steps:
            self._steps[connection.vendor] = Statements(database_of(connection), table=TABLE, clock=self._clock)
        return self._steps[connection.vendor]

    def _warn_of_a_transaction(self, connection: BaseDatabaseWrapper) -> None:
        if not self._warned and opened_by_hand(connection):
            self._warned = True
            _log.warning(
                "a transaction is open around a guarded view, so its claim is hidden until the transaction ends, and other"
                " workers wait for it: put @webhook outside of @transaction.atomic"
            )

    def __repr__(self) -> str:
        return f"ORMStore({self.using!r})" if self.using else "ORMStore()"
