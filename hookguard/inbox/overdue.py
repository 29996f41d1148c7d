"""A check by the web process: if events wait in its inbox and nobody takes them, the log says it."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Iterable
from typing import Final, cast

from hookguard.inbox.contract import AsyncInbox, Count, EntryState, Inbox
from hookguard.inbox.transactional import Transactional
from hookguard.process.locks import Lock
from hookguard.process.threads import OwnThread

__all__ = ["WAITS", "Overdue", "due_states", "find_overdue"]

_log = logging.getLogger("hookguard")

#: Seconds between two looks.
LOOK: Final = 30.0

#: Seconds that an entry may be due before a worker is missed.
LATE: Final = 60.0

#: Seconds between two lines in the log while it lasts.
QUIET: Final = 600.0


class Overdue:
    """Counts one endpoint's entries, while events come in, at most every 30 s.

    It logs one ERROR if the oldest due entry has waited for 60 s, and another after ten minutes if that is still so.
    """

    def __init__(self, endpoint: str, inbox: Inbox | AsyncInbox) -> None:
        self._endpoint = endpoint
        self._inbox = inbox
        self._lock = Lock()
        self._looked = time.monotonic()
        self._logged: float | None = None

    async def look(self) -> None:
        """Count if it is time: in a thread, or on the event loop of an asynchronous inbox. Raises nothing."""
        if not self._is_time():
            return
        if not inspect.iscoroutinefunction(self._inbox.counts):
            OwnThread(self._look_here, "hookguard-overdue").start()
            return
        try:
            self.report(await cast("AsyncInbox", self._inbox).counts())
        except Exception as error:  # the event is stored, and the next look tries again
            _log.warning(_NOT_COUNTED, error)

    def _is_time(self) -> bool:
        """Whether it is time for a look; True for one caller in 30 s."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return False
        with self._lock:
            if now - self._looked < LOOK:
                return False
            self._looked = now
            return True

    def _look_here(self) -> None:
        try:
            self.report(cast("Inbox", self._inbox).counts())
        except Exception as error:  # as above
            _log.warning(_NOT_COUNTED, error)

    def report(self, counts: list[Count]) -> None:
        """Log the overdue entries of these counts, if there are any."""
        late = find_overdue(self._endpoint, self._inbox, counts)
        if late is None:
            self._logged = None
            return
        now = time.monotonic()
        if self._logged is not None and now - self._logged < QUIET:
            return
        self._logged = now
        _log.error(WAITS, *late, extra={"endpoint": self._endpoint, "reason_code": "nobody_works"})


def due_states(inbox: Inbox | AsyncInbox) -> frozenset[EntryState]:
    """Return the states whose entries a worker should have taken once they are due."""
    # A handler in a transaction keeps its entry for longer than the lease.
    return frozenset({EntryState.WAITING} if isinstance(inbox, Transactional) else {EntryState.WAITING, EntryState.HELD})


def find_overdue(endpoint: str, inbox: Inbox | AsyncInbox, counts: Iterable[Count]) -> tuple[int, str, float] | None:
    """Return what fills in ``WAITS`` for an endpoint's overdue entries: their number, its name, seconds; None without any."""
    states = due_states(inbox)
    own = [count for count in counts if count.lane.endpoint == endpoint]
    late = [count for count in own if count.state in states and count.overdue >= LATE]
    if not late:
        return None
    return sum(count.number for count in late), endpoint, max(count.overdue for count in late)


#: The sentence on overdue entries.
WAITS: Final = "%d events of %s wait for a worker, the oldest for %.0f s: is `hookguard work` running?"

_NOT_COUNTED: Final = "whether a worker is missed is unknown, because the inbox could not be counted: %s"
