"""Watches a view's statements for what would part its writes from its claim, and raises no error by itself.

- A statement that ends the transaction. ``transaction.commit()`` is refused by Django; a plain ``COMMIT`` by a cursor is not,
  and MySQL commits before it changes a schema.
- A write to another database, which this transaction's commit does not cover. ``transaction.on_commit`` is the place for it.
- An inner ``atomic()`` block that Django rolls back *silently*, because a database error was caught inside of it: no
  exception leaves the block, and its writes are gone.

A view that goes behind Django's back (``connection.connection.commit()``) is not seen; what it parts is found by the
completion where it was rolled back, and done twice only by a crash in between where it was committed.
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

# Not ROLLBACK TO, which goes back to a savepoint.
_ENDS = re.compile(
    r"\s*(COMMIT|END|ABORT|BEGIN|START\s+TRANSACTION|PREPARE\s+TRANSACTION|XA|SET\s+(@@)?(SESSION\s+)?AUTOCOMMIT"
    r"|ROLLBACK(?!(\s+(WORK|TRANSACTION))?\s+TO))\b",
    re.IGNORECASE,
)
#: What MySQL and MariaDB commit before, says their manual under "Statements That Cause an Implicit Commit".
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
    """Watches the connections of this thread, from :meth:`begin` to :meth:`end`; ``escaped`` is what it found."""

    __slots__ = ("_blocks", "_connection", "_handled", "_wrapped", "escaped")

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.escaped: TransactionFailed | None = None
        self._connection = connection
        self._wrapped = ExitStack()
        self._blocks: set[str] = set()
        self._handled: BaseException | None = None

    def begin(self) -> None:
        """Begin, after the claim."""
        self._handled = sys.exc_info()[1]
        for alias in connections:
            with suppress(ImproperlyConfigured):  # one whose driver is missing, so that nobody writes to it
                watch = self._own if alias == self._connection.alias else partial(self._other, alias)
                self._wrapped.enter_context(connections[alias].execute_wrapper(watch))

    def end(self) -> None:
        """End, before the completion."""
        self._wrapped.close()

    def _own(self, execute: _Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        text = sql if isinstance(sql, str) else ""
        connection = self._connection
        if _ENDS.match(text) or (connection.vendor == "mysql" and _ENDS_IN_MYSQL.match(text)):
            self.escaped = TransactionEscaped(
                f"the view executed {text.split()[0].upper()}, which ends the transaction that its claim is part of: leave that"
                " to hookguard, and schema changes to migrations; transaction.atomic() makes savepoints"
            )
            raise self.escaped
        if connection.vendor == "sqlite" and not connection.connection.in_transaction:
            # Ended behind Django's back. Other databases begin a new one by themselves; so what follows is not kept without
            # the mark, which finds no claim after a rollback.
            connection.connection.execute("BEGIN")
        # The blocks that are open now. Savepoints that the view makes and rolls back by name are its own business.
        self._blocks.update(filter(None, connection.savepoint_ids))
        if self._goes_back(text) and sys.exc_info()[1] is self._handled:
            self.escaped = TransactionFailed(
                "Django rolled an atomic() block of the view back although no exception left it, because a database error was"
                " caught inside of it: catch it outside of the block, or put a block of its own around what may fail"
            )
        return execute(sql, params, many, context)

    def _goes_back(self, text: str) -> bool:
        back = self._connection.ops.savepoint_rollback_sql
        return text.startswith("ROLLBACK") and any(text == back(name) for name in self._blocks)

    def _other(self, alias: str, execute: _Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if isinstance(sql, str) and _WRITES.match(sql):
            self.escaped = TransactionEscaped(
                f"the view writes to the database {alias!r} and its claim is in {self._connection.alias!r}, and one commit cannot"
                f" cover both: write there in transaction.on_commit(), or use ORMTransactionStore({alias!r})"
            )
            raise self.escaped
        return execute(sql, params, many, context)
