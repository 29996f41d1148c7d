"""Watches a view's statements for those that would separate its writes from its claim without an error of Django's.

- A statement that ends the transaction. Django rejects ``transaction.commit()``, but not a plain ``COMMIT`` by a cursor, and
  MySQL commits before it changes a schema.
- A write to another database, which this transaction's commit does not cover. Write a row in this database instead.
- An inner ``atomic()`` block that Django rolls back *silently*, because a database error was caught inside of it: no
  exception leaves the block, and its writes are gone.

Calls on the driver's own connection (``connection.connection.commit()``) are not seen. After such a rollback, the completion
finds no claim. After such a commit, only a crash before the completion runs the event twice.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.errors import TransactionEscaped, TransactionFailed

__all__ = ["Watch"]

# Not ROLLBACK TO, which returns to a savepoint.
_ENDS = re.compile(
    r"\s*(COMMIT|END|ABORT|BEGIN|START\s+TRANSACTION|PREPARE\s+TRANSACTION|XA|SET\s+(@@)?(SESSION\s+)?AUTOCOMMIT"
    r"|ROLLBACK(?!(\s+(WORK|TRANSACTION))?\s+TO))\b",
    re.IGNORECASE,
)
#: MySQL and MariaDB commit before these; see their manual, "Statements That Cause an Implicit Commit".
_ENDS_IN_MYSQL = re.compile(
    r"\s*((CREATE|DROP)\s+(?!TEMPORARY\b)|ALTER|RENAME|TRUNCATE|GRANT|REVOKE|LOCK\s+TABLES?|UNLOCK\s+TABLES?|ANALYZE|OPTIMIZE"
    r"|REPAIR|FLUSH|RESET)\b",
    re.IGNORECASE,
)
_WRITES = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|REPLACE|MERGE|COPY|TRUNCATE|CREATE|ALTER|DROP|CALL|WITH\b.*\b(INSERT|UPDATE|DELETE|MERGE))\b",
    re.IGNORECASE | re.DOTALL,
)

_Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]


class Watch:
    """Watches the connections of this thread, from :meth:`begin` to :meth:`end`; ``escaped`` is the error that it found."""

    __slots__ = ("_blocks", "_connection", "_handled", "_wrapped", "escaped")

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.escaped: TransactionFailed | None = None
        self._connection = connection
        self._wrapped = ExitStack()
        self._blocks: set[str] = set()
        self._handled: BaseException | None = None

    def begin(self) -> None:
        """Begin to watch, after the claim."""
        self._handled = sys.exc_info()[1]
        for alias in connections:
            with suppress(ImproperlyConfigured):  # its driver is missing, so no view can write to it
                watch = self._own if alias == self._connection.alias else partial(self._other, alias)
                self._wrapped.enter_context(connections[alias].execute_wrapper(watch))

    def end(self) -> None:
        """Stop, before the completion."""
        self._wrapped.close()

    def _own(self, execute: _Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        text = sql if isinstance(sql, str) else ""
        connection = self._connection
        if _ENDS.match(text) or (connection.vendor == "mysql" and _ENDS_IN_MYSQL.match(text)):
            self.escaped = TransactionEscaped(
                f"the view executed {text.split()[0].upper()}, which ends the transaction that its claim is part of: leave that"
                " to hookguard, and schema changes to migrations; use transaction.atomic() for savepoints"
            )
            raise self.escaped
        if connection.vendor == "sqlite" and not connection.connection.in_transaction:
            # Ended without Django's knowledge. Other databases begin a new one automatically. So do it here: the writes that
            # follow are committed only if the completion finds the claim.
            connection.connection.execute("BEGIN")
        # The atomic() blocks that are open now. Savepoints that the view makes and rolls back by name are not watched.
        self._blocks.update(filter(None, connection.savepoint_ids))
        if self._rolls_back_a_block(text) and sys.exc_info()[1] is self._handled:
            self.escaped = TransactionFailed(
                "Django rolled back an atomic() block of the view although no exception left it, because a database error was"
                " caught inside of it: catch the error outside of the block, or put a block of its own around the statement"
            )
        return execute(sql, params, many, context)

    def _rolls_back_a_block(self, text: str) -> bool:
        back = self._connection.ops.savepoint_rollback_sql
        return text.startswith("ROLLBACK") and any(text == back(name) for name in self._blocks)

    def _other(self, alias: str, execute: _Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if isinstance(sql, str) and _WRITES.match(sql):
            self.escaped = TransactionEscaped(
                f"the view writes to the database {alias!r} and its claim is in {self._connection.alias!r}, and one commit cannot"
                f" cover both: write a row here for another process to work off, or use ORMTransactionStore({alias!r})"
            )
            raise self.escaped
        return execute(sql, params, many, context)
