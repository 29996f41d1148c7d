"""The table of recorded deliveries, for ``create_all``, for a migration of your own, or created by ``create_table``."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Double, Identity, Index, Integer, LargeBinary, MetaData, String, Table, Text, text
from sqlalchemy.dialects.mysql import LONGBLOB, MEDIUMTEXT, VARCHAR

__all__ = ["delivery_table"]

_MYSQL: Final = ("mysql", "mariadb")


def delivery_table(metadata: MetaData, name: str = "hookguard_delivery") -> Table:
    """Add the table of recorded deliveries to ``metadata``, beside the table of events; return it.

    Its name is that of the table of events with ``_delivery`` in place of ``_event``.
    """
    schema, _, plain = name.rpartition(".")
    return Table(
        plain,
        metadata,
        Column("seq", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
        Column("delivery", _digest(32), nullable=False),
        Column("at", Double, nullable=False),
        *(Column(each, _words(255), nullable=False) for each in ("endpoint", "provider", "tenant")),
        Column("outcome", _words(32), nullable=False),
        Column("status", Integer),
        Column("reason_code", _words(64), nullable=False),
        Column("findings", _words(1024), nullable=False),
        *(Column(each, _words(255), nullable=False) for each in ("secret", "scheme", "event_id", "event_type")),
        Column("attempt", Integer, nullable=False),
        Column("duration", Double, nullable=False),
        Column("signed_at", Double),
        Column("body_size", BigInteger, nullable=False),
        *(Column(each, _digest(64), nullable=False) for each in ("body_sha256", "content_sha256", "signature_sha256")),
        Column("headers", _text(), nullable=False),
        Column("address", _words(64), nullable=False),
        Column("note", _words(1024), nullable=False),
        Column("keep_until", Double, nullable=False),
        Column("body_until", Double),
        Column("head", _text()),
        Column("body", LargeBinary().with_variant(LONGBLOB(), *_MYSQL)),
        Index(f"{plain}_name", "delivery", unique=True),
        Index(f"{plain}_hour", "endpoint", "outcome", "at"),
        Index(f"{plain}_event", "event_id"),
        Index(f"{plain}_keep", "keep_until"),
        Index(f"{plain}_body", "body_until", postgresql_where=text("body_until IS NOT NULL")),
        schema=schema or None,
    )


def _digest(length: int) -> Any:
    """Return the type of hexadecimal digits: one byte per character in any character set."""
    return String(length).with_variant(VARCHAR(length, charset="ascii", collation="ascii_bin"), *_MYSQL)


def _words(length: int) -> Any:
    """Return the type of a text that is compared byte for byte: MySQL would confuse "Pay" with "pay"."""
    return String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL)


def _text() -> Any:
    return Text().with_variant(MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL)
