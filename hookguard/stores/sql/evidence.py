"""Records of deliveries through SQLAlchemy, beside the claims."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy.engine import URL, Connection

from hookguard.stores.evidence_sql import SQLEvidence, evidence_table_name
from hookguard.stores.inbox_work import InboxWork
from hookguard.stores.sql.inbox_work import performing
from hookguard.stores.statements import Database, Steps

if TYPE_CHECKING:
    from hookguard.stores.sql.async_store import AsyncSQLStore

__all__ = ["on_a_loop", "sql_evidence"]


def sql_evidence(
    database: Database,
    events: str,
    clock: Callable[[], float] | None,
    on_connection: Callable[[Callable[[Connection], Any]], Any],
) -> SQLEvidence:
    """Return the records beside the table ``events``. ``on_connection`` calls a function of a connection of the store's."""

    def perform(make: Callable[[], Steps], kind: Literal["read", "one", "together"]) -> Any:
        # A file of SQLite has one writer at a time, so its records are written one by one.
        work: InboxWork[Any] = InboxWork(make, together=kind == "together" and database != "sqlite")
        return on_connection(performing(work))

    return SQLEvidence(database, perform, table=evidence_table_name(events), clock=clock)


def on_a_loop(kind: type[AsyncSQLStore], url: URL, options: dict[str, Any]) -> Callable[[Callable[[Connection], Any]], Any]:
    """Return a function that runs work on a connection of its own, on an event loop of its own.

    A connection of an asynchronous driver belongs to one loop, and the thread that writes records has none.
    """

    async def once(work: Callable[[Connection], Any]) -> Any:
        store = kind.from_url(url, **options)
        store.evidence()  # so that it creates that table if it is missing
        try:
            return await store._run(work)
        finally:
            await store.close()

    return lambda work: asyncio.run(once(work))
