"""The rest of a target that keeps failing: it is left alone for a while. In memory, for each process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["Rest"]

#: Failures in a row until a target rests, and the seconds of its first and its longest rest.
FAILURES: Final = 5
FIRST: Final = 30.0
LONGEST: Final = 300.0


class Rest:
    """Counts the failures of one target. When a rest is over one message tries; if that fails the rest doubles.

    ``clock`` is monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._seconds = 0.0  # of the last rest that failures caused; 0.0 since a success
        self._until = 0.0

    @property
    def left(self) -> float:
        """Seconds until the rest is over; 0.0 if the target does not rest."""
        return max(0.0, self._until - self._clock())

    @property
    def begun(self) -> bool:
        """Whether a rest has begun, and no message has arrived since."""
        return bool(self._until)

    @property
    def room(self) -> float:
        """How many messages may be on their way: none during a rest, one after it, any number otherwise."""
        if self.left:
            return 0
        return 1 if self.begun else float("inf")

    def succeeded(self) -> None:
        """Note that a message arrived."""
        self._failures, self._seconds, self._until = 0, 0.0, 0.0

    def failed(self) -> bool:
        """Note that a message did not arrive; return whether a rest begins."""
        if self.left:
            return False  # it was on its way when the rest began
        self._failures += 1
        if not self._until and self._failures < FAILURES:
            return False
        self._seconds = min(2 * self._seconds, LONGEST) if self._seconds else FIRST
        self._until = self._clock() + self._seconds
        return True

    def begin(self, seconds: float) -> None:
        """Rest for so long at least, because the target asked for it."""
        self._until = max(self._until, self._clock() + seconds)
