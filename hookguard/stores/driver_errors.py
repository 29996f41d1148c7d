"""Reads errors of database drivers (SQLSTATE, MySQL's number, or the text), for the SQLAlchemy and the Django stores."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_demoted", "is_missing_column", "is_missing_table", "lost_a_race", "sqlstate", "was_rolled_back"]

#: The server still answers, but accepts no writes any more.
#: PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html (read_only_sql_transaction), 2026-11-25.
#: MySQL: ER_OPTION_PREVENTS_STATEMENT (read_only, super_read_only), ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION,
#: ER_READ_ONLY_MODE, ER_INNODB_READ_ONLY, ER_OPEN_AS_READONLY. ER_UNKNOWN_COM_ERROR is the answer of a Galera node without its
#: cluster: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html, 2026-11-25.
_READ_ONLY_STATES: Final = ("25006",)
_READ_ONLY_NUMBERS: Final = (1290, 1792, 1836, 1874, 1036, 1047)
#: Proxies and managed databases have numbers of their own, but use these words. SQLite has only the words.
_READ_ONLY_WORDS: Final = re.compile(
    r"read[- ]?only|\bnot (?:the |a )?(?:master|primary|leader|writer)\b|WSREP has not", re.IGNORECASE
)


def was_rolled_back(why: BaseException) -> bool:
    """Return whether the database itself rolled the step back: nothing happened, and it may be retried immediately.

    The cause is a deadlock or a serialization failure (SQLSTATE 40001 and 40P01, MySQL's 1213, and MariaDB's 1020 at snapshot
    isolation).
    """
    return sqlstate(why) in ("40001", "40P01") or _number(why) in (1213, 1020)


def lost_a_race(why: BaseException) -> bool:
    """Return whether another worker took the same line, or held a row for too long; roll back, and the step may be retried.

    A unique violation (SQLSTATE 23505, MySQL's 1062), or MySQL's 1205, after which the transaction is still open.
    """
    return sqlstate(why) == "23505" or _number(why) in (1062, 1205)


def is_demoted(why: BaseException) -> bool:
    """Return whether the server behind this connection accepts no writes. A new connection may reach one that does.

    The server's name may already lead to the new primary, while a pooled connection stays with the old server.
    """
    return (
        sqlstate(why) in _READ_ONLY_STATES or _number(why) in _READ_ONLY_NUMBERS or _READ_ONLY_WORDS.search(str(why)) is not None
    )


def is_missing_table(why: BaseException) -> bool:
    """Return whether the table or its schema is missing: by SQLSTATE, by MySQL's number, or by SQLite's text."""
    return sqlstate(why) in ("42P01", "3F000") or _number(why) == 1146 or "no such table" in str(why)


def is_missing_column(why: BaseException) -> bool:
    """Return whether the table lacks a column."""
    text = str(why)
    return sqlstate(why) == "42703" or _number(why) == 1054 or "no such column" in text or "has no column" in text


def sqlstate(why: BaseException) -> str:
    """Return the driver's SQLSTATE, or an empty string if the error has none."""
    return str(getattr(why, "sqlstate", None) or getattr(why, "pgcode", None) or "")


def _number(why: BaseException) -> int:
    number = why.args[0] if why.args else 0
    return number if isinstance(number, int) else 0
