"""Looks a table of events over before it is relied on."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.errors import StoreMisconfigured
from hookguard.stores.statements import Statements
from hookguard.stores.trial import try_table
from hookguard_django.stores.running import TABLE, run

__all__ = ["has_table", "look_over"]

_COLUMNS = (
    "id",
    "scope",
    "event_id",
    "state",
    "token",
    "fingerprint",
    "claimed_at",
    "lease_until",
    "expires_at",
    "attempt",
    "reply",
)


def has_table(connection: BaseDatabaseWrapper) -> bool:
    """Whether the table was migrated into this database."""
    return TABLE in connection.introspection.table_names()


def look_over(connection: BaseDatabaseWrapper, steps: Statements) -> list[str]:
    """Return remarks; raise StoreMisconfigured when the table cannot hold claims. Leaves nothing behind."""
    alias = connection.alias
    migrate = f"run manage.py migrate hookguard --database {alias}"
    if not has_table(connection):
        raise StoreMisconfigured(f"the database {alias!r} has no table {TABLE!r}: {migrate}")
    with connection.cursor() as cursor:
        there = {column.name for column in connection.introspection.get_table_description(cursor, TABLE)}
        constraints = connection.introspection.get_constraints(cursor, TABLE).values()
    wrong = []
    if missing := [name for name in _COLUMNS if name not in there]:
        wrong.append(f"the table {TABLE!r} in {alias!r} has no column {', '.join(missing)}: {migrate}")
    if not any(found["primary_key"] and found["columns"] == ["id"] for found in constraints):
        wrong.append(f"the primary key of {TABLE!r} in {alias!r} is not id, so two workers may win the same event: make it anew")
    if not any(found["index"] and found["columns"] == ["expires_at"] for found in constraints):
        wrong.append(f"{TABLE!r} in {alias!r} has no index on expires_at, so each purge reads all of it: {migrate}")
    if wrong:
        raise StoreMisconfigured("; ".join(wrong))
    return try_table(lambda ask: run(connection, ask), steps, purge="run manage.py hookguard_prune")
