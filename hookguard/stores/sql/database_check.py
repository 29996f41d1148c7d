"""Checks the table and the server before a guard relies on them."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from hookguard.errors import MissingTable
from hookguard.stores.evidence_sql import SQLEvidence
from hookguard.stores.fitness import ReadOnlyServer, check_database_server
from hookguard.stores.inbox_check import check_disk
from hookguard.stores.sql.execute import run
from hookguard.stores.sql.pooler import warn_of_pooler
from hookguard.stores.sql.table import check_inbox_table, check_table
from hookguard.stores.statements import Statements

__all__ = ["check_evidence", "check_sql_database"]


def check_sql_database(connection: Connection, steps: Statements, inbox: str | None = None) -> list[str]:
    """Return remarks. Raises MissingTable or StoreMisconfigured if the table cannot hold claims. Leaves no event behind.

    ``inbox`` is the table of the store's inbox, if it has one.
    """
    check_table(connection, steps.table)
    if inbox is not None:
        run(connection, check_disk(steps.database))
        check_inbox_table(connection, inbox)
    try:
        purge = "call purge(limit=1000) until it returns 0"
        return [*warn_of_pooler(connection), *check_database_server(lambda ask: run(connection, ask), steps, purge=purge)]
    except ReadOnlyServer:
        # A new connection may reach the primary server.
        connection.engine.dispose()
        connection.invalidate()
        raise


def check_evidence(evidence: SQLEvidence) -> list[str]:
    """Return a remark if the table of records is missing: deliveries are handled, and their records are lost."""
    try:
        evidence.find(limit=1)
    except MissingTable as error:
        return [f"records of deliveries are lost: {error}"]
    return []
