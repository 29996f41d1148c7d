"""The surroundings of a delivery: the application's other endpoints, the fetched key, how late deliveries came lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hookguard.record import Record
from hookguard.verifier import VerifierLike

__all__ = ["Known"]


@dataclass(frozen=True, slots=True)
class Known(Record):
    """Everything an application knows besides the delivery. Without a part, the causes that need it are not found."""

    name: str = ""  #: the endpoint's name
    #: Other endpoints, the likeliest first. Two applications in a process may have endpoints of the same name.
    endpoints: Sequence[tuple[str, VerifierLike]] = ()
    found: Any = field(default=None, repr=False)  #: the key that was fetched for the delivery
    target: str = ""  #: the raw path and query, as the server saw them
    recent_skews: tuple[float, ...] = ()  #: of accepted deliveries: seconds from their signed time to their arrival
    now: float | None = None  #: the time of arrival, in seconds since 1970; by default the verifier's clock
    body_read: bool = True  #: False if the delivery was rejected before its body was read

    def beside(self, verifier: VerifierLike) -> Known:
        """Return the same without the endpoint of this verifier, which is examined."""
        return self._replace(endpoints=[each for each in self.endpoints if each[1] is not verifier])

    def place(self, name: str) -> str:
        """Return an endpoint's name for a finding."""
        return f"endpoint {name!r}{' of another application' if name == self.name else ''}"
