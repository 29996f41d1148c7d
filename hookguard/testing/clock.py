"""A clock that stands still until a test moves it."""

from __future__ import annotations

__all__ = ["FrozenClock"]


class FrozenClock:
    """Seconds since 1970, as a callable; ``advance`` moves it, backwards too."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.now += seconds

    def __repr__(self) -> str:
        return f"FrozenClock({self.now})"
