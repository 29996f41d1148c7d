"""The inbox contract on SQLite: the steps of each operation, without I/O. There is one writer at a time, so all steps may lock.

The operations are those of a SQLite file of our own, and of a SQLite database behind Django.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from hookguard.inbox.contract import Count, Entry, EntryState, Held, Kept, Lane, Put
from hookguard.inbox.settings import InboxSettings
from hookguard.store import StoreKey
from hookguard.stores.inbox_statements import InboxStatements, InboxSteps, Keys
from hookguard.stores.inbox_work import InboxWork

__all__ = ["InboxJobs"]

_Make = Callable[[float], InboxSteps]


class InboxJobs:
    """Makes the jobs; ``keys`` are the inbox's, and ``clock`` too. See :mod:`hookguard.inbox.contract` for the operations."""

    def __init__(self, keys: Keys, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._statements = InboxStatements(keys)

    def put(self, events: Sequence[Kept]) -> InboxWork[list[Put]]:
        """Store all events, or none of them."""
        events = list(events)
        return self._job(lambda now: self._statements.put(events, now), lambda now: self._statements.known(events, now))

    def take(self, lane: Lane, limit: int, lease: float, settings: InboxSettings) -> InboxWork[list[Held]]:
        """Take due entries."""
        tokens = [secrets.token_bytes(16) for _ in range(limit)]
        return self._job(
            lambda now: self._statements.take(lane, tokens, lease=lease, settings=settings, now=now),
            lambda now: self._statements.look(lane, now),
        )

    def due(self, lanes: Sequence[Lane]) -> InboxWork[bool]:
        """Ask whether anything can be taken."""
        return self._look(lambda now: self._statements.due(lanes, now))

    def take_one(self, key: str, lease: float, settings: InboxSettings) -> InboxWork[Held | None]:
        """Take one entry if it waits."""
        token = secrets.token_bytes(16)
        return self._job(lambda now: self._statements.take_one(key, token, lease=lease, settings=settings, now=now))

    def complete(self, key: str, token: bytes, settings: InboxSettings) -> InboxWork[bool]:
        """Mark the entry as done."""
        return self._job(lambda now: self._statements.complete(key, token, settings, now))

    def release(self, key: str, token: bytes, after: float, reason: str, settings: InboxSettings) -> InboxWork[bool]:
        """Let it be due later."""
        return self._job(lambda now: self._statements.release(key, token, after, reason, settings, now))

    def extend(self, key: str, token: bytes, lease: float) -> InboxWork[bool]:
        """Extend the lease."""
        return self._job(lambda now: self._statements.extend(key, token, lease, now))

    def give_back(self, key: str, token: bytes, after: float) -> InboxWork[bool]:
        """Let it be due now."""
        return self._job(lambda now: self._statements.give_back(key, token, after, now))

    def give_up(self, key: str, token: bytes, reason: str, settings: InboxSettings) -> InboxWork[bool]:
        """Mark it as dead."""
        return self._job(lambda now: self._statements.give_up(key, token, reason, settings, now))

    def begin(self, key: str, token: bytes) -> InboxWork[bool]:
        """Take the entry into the handler's transaction."""
        return self._job(lambda _: self._statements.begin(key, token))

    def commit(self, key: str, token: bytes, settings: InboxSettings) -> InboxWork[bool]:
        """Mark the entry as done at the end of that transaction."""
        return self._job(lambda now: self._statements.commit(key, token, settings, now))

    def committed(self, key: str, token: bytes) -> InboxWork[bool]:
        """Ask whether that transaction was committed."""
        return self._look(lambda _: self._statements.committed(key, token))

    def counts(self) -> InboxWork[list[Count]]:
        """Count the entries."""
        return self._look(self._statements.counts)

    def find(
        self,
        state: EntryState | None,
        endpoint: str | None,
        event_type: str | None,
        key: str | None,
        after: int | None,
        limit: int,
    ) -> InboxWork[list[Entry]]:
        """List entries."""
        return self._look(lambda _: self._statements.find(state, endpoint, event_type, key, after, limit))

    def open(self, key: str) -> InboxWork[Kept | None]:
        """Return what is kept of an entry."""
        return self._look(lambda _: self._statements.open(key))

    def rerun(self, keys: Sequence[str], reason: str, by: str) -> InboxWork[int]:
        """Make done or dead entries due now."""
        return self._job(lambda now: self._statements.rerun(keys, reason, by, now))

    def drop(self, keys: Sequence[str]) -> InboxWork[int]:
        """Delete entries that nobody holds."""
        return self._job(lambda now: self._statements.drop(keys, now))

    def prune(self, limit: int) -> InboxWork[int]:
        """Delete entries that were kept long enough."""
        return self._job(lambda now: self._statements.prune(limit, now))

    def forget(self, key: StoreKey) -> InboxWork[bool]:
        """Forget an event with its done and dead entries."""
        return self._job(lambda _: self._statements.forget(key))

    def _job(self, steps: _Make, look: _Make | None = None) -> InboxWork[Any]:
        return InboxWork(lambda: steps(self.clock()), True, None if look is None else lambda: look(self.clock()))

    def _look(self, steps: _Make) -> InboxWork[Any]:
        def look() -> InboxSteps:
            return steps(self.clock())

        return InboxWork(look, look=look)
