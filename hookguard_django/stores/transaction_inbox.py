"""The inbox of a transactional store: a worker's view writes in the transaction that its entry's completion is part of.

``begin`` takes the entry into the transaction with the first statement, and locks it. ``commit`` completes it with the last. All
other operations are committed on their own: what is answered is stored whatever becomes of a view, and the counts of tries and of
crashes outlive its rollback.

SQLite has one writer at a time, and that is the view's transaction. So a worker takes one entry of an endpoint at a time there,
and takes nothing while a view of its process runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from hookguard.inbox.contract import Held, Lane
from hookguard.inbox.settings import InboxSettings
from hookguard_django.stores.connection import connection_to, run
from hookguard_django.stores.inbox import ORMInbox
from hookguard_django.stores.running import Running, beginning

__all__ = ["ORMTransactionInbox"]


class ORMTransactionInbox(ORMInbox):
    """The inbox of an :class:`ORMTransactionStore`: see ``ORMTransactionStore.inbox``. Safe to share between threads.

    See :class:`hookguard.inbox.transactional.Transactional` for what it adds.
    """

    def __init__(
        self,
        using: str | None,
        on_connection: Callable[[Callable[[BaseDatabaseWrapper], Any]], Any],
        running: dict[bytes, Running],
    ) -> None:
        super().__init__(using, None, on_connection)
        self._running = running

    @property
    def at_once(self) -> int | None:
        """How many entries of an endpoint may run at a time in one worker; None without a limit."""
        return 1 if connection_to(self._using).vendor == "sqlite" else None

    def take(self, lane: Lane, *, limit: int, lease: float, settings: InboxSettings) -> list[Held]:
        """Take due entries; none that would have to wait for another view of this process."""
        if self.at_once is not None and self._running:
            return []
        return super().take(lane, limit=limit, lease=lease, settings=settings)

    def due(self, lanes: Sequence[Lane]) -> bool:
        """Return whether ``take`` would find anything now."""
        return not (self.at_once is not None and self._running) and super().due(lanes)

    def begin(self, key: str, *, token: bytes) -> bool:
        """Begin the view's transaction in this thread; False unless the token holds the entry."""
        connection = connection_to(self._using)
        running = beginning(connection, lambda: self._begin(connection, key, token))
        if running is None:
            return False
        running.watch.begin()
        self._running[token] = running
        return True

    def _begin(self, connection: BaseDatabaseWrapper, key: str, token: bytes) -> Running | None:
        running = Running(connection)
        held = False
        try:
            held = run(connection, self._operations.begin(key, token).steps())
        finally:
            if not held:
                running.roll_back()
        return running if held else None

    def commit(self, key: str, *, token: bytes, settings: InboxSettings) -> bool:
        """Mark the entry as done and commit. After TransactionFailed nothing was written."""
        if (running := self._running.pop(token, None)) is None:
            return False
        running.finish(self._operations.commit(key, token, settings).steps())
        return True

    def roll_back(self, key: str, *, token: bytes) -> bool:
        """Undo the view's writes; the entry is still held."""
        if (running := self._running.pop(token, None)) is None:
            return False
        running.roll_back()
        return True

    def committed(self, key: str, *, token: bytes) -> bool:
        """Return whether a commit was made whose answer got lost."""
        return self._do(self._operations.committed(key, token))
