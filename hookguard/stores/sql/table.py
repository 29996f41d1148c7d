"""The table of events: for ``create_all``, for a migration of the user's own, or made by ``create_table``."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, MetaData, String, Table, inspect
from sqlalchemy.dialects.mysql import MEDIUMBLOB, VARBINARY, VARCHAR
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from hookguard.errors import StoreMisconfigured

__all__ = ["create_table", "event_table", "problems"]


def event_table(metadata: MetaData, name: str = "hookguard_event") -> Table:
    """Add the table to ``metadata``, so that ``create_all`` and Alembic's autogenerate see it; return it."""
    # SHA-256 in hexadecimal: one byte a character, whatever the database's character set is.
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
        # A BLOB of MySQL's ends at 64 KiB, which is what a body may have alone.
        Column("reply", LargeBinary().with_variant(MEDIUMBLOB, "mysql", "mariadb")),
        Index(f"{plain}_expiry", "expires_at"),
        schema=schema or None,
    )


def create_table(bind: Engine | Connection, name: str = "hookguard_event") -> None:
    """Create the table unless it is there; any number of processes may do so at once. Raises StoreMisconfigured."""
    metadata = MetaData()
    table = event_table(metadata, name)
    try:
        metadata.create_all(bind)
    except SQLAlchemyError as error:
        # Two at once: the database lets one in, and the other finds the table made.
        if isinstance(bind, Connection):
            bind.rollback()  # PostgreSQL answers nothing more in a transaction that failed
        if not inspect(bind).has_table(table.name, schema=table.schema):
            raise StoreMisconfigured(
                f"cannot create the table {name!r} ({getattr(error, 'orig', error)}): create it by a migration of your own"
            ) from error


def problems(connection: Connection, name: str) -> list[str]:
    """Return what is wrong with the table as it is, a sentence each."""
    table = event_table(MetaData(), name)
    found = inspect(connection)
    if not found.has_table(table.name, schema=table.schema):
        return [f"there is no table {name!r}: create it with create_table(engine), or by your migration"]
    there = {column["name"] for column in found.get_columns(table.name, schema=table.schema)}
    missing = [column.name for column in table.columns if column.name not in there]
    wrong = [f"the table {name!r} has no column {', '.join(missing)}: create it anew from event_table()"] if missing else []
    if found.get_pk_constraint(table.name, schema=table.schema)["constrained_columns"] != ["id"]:
        wrong.append(f"the primary key of {name!r} is not id, so two workers may win the same event: create it anew")
    if not any(index["column_names"] == ["expires_at"] for index in found.get_indexes(table.name, schema=table.schema)):
        wrong.append(f"{name!r} has no index on expires_at, so each purge reads all of it: create one")
    return wrong
