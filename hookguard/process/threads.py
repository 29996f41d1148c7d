"""Threads that hookguard starts, besides those that serve deliveries."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["OwnThread", "own_thread"]


class OwnThread(threading.Thread):
    """A daemon thread that calls a store. No framework notices its end, so a store closes what it opened for it."""

    def __init__(self, run: Callable[[], None], name: str) -> None:
        super().__init__(target=run, name=name, daemon=True)
        self._at_end: dict[Callable[[], None], None] = {}

    def at_end(self, close: Callable[[], None]) -> None:
        """Call ``close`` in this thread when it ends; once, however often it is given."""
        self._at_end[close] = None

    def run(self) -> None:
        """Do the work, then close what was opened for it."""
        try:
            super().run()
        finally:
            for close in self._at_end:
                close()


def own_thread() -> OwnThread | None:
    """Return the thread of the caller if it is such a thread."""
    thread = threading.current_thread()
    return thread if isinstance(thread, OwnThread) else None
