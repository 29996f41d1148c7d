"""How a provider delivers: each fact with its source and the date it was checked.

Tolerance, retention, lease, the body limit and what a reused id means are derived from these facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, TypeVar

__all__ = [
    "DAY",
    "HOUR",
    "LEAST_BODY",
    "LEAST_LEASE",
    "LEAST_RETENTION",
    "LEAST_TOLERANCE",
    "MIB",
    "MINUTE",
    "NOT_STATED",
    "Fact",
    "Facts",
    "Source",
]

T = TypeVar("T")

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

MIB = 1 << 20  # bytes

#: The minimum values of an endpoint, also used if nothing is known about its provider.
LEAST_BODY = MIB
LEAST_LEASE = MINUTE
LEAST_RETENTION = 7 * DAY
LEAST_TOLERANCE = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """A value, the address it was read at, and the day (ISO 8601). ``confirmed`` is False if no official page states it."""

    value: T
    source: str
    checked: str
    confirmed: bool = True


#: A fact that was not looked up yet. The built-in presets name the page they checked.
NOT_STATED: Fact[Any] = Fact(None, "", "", confirmed=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A page and the day it was read; its methods make facts."""

    address: str
    checked: str

    def says(self, value: T) -> Fact[T]:
        """Return a fact that this page states."""
        return Fact(value, self.address, self.checked)

    def silent(self, value: T) -> Fact[T]:
        """Return a value that this page does not state: a cautious assumption, or a report by others."""
        return Fact(value, self.address, self.checked, confirmed=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A provider's delivery habits. All durations are seconds, all sizes bytes."""

    schedule: Fact[str]  #: when failed deliveries are retried, in words
    horizon: Fact[float]  #: from the first try to the last automatic retry; 0 if there is no automatic retry
    resigned: Fact[bool | None]  #: whether a retry carries a new timestamp and signature; None if unknown
    stable_body: Fact[bool | None]  #: whether a retry's body is the same bytes; None if unknown
    timeout: Fact[float | None]  #: how long it waits for the answer; None if unknown
    statuses: Fact[str]  #: which statuses succeed, retry, stop or disable the endpoint, in words
    networks: Fact[str | None]  #: address of the published list of sender networks, if there is one
    stable_id: Fact[bool | None] = NOT_STATED  #: whether a retry carries the same event id; None if unknown
    largest_body: Fact[int | None] = NOT_STATED  #: the largest body it sends; None if unknown

    @property
    def signs_retries(self) -> bool:
        """Whether a page states that each retry is signed at its own time. Assumptions do not count: they could lose events."""
        return bool(self.resigned.value) and self.resigned.confirmed

    @property
    def tolerance(self) -> float:
        """How far a signed timestamp may be off: five minutes, plus the time of retries without timestamps of their own.

        A quarter is added to the horizon: each try first waits for an answer, and many senders add jitter.
        """
        return LEAST_TOLERANCE + ceil(1.25 * self.oldest_retry)

    @property
    def oldest_retry(self) -> float:
        """How old the timestamp of the last retry may be; 0 if each retry has its own timestamp."""
        return 0.0 if self.signs_retries else self.horizon.value

    @property
    def retention(self) -> float:
        """How long a completed event must be stored: the horizon plus a quarter and a day, and at least a week."""
        return max(LEAST_RETENTION, 1.25 * self.horizon.value + DAY)

    @property
    def lease(self) -> float:
        """How long a claim is held: twice the provider's own timeout, and at least a minute."""
        return max(LEAST_LEASE, 2 * (self.timeout.value or 0.0))

    @property
    def max_body(self) -> int:
        """How large a body may be: as large as the provider sends, and at least 1 MiB.

        Providers state the size of the payload. Escapes or a form make the sent body longer.
        """
        return max(LEAST_BODY, self.largest_body.value or 0)
