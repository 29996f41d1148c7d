"""One event's transaction: it begins with the claim or the entry, and ends with the completion. Between them it is watched."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from django.db import Error, InterfaceError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.errors import HookguardError, StoreMisconfigured, StoreUnavailable, TransactionEscaped, TransactionFailed
from hookguard.store import StoreKey
from hookguard.stores.driver_errors import is_demoted
from hookguard.stores.statements import Steps
from hookguard_django.stores.connection import driver_error, drop, is_disconnected, run, unavailable
from hookguard_django.stores.watch import Watch

__all__ = ["Running", "beginning"]

T = TypeVar("T")

_log = logging.getLogger("hookguard.django")


class Running:
    """One event's transaction, in the thread that made this object. Raises StoreMisconfigured inside of another transaction."""

    __slots__ = ("_atomic", "_blocks", "_committed", "connection", "key", "locked", "watch")

    def __init__(self, connection: BaseDatabaseWrapper, key: StoreKey | None = None) -> None:
        self.connection = connection
        self.key = key  #: the claim's; None for an entry of the inbox
        self.locked = False
        self.watch = Watch(connection)
        self._committed = False
        self._atomic = transaction.atomic(using=connection.alias, durable=True)
        try:
            self._atomic.__enter__()
        except RuntimeError as error:
            raise StoreMisconfigured(
                "a transaction is open around the guarded view, so its event cannot be committed with its effects:"
                " put @webhook outside of @transaction.atomic"
            ) from error
        # The end of this block is that of the innermost one that is open then, so the view must leave as many as there are now.
        self._blocks = len(connection.savepoint_ids), len(connection.atomic_blocks)
        # The first callback: if a later one raises, the commit has still happened.
        transaction.on_commit(self._note, using=connection.alias)

    def _note(self) -> None:
        self._committed = True

    def finish(self, completion: Steps) -> None:
        """Commit, with the completion as the last statement, or raise and write nothing: also if the completion returns False."""
        connection = self.connection
        try:
            done = False
            try:
                self.watch.end()
                if self.watch.escaped is not None:
                    # The view went on after the error, so what it counts as written is unknown.
                    raise self.watch.escaped
                if len(connection.savepoint_ids) > self._blocks[0]:
                    raise TransactionEscaped(
                        "the view left a block of transaction.atomic() open, and its commit would end that block alone: use"
                        " `with`, and end a generator or an ExitStack that holds a block before the view returns"
                    )
                done = run(connection, completion)
            finally:
                if not done:
                    self.roll_back()
            if not done:
                raise TransactionEscaped(
                    "the transaction that the claim was part of is gone: the view rolled it back, but answered 2xx"
                )
            self._commit()
        except HookguardError:
            raise
        except (Error, OSError) as error:
            if is_demoted(driver_error(error)):
                drop(connection)
            raise _translated(error, connection) from error

    def _commit(self) -> None:
        try:
            self._atomic.__exit__(None, None, None)
        except Exception:
            if not self._committed:
                raise
            _log.exception("an on_commit callback raised after its webhook event was committed; the event is done")
        if not self._committed and not self.connection.in_atomic_block:  # a test case's transaction is never committed
            raise TransactionEscaped(
                "Django rolled the transaction back at its end although no exception left it: something called set_rollback(), or"
                " closed the connection, after the view"
            )

    def roll_back(self) -> None:
        """Undo everything. On a broken connection the server does it."""
        self.watch.end()
        savepoints, blocks = self._blocks
        del self.connection.savepoint_ids[savepoints:], self.connection.atomic_blocks[blocks:]
        with suppress(Error, OSError):
            transaction.set_rollback(True, using=self.connection.alias)
            self._atomic.__exit__(None, None, None)


def beginning(connection: BaseDatabaseWrapper, begin: Callable[[], T]) -> T:
    """Begin a transaction; once more if the connection broke since the last request, or its server was demoted.

    Nothing was committed by then. Raises StoreUnavailable.
    """
    used = connection.connection
    try:
        try:
            return begin()
        except Error as error:
            if connection.in_atomic_block or not _broke(error, connection, used):
                raise
            return begin()
    except (Error, OSError) as error:
        raise unavailable(error, connection) from error


def _broke(error: Error, connection: BaseDatabaseWrapper, used: Any) -> bool:
    if is_demoted(driver_error(error)):
        drop(connection)
        return True
    if used is None or not isinstance(error, (OperationalError, InterfaceError)):
        return False
    # After a break, Django may have opened a new connection for the rollback.
    if connection.connection is used and not is_disconnected(connection):
        return False
    connection.close()
    return True


def _translated(error: Error | OSError, connection: BaseDatabaseWrapper) -> StoreUnavailable | TransactionFailed:
    if isinstance(error, (OperationalError, InterfaceError, OSError)) or is_demoted(driver_error(error)):
        # A lost connection, a deadlock, a serialization failure: the next try settles it.
        return unavailable(error, connection)
    reason = str(error).partition("\n")[0]
    swallowed = isinstance(error, transaction.TransactionManagementError) or "transaction is aborted" in reason
    return TransactionFailed(
        f"the view's transaction cannot be committed ({type(error).__name__}: {reason})"
        + ("; did the view catch a database error? Use transaction.atomic() around what may fail" if swallowed else "")
    )
