"""Records of deliveries in the project's own database, beside the claims."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.stores.evidence_sql import SQLEvidence
from hookguard.stores.statements import Steps
from hookguard_django.stores.connection import connection_to, database_of, run
from hookguard_django.stores.inbox import transaction_on

__all__ = ["orm_evidence"]


def orm_evidence(
    using: str | None,
    clock: Callable[[], float] | None,
    on_connection: Callable[[Callable[[BaseDatabaseWrapper], Any]], Any],
) -> SQLEvidence:
    """Return the records in the database ``using``. ``on_connection`` calls a function of the thread's connection to it."""

    def perform(make: Callable[[], Steps], kind: Literal["read", "one", "together"]) -> Any:
        def work(connection: BaseDatabaseWrapper) -> Any:
            if kind != "together":
                return run(connection, make())
            with transaction_on(connection):
                return run(connection, make())

        return on_connection(work)

    return SQLEvidence(database_of(connection_to(using)), perform, clock=clock)
