"""How a provider delivers: what its documents say, cell by cell, with the source and the date each was checked.

Retention, lease and the judgement of a reused id are derived from these facts, so they are data and not folklore.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["DAY", "HOUR", "LEAST_LEASE", "LEAST_RETENTION", "MINUTE", "Fact", "Profile", "Source"]

T = TypeVar("T")

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

#: What an endpoint takes at the least, and when nothing is known of its provider.
LEAST_LEASE = MINUTE
LEAST_RETENTION = 7 * DAY


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """A value, the address it was read at, and the day (ISO 8601). ``confirmed`` is False for what no official page says."""

    value: T
    source: str
    checked: str
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """A page and the day it was read; calls make facts of what it says."""

    address: str
    checked: str

    def says(self, value: T) -> Fact[T]:
        """A fact that this page states."""
        return Fact(value, self.address, self.checked)

    def silent(self, value: T) -> Fact[T]:
        """A value this page does not state: a cautious assumption, or what others report."""
        return Fact(value, self.address, self.checked, confirmed=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A provider's delivery habits. All durations are seconds."""

    schedule: Fact[str]  #: when failed deliveries are tried again, in words
    horizon: Fact[float]  #: from the first try to the last automatic one; 0 when it never retries by itself
    resigned: Fact[bool | None]  #: whether a retry carries a new timestamp and signature; None when nobody says
    stable_body: Fact[bool | None]  #: whether a retry's body is the same bytes; None when nobody says
    timeout: Fact[float | None]  #: how long it waits for the answer; None when nobody says
    statuses: Fact[str]  #: which statuses succeed, retry, stop or disable the endpoint, in words
    networks: Fact[str | None]  #: address of the published list of sender networks, if there is one

    @property
    def retention(self) -> float:
        """How long a completed event must be remembered: a quarter and a day over the horizon, and never under a week."""
        return max(LEAST_RETENTION, 1.25 * self.horizon.value + DAY)

    @property
    def lease(self) -> float:
        """How long a claim holds: twice the provider's own timeout, and never under a minute."""
        return max(LEAST_LEASE, 2 * (self.timeout.value or 0.0))
