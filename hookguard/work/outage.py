"""A worker's waits while its store, or an engine, is down: longer each time, with one line a minute in the log."""

from __future__ import annotations

import logging
import time
from typing import Final

__all__ = ["Outage"]

_log = logging.getLogger("hookguard.work")

#: Seconds until the worker looks again: at first, and at most.
FIRST: Final = 1.0
LONGEST: Final = 30.0

#: Seconds between two lines in the log.
QUIET: Final = 60.0


_NOTHING_TAKEN: Final = "no events are taken, because the store does not answer; the worker goes on trying: %s"
_ANSWERS: Final = "the store answers again, after %.0f s"


class Outage:
    """The time in which the store does not answer. Something else that fails has lines of its own."""

    def __init__(self, fails: str = _NOTHING_TAKEN, answers: str = _ANSWERS) -> None:
        self._fails = fails
        self._answers = answers
        self._pause = 0.0
        self._began = 0.0
        self._logged: float | None = None  # by time.monotonic()

    def note(self, error: BaseException) -> float:
        """Log a failure, at most once a minute; return the seconds to wait."""
        now = time.monotonic()
        if not self._pause:
            self._began = now
        self._pause = min(2 * self._pause, LONGEST) if self._pause else FIRST
        if self._logged is None or now - self._logged >= QUIET:
            self._logged = now
            _log.error(self._fails, error)
        return self._pause

    def over(self) -> None:
        """Note that the store has answered."""
        if self._pause:
            _log.warning(self._answers, time.monotonic() - self._began)
            self._pause, self._logged = 0.0, None
