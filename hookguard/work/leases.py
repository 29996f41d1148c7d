"""The leases of the entries that a worker runs: extended from a thread, so that a busy event loop loses none."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from hookguard.inbox.contract import Held
from hookguard.process.threads import OwnThread

__all__ = ["Leases"]

_log = logging.getLogger("hookguard.work")


class Leases:
    """Extends the lease of each entry from ``hold`` until ``let_go``, but no longer than ``longest_run`` seconds.

    ``extend`` is called in the thread and returns whether the lease was extended. ``overrun`` is called there with an entry that
    ran too long.
    """

    def __init__(
        self, extend: Callable[[Held], bool], overrun: Callable[[Held], None], *, lease: float, longest_run: float
    ) -> None:
        self._extend = extend
        self._overrun = overrun
        self._lease = lease
        self._longest_run = longest_run
        self._lock = threading.Lock()
        self._held: dict[bytes, _Lease] = {}
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        OwnThread(self._run, "hookguard-leases").start()

    def stop(self) -> None:
        """Stop extending leases; the thread ends."""
        self._stopped.set()

    def hold(self, held: Held) -> None:
        """Extend the lease of this entry, which was taken just now."""
        with self._lock:
            self._held[held.token] = _Lease(held, time.monotonic(), self._lease)

    def let_go(self, held: Held) -> float:
        """Stop extending the lease; return the seconds that it lasts from now on, 0.0 if it is over."""
        with self._lock:
            lease = self._held.pop(held.token, None)
        return 0.0 if lease is None else max(0.0, lease.until - time.monotonic())

    def _run(self) -> None:
        while not self._stopped.wait(self._lease / 3):
            with self._lock:
                leases = list(self._held.values())
            for lease in leases:
                self._extend_one(lease)

    def _extend_one(self, lease: _Lease) -> None:
        now = time.monotonic()
        if now - lease.began > self._longest_run:
            if not lease.overrun:
                lease.overrun = True
                self._overrun(lease.held)
            return
        try:
            kept = self._extend(lease.held)
        except Exception as error:  # an error of any kind must not end the other leases
            _log.warning("a lease could not be extended; it is tried again in %.0f s: %s", self._lease / 3, error)
            return
        if kept:
            lease.until = now + self._lease
        else:
            with self._lock:
                self._held.pop(lease.held.token, None)
            _log.warning("the entry %s was lost while its handler runs: another worker may run it too", lease.held.key)


class _Lease:
    """One entry's lease; the instants are by ``time.monotonic()``."""

    __slots__ = ("began", "held", "overrun", "until")

    def __init__(self, held: Held, began: float, seconds: float) -> None:
        self.held = held
        self.began = began
        self.until = began + seconds
        self.overrun = False
