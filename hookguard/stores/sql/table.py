"""The tables of events and of the inbox: for ``create_all``, for a migration of your own, or created by ``create_table``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CHAR,
    DDL,
    BigInteger,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    inspect,
    text,
)
from sqlalchemy.dialects.mysql import CHAR as MYSQL_CHAR
from sqlalchemy.dialects.mysql import LONGBLOB, MEDIUMBLOB, MEDIUMTEXT, VARBINARY, VARCHAR
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from hookguard.errors import MissingTable, StoreMisconfigured
from hookguard.stores.evidence_sql import evidence_table_name
from hookguard.stores.inbox_server_sql import inbox_table_name
from hookguard.stores.sql.delivery_table import delivery_table

__all__ = ["check_delivery_table", "check_inbox_table", "check_table", "create_table", "event_table", "inbox_table"]

_MYSQL = ("mysql", "mariadb")

#: Each entry is updated a few times and then deleted: room for that in each page, and a vacuum often. A statement of its own,
#: because SQLAlchemy 2.0 knows no ``postgresql_with`` of a table.
_STORAGE = DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types
    "ALTER TABLE %(fullname)s SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)"
)


def event_table(metadata: MetaData, name: str = "hookguard_event") -> Table:
    """Add the table to ``metadata``, so that ``create_all`` and Alembic's autogenerate find it; return it."""
    # SHA-256 in hexadecimal: one byte per character in any character set.
    digest = String(64).with_variant(VARCHAR(64, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
    short = LargeBinary().with_variant(VARBINARY(64), "mysql", "mariadb")
    schema, _, plain = name.rpartition(".")
    return Table(
        plain,
        metadata,
        Column("id", digest, primary_key=True),
        Column("scope", String(255), nullable=False),
        Column("event_id", String(255), nullable=False),
        Column("state", Integer, nullable=False),
        Column("token", short, nullable=False),
        Column("fingerprint", short, nullable=False),
        Column("claimed_at", Double, nullable=False),
        Column("lease_until", Double, nullable=False),
        Column("expires_at", Double, nullable=False),
        Column("attempt", Integer, nullable=False),
        # MySQL's BLOB holds 64 KiB, which the body of a reply alone may have.
        Column("reply", LargeBinary().with_variant(MEDIUMBLOB, "mysql", "mariadb")),
        Index(f"{plain}_expiry", "expires_at"),
        schema=schema or None,
    )


def inbox_table(metadata: MetaData, name: str = "hookguard_inbox") -> Table:
    """Add the inbox's table to ``metadata``, beside the table of events; return it.

    Its name is that of the table of events with ``_inbox`` in place of ``_event``.
    """
    digest = CHAR(64).with_variant(MYSQL_CHAR(64, charset="ascii", collation="ascii_bin"), *_MYSQL)
    binary = LargeBinary().with_variant(LONGBLOB(), *_MYSQL)
    schema, _, plain = name.rpartition(".")
    is_live, is_kept = text("due_at IS NOT NULL"), text("prune_at IS NOT NULL")
    table = Table(
        plain,
        metadata,
        Column("seq", BigInteger, Identity(), primary_key=True),
        Column("id", digest, nullable=False),
        Column("part", _words(64), nullable=False),
        Column("endpoint", _words(255), nullable=False),
        Column("scope", _words(255), nullable=False),
        Column("event_id", _words(255), nullable=False),
        Column("event_type", _words(255), nullable=False),
        Column("state", SmallInteger, nullable=False),
        Column("due_at", Double),
        Column("token", LargeBinary().with_variant(VARBINARY(64), *_MYSQL)),
        Column("attempt", Integer, nullable=False),
        Column("crashes", Integer, nullable=False),
        Column("received_at", Double, nullable=False),
        Column("changed_at", Double, nullable=False),
        Column("prune_at", Double),
        Column("retention", Double, nullable=False),
        Column("line", digest),
        Column("held_line", digest),
        Column("reason", _words(1024)),
        Column("head", Text().with_variant(MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL), nullable=False),
        Column("body", binary, nullable=False),
        Column("content", binary),
        UniqueConstraint("id", "part", name=f"{plain}_entry"),
        UniqueConstraint("held_line", name=f"{plain}_held"),
        Index(f"{plain}_due", "endpoint", "part", "state", "due_at", postgresql_where=is_live),
        Index(f"{plain}_line", "line", "seq", postgresql_where=is_live),
        Index(f"{plain}_prune", "prune_at", "endpoint", "part", "state", postgresql_where=is_kept),
        schema=schema or None,
    )
    event.listen(table, "after_create", _STORAGE.execute_if(dialect="postgresql"))
    return table


def _words(length: int) -> Any:
    """Return the type of a text that is compared byte for byte: MySQL would confuse "Pay" with "pay"."""
    return String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL)


def create_table(
    bind: Engine | Connection, name: str = "hookguard_event", *, inbox: bool = False, evidence: bool = False
) -> None:
    """Create the table unless it exists; with ``inbox`` and ``evidence`` those of the inbox and of recorded deliveries, too.

    Several processes may do so concurrently. Raises MissingTable.
    """
    metadata = MetaData()
    tables = [event_table(metadata, name)]
    if inbox:
        tables.append(inbox_table(metadata, inbox_table_name(name)))
    if evidence:
        tables.append(delivery_table(metadata, evidence_table_name(name)))
    for table in tables:  # one by one: the loser of a race for the first must still create the second
        _create(bind, metadata, table)


def _create(bind: Engine | Connection, metadata: MetaData, table: Table) -> None:
    try:
        metadata.create_all(bind, [table])
    except SQLAlchemyError as error:
        # If two processes create it concurrently, one fails and finds the table of the other.
        if isinstance(bind, Connection):
            bind.rollback()  # PostgreSQL runs no more statements in a failed transaction
        if not inspect(bind).has_table(table.name, schema=table.schema):
            why = str(getattr(error, "orig", error)).partition("\n")[0]
            raise MissingTable(
                f"cannot create the table {table.fullname!r} ({why}): create it by a migration of your own"
            ) from error


def check_table(connection: Connection, name: str, call: str) -> None:
    """Raise MissingTable if a migration has yet to create the table or a column, and StoreMisconfigured for a wrong table.

    ``call`` creates every table of the store.
    """
    table = event_table(MetaData(), name)
    found = inspect(connection)
    if not found.has_table(table.name, schema=table.schema):
        raise MissingTable(f"there is no table {name!r}: create it with {call}, or by your migration")
    there = {column["name"] for column in found.get_columns(table.name, schema=table.schema)}
    wrong = []
    if found.get_pk_constraint(table.name, schema=table.schema)["constrained_columns"] != ["id"]:
        wrong.append(
            f"the primary key of {name!r} is not id, so two workers may acquire the same event: drop it and create it again"
        )
    if not any(index["column_names"] == ["expires_at"] for index in found.get_indexes(table.name, schema=table.schema)):
        wrong.append(f"{name!r} has no index on expires_at, so each purge reads all of it: create one")
    missing = [column.name for column in table.columns if column.name not in there]
    if missing:
        said = f"the table {name!r} has no column {', '.join(missing)}: run your migration, or create it from event_table()"
        raise StoreMisconfigured("; ".join([said, *wrong])) if wrong else MissingTable(said)
    if wrong:
        raise StoreMisconfigured("; ".join(wrong))


def check_inbox_table(connection: Connection, name: str, call: str) -> None:
    """Raise MissingTable if a migration has yet to create the inbox's table, StoreMisconfigured for a wrong one."""
    table = inbox_table(MetaData(), name)
    found = inspect(connection)
    if not found.has_table(table.name, schema=table.schema):
        raise MissingTable(f"there is no table {name!r}: create it with {call}, or by your migration")
    there = {column["name"] for column in found.get_columns(table.name, schema=table.schema)}
    if missing := [column.name for column in table.columns if column.name not in there]:
        raise MissingTable(
            f"the table {name!r} has no column {', '.join(missing)}: run your migration, or create it from inbox_table()"
        )
    indexes = found.get_indexes(table.name, schema=table.schema)
    indexed = [[str(column) for column in index["column_names"]] for index in indexes]
    unique = [columns for columns, index in zip(indexed, indexes, strict=True) if index["unique"]]
    unique += [constraint["column_names"] for constraint in found.get_unique_constraints(table.name, schema=table.schema)]
    for columns, why in ((["id", "part"], "an event may be stored twice"), (["held_line"], "two workers may hold one line")):
        if columns not in unique:
            raise StoreMisconfigured(
                f"{name!r} has no unique index on {', '.join(columns)}, so {why}: drop it and create it from inbox_table()"
            )
    for index in table.indexes:
        if (columns := [column.name for column in index.columns]) not in indexed:
            # Another process may be creating it at this moment.
            raise MissingTable(
                f"{name!r} has no index on {', '.join(columns)}, so workers read all of it: create one as inbox_table() has it"
            )


def check_delivery_table(connection: Connection, name: str, call: str) -> str | None:
    """Return what is missing of the table of recorded deliveries; None if nothing is. Deliveries are handled without it."""
    table = delivery_table(MetaData(), name)
    found = inspect(connection)
    if not found.has_table(table.name, schema=table.schema):
        return f"there is no table {name!r}: create it with {call}, or by your migration"
    there = {column["name"] for column in found.get_columns(table.name, schema=table.schema)}
    if missing := [column.name for column in table.columns if column.name not in there]:
        return f"the table {name!r} has no column {', '.join(missing)}: run your migration, or create it from delivery_table()"
    return None
