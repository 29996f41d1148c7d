"""Checks the table and the server before a guard relies on them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import inspect
from sqlalchemy.engine import Connection

from hookguard.stores.creation import NotYetCreated, may_create
from hookguard.stores.evidence_sql import evidence_table_name
from hookguard.stores.fitness import Problem, ReadOnlyServer, check_database_server
from hookguard.stores.inbox_check import check_disk
from hookguard.stores.inbox_server_sql import inbox_table_name
from hookguard.stores.sql.execute import run
from hookguard.stores.sql.pooler import warn_of_pooler
from hookguard.stores.sql.table import check_delivery_table, check_inbox_table, check_table
from hookguard.stores.statements import Statements

__all__ = ["Needed", "check_sql_database"]


class Needed(NamedTuple):
    """The parts that a store needs beside its claims, and whether it creates its tables itself."""

    inbox: bool = False
    evidence: bool = False
    created: bool = False

    @property
    def call(self) -> str:
        """The call that creates every table."""
        return f"create_table(engine{', inbox=True' if self.inbox else ''}{', evidence=True' if self.evidence else ''})"

    def tables(self, events: str) -> list[str]:
        """Return the names of the tables."""
        inbox = [inbox_table_name(events)] if self.inbox else []
        return [events, *inbox, *([evidence_table_name(events)] if self.evidence else [])]


def check_sql_database(connection: Connection, steps: Statements, needed: Needed) -> list[str]:
    """Return remarks. Raises MissingTable or StoreMisconfigured if the table cannot hold claims. Leaves no event behind."""
    absent = [name for name in needed.tables(steps.table) if not _is_there(connection, name)]
    if absent and needed.created and not may_create():
        raise NotYetCreated(f"there is no table {', '.join(map(repr, absent))}")
    check_table(connection, steps.table, needed.call)
    if needed.inbox:
        run(connection, check_disk(steps.database))
        check_inbox_table(connection, inbox_table_name(steps.table), needed.call)
    lost = check_delivery_table(connection, evidence_table_name(steps.table), needed.call) if needed.evidence else None
    try:
        purge = "call purge(limit=1000) until it returns 0"
        found = [*warn_of_pooler(connection), *check_database_server(lambda ask: run(connection, ask), steps, purge=purge)]
    except ReadOnlyServer:
        # A new connection may reach the primary server.
        connection.engine.dispose()
        connection.invalidate()
        raise
    return found if lost is None else [*found, Problem(f"records of deliveries are lost: {lost}", "M9")]


def _is_there(connection: Connection, name: str) -> bool:
    schema, _, plain = name.rpartition(".")
    return bool(inspect(connection).has_table(plain, schema=schema or None))
