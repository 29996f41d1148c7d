"""How long an entry waits after a failed attempt: the schedule, and what the handler's Retry-After says. No clock, no I/O."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import NamedTuple

__all__ = ["MalformedRetryAfter", "RetryAt", "RetryIn", "Schedule", "read_retry_after"]

_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


class RetryIn(NamedTuple):
    """Retry-After as a number of seconds."""

    seconds: float

    def wait(self, now: float) -> float:
        """Return the seconds from ``now`` on."""
        return self.seconds


class RetryAt(NamedTuple):
    """Retry-After as a date."""

    instant: float  #: seconds since 1970

    def wait(self, now: float) -> float:
        """Return the seconds from ``now`` (seconds since 1970) on; 0.0 for a date in the past."""
        return max(0.0, self.instant - now)


class MalformedRetryAfter(NamedTuple):
    """Retry-After with neither a number nor a date: the schedule decides."""

    text: str


def read_retry_after(text: str) -> RetryIn | RetryAt | MalformedRetryAfter:
    """Read the value of a Retry-After header, in both forms of RFC 9110, section 10.2.3."""
    stripped = text.strip(" \t")
    if _SECONDS.fullmatch(stripped):
        return RetryIn(float(stripped))
    try:
        found = parsedate_to_datetime(stripped)
        # "-0000" is UTC without a statement on the local zone.
        found = found.replace(tzinfo=timezone.utc) if found.tzinfo is None else found
        return RetryAt(found.timestamp())
    except (TypeError, ValueError, IndexError, OverflowError):
        return MalformedRetryAfter(text[:100])


def _spread() -> float:
    """Return the factor by which a wait differs from the schedule.

    Events that failed together must not come back together. Its mean is 1, so that the schedule's horizon holds.
    """
    return random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret


class Schedule(NamedTuple):
    """``first`` seconds after the first attempt, then twice as long each time, at most ``longest_wait``; each by the jitter.

    ``tries`` is how many attempts an entry gets, without those whose worker died.
    """

    tries: int = 24
    first: float = 5.0
    longest_wait: float = 21_600.0

    def wait(self, attempt: int, *, jitter: Callable[[], float] = _spread) -> float:
        """Return the seconds to wait after this attempt, which is 1 or more."""
        # 2**1000 is about the largest float, and tries may be any number.
        return min(self.longest_wait, self.first * 2.0 ** min(max(attempt, 1) - 1, 900)) * jitter()

    def wait_as_told(self, told: RetryIn | RetryAt, now: float) -> float:
        """Return the seconds to wait where the handler's answer had a Retry-After: at most ``longest_wait``."""
        return min(told.wait(now), self.longest_wait)

    def used_up(self, tried: int) -> bool:
        """Whether so many attempts, without those whose worker died, are all that an entry gets."""
        return tried >= self.tries
