"""Checks the tables of events and of the inbox before a guard relies on them."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.errors import MissingTable, StoreMisconfigured
from hookguard.stores.fitness import check_database_server
from hookguard.stores.inbox_check import check_disk
from hookguard.stores.inbox_sql import INBOX_TABLE
from hookguard.stores.statements import Statements
from hookguard_django.stores.connection import TABLE, run

__all__ = ["check_django_table", "has_table"]

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


def has_table(connection: BaseDatabaseWrapper, table: str = TABLE) -> bool:
    """Return whether this database has the table."""
    return table in connection.introspection.table_names()


def check_django_table(connection: BaseDatabaseWrapper, steps: Statements, *, inbox: bool = False) -> list[str]:
    """Return remarks. Raises MissingTable or StoreMisconfigured if the table cannot hold claims. Leaves no event behind.

    With ``inbox``, the inbox's table and the server too: an answered event must outlive a power cut.
    """
    alias = connection.alias
    migrate = f"run manage.py migrate hookguard --database {alias}"
    if inbox:
        run(connection, check_disk(steps.database))
        _check_inbox_table(connection, migrate)
    if not has_table(connection):
        raise MissingTable(f"the database {alias!r} has no table {TABLE!r}: {migrate}")
    with connection.cursor() as cursor:
        there = {column.name for column in connection.introspection.get_table_description(cursor, TABLE)}
        constraints = connection.introspection.get_constraints(cursor, TABLE).values()
    wrong = []
    if not any(found["primary_key"] and found["columns"] == ["id"] for found in constraints):
        wrong.append(
            f"the primary key of {TABLE!r} in {alias!r} is not id, so two workers may acquire the same event: create it again"
        )
    if not any(found["index"] and found["columns"] == ["expires_at"] for found in constraints):
        wrong.append(f"{TABLE!r} in {alias!r} has no index on expires_at, so each purge reads all of it: {migrate}")
    if missing := [name for name in _COLUMNS if name not in there]:
        said = f"the table {TABLE!r} in {alias!r} has no column {', '.join(missing)}: {migrate}"
        raise StoreMisconfigured("; ".join([said, *wrong])) if wrong else MissingTable(said)
    if wrong:
        raise StoreMisconfigured("; ".join(wrong))
    return check_database_server(lambda ask: run(connection, ask), steps, purge="run manage.py hookguard_prune")


def _check_inbox_table(connection: BaseDatabaseWrapper, migrate: str) -> None:
    from hookguard_django.models import WebhookInbox  # noqa: PLC0415 - a settings module may import the stores

    alias = connection.alias
    if not has_table(connection, INBOX_TABLE):
        raise MissingTable(f"the database {alias!r} has no table {INBOX_TABLE!r}: {migrate}")
    with connection.cursor() as cursor:
        there = {column.name for column in connection.introspection.get_table_description(cursor, INBOX_TABLE)}
        constraints = connection.introspection.get_constraints(cursor, INBOX_TABLE).values()
    meta = WebhookInbox._meta
    if missing := [str(field.column) for field in meta.concrete_fields if field.column not in there]:
        raise MissingTable(f"the table {INBOX_TABLE!r} in {alias!r} has no column {', '.join(missing)}: {migrate}")
    unique = [found["columns"] for found in constraints if found["unique"]]
    for columns, why in ((["id", "part"], "an event may be stored twice"), (["held_line"], "two workers may hold one line")):
        if columns not in unique:
            raise StoreMisconfigured(
                f"{INBOX_TABLE!r} in {alias!r} has no unique index on {', '.join(columns)}, so {why}: create the table again"
            )
    indexed = [found["columns"] for found in constraints if found["index"]]
    for index in meta.indexes:
        if index.fields not in indexed:
            raise MissingTable(
                f"{INBOX_TABLE!r} in {alias!r} has no index on {', '.join(index.fields)}, so workers read all of it: {migrate}"
            )
