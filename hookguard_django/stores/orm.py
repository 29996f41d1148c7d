"""Claims in the project's own database, in lease mode: every step is a transaction of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import Error, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.errors import StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.statements import Statements, Steps
from hookguard_django.stores.looking import look_over
from hookguard_django.stores.running import (
    TABLE,
    capabilities_of,
    connection_to,
    database_of,
    lost,
    opened_by_hand,
    run,
    unavailable,
    undone,
)

__all__ = ["PURGE_BATCH", "PURGE_EVERY", "ORMStore"]

#: Every so many claims won, a few expired events are deleted; ``manage.py hookguard_prune`` deletes all of them.
PURGE_EVERY = 64
PURGE_BATCH = 256

_log = logging.getLogger("hookguard.django")


class ORMStore:
    """Claims in the table of this app's migration, on the database ``using``, or the one that the routers choose.

    Under ``ATOMIC_REQUESTS`` the claim stands outside the view's transaction. Where a transaction was opened around the
    guarded view by hand, the claim becomes part of it: safe, but others wait for its end, so it is logged once. Errors of the
    database are StoreUnavailable, after one more try when the connection was lost or the database rolled the step back; how
    long one waits for it is as DATABASES says. ``clock`` is for tests.
    """

    def __init__(self, using: str | None = None, *, clock: Callable[[], float] | None = None) -> None:
        self.using = using
        self._clock = clock
        self._steps: dict[str, Statements] = {}
        self._won = 0
        self._warned = False

    @property
    def capabilities(self) -> Capabilities:
        """What this store promises."""
        return capabilities_of(self.using, transactional=False)

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""
        claim: Claim = self._run(lambda steps: steps.claim(key, token, fingerprint, lease, retention))
        if claim.status == ClaimStatus.ACQUIRED:
            self._won += 1
            if self._won % PURGE_EVERY == 0:
                # The event is won; that old ones could not be deleted now must not turn it away.
                with suppress(StoreUnavailable):
                    self.purge(limit=PURGE_BATCH)
        return claim

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done; True only for the holder of the claim."""
        return bool(self._run(lambda steps: steps.complete(key, token, retention, reply)))

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""
        return bool(self._run(lambda steps: steps.release(key, token)))

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim for ``lease`` seconds from now."""
        return bool(self._run(lambda steps: steps.extend(key, token, lease)))

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""
        return int(self._run(lambda steps: steps.purge(limit)))

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state."""
        return bool(self._run(lambda steps: steps.forget(key)))

    def check(self) -> list[str]:
        """Look whether the table is there and takes claims, and how the clocks differ; return what is worth knowing.

        Raises StoreUnavailable when the database cannot be reached, and StoreMisconfigured when it must not be used as it is.
        """
        connection = connection_to(self.using)
        try:
            return look_over(connection, self._statements(connection))
        except (Error, OSError) as error:
            raise unavailable(error, connection) from error

    def _run(self, step: Callable[[Statements], Steps]) -> Any:
        connection = connection_to(self.using)
        steps = self._statements(connection)
        try:
            if connection.in_atomic_block:
                self._tell_of_a_transaction(connection)
                return run(connection, step(steps))
            try:
                return run(connection, step(steps))
            except (OperationalError, InterfaceError) as error:
                # Whether a step whose connection was lost happened or not, it is the same step with the same token.
                if lost(connection):
                    connection.close()
                elif not undone(error):
                    raise
                return run(connection, step(steps))
        except (Error, OSError) as error:
            raise unavailable(error, connection) from error

    def _statements(self, connection: BaseDatabaseWrapper) -> Statements:
        if connection.vendor not in self._steps:
            self._steps[connection.vendor] = Statements(database_of(connection), table=TABLE, clock=self._clock)
        return self._steps[connection.vendor]

    def _tell_of_a_transaction(self, connection: BaseDatabaseWrapper) -> None:
        if not self._warned and opened_by_hand(connection):
            self._warned = True
            _log.warning(
                "a transaction is open around a guarded view, so that its claim is hidden until it ends and others wait for it:"
                " put @webhook outside of @transaction.atomic"
            )

    def __repr__(self) -> str:
        return f"ORMStore({self.using!r})" if self.using else "ORMStore()"
