"""Looks a table over before it is relied on."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from hookguard.errors import StoreMisconfigured
from hookguard.stores.sql.running import run
from hookguard.stores.sql.table import problems
from hookguard.stores.statements import Statements
from hookguard.stores.trial import try_table

__all__ = ["look_over"]


def look_over(connection: Connection, steps: Statements) -> list[str]:
    """Return remarks; raise StoreMisconfigured when the table cannot hold claims. Leaves nothing behind."""
    if wrong := problems(connection, steps.table):
        raise StoreMisconfigured("; ".join(wrong))
    return try_table(lambda ask: run(connection, ask), steps, purge="call purge(limit=1000) until it returns 0")
