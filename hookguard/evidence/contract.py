"""The record of a delivery, and the contract of a store that keeps such records.

A record holds facts: never a secret, a signature, or the value of a header that is not on the list. The body is a part of its
own: it is kept only if an endpoint asks for it, is read by a call of its own, and is deleted before the record is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, runtime_checkable

from hookguard.record import Record

__all__ = ["HOURLY", "LIMITED", "SHOWN", "DeliveryRecord", "Evidence", "FoundCause", "HeadFact", "KeepsEvidence", "KeptBody"]

#: Deliveries of an endpoint and of one of these outcomes that are recorded in an hour. Neither a flood of forgeries may fill a
#: disk, nor one genuine delivery that is sent again and again: many providers sign no time.
HOURLY: Final = 100
LIMITED: Final = frozenset({"rejected", "duplicate", "in_progress"})

#: Characters of a delivery's name that people read: in the log, and in lists.
SHOWN: Final = 6


class FoundCause(NamedTuple):
    """A cause that the autopsy found, without its words."""

    code: str
    kind: str


class HeadFact(NamedTuple):
    """A header that came. ``value`` is None for all but the few headers whose values are kept."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeliveryRecord(Record):
    """The facts of one delivery; of a delivery with several events, of one event. Instants are seconds since 1970."""

    delivery: str  #: its name: 32 random hexadecimal digits. The log shows the first six
    at: float  #: when its outcome was known
    endpoint: str
    provider: str
    tenant: str = ""
    outcome: str
    status: int | None = None  #: of the reply; None if it is not known what the framework answers to an exception
    reason_code: str = ""
    findings: tuple[FoundCause, ...] = ()
    secret: str = ""  #: the name of the secret that matched
    scheme: str = ""  #: the class of the scheme
    event_id: str = ""
    event_type: str = ""
    attempt: int = 0
    duration: float = 0.0  #: seconds
    signed_at: float | None = None  #: the signed timestamp
    body_size: int = 0  #: bytes; 0 without ``body_sha256`` if the body was not read
    body_sha256: str = ""  #: empty if the body was not read
    content_sha256: str = ""  #: of what was signed; empty if nothing was verified
    signature_sha256: str = ""  #: the first 16 digits, to find the same signature again; empty if it is a fixed token
    headers: tuple[HeadFact, ...] = ()
    address: str = ""  #: the sender's network
    note: str = ""  #: what a person did with it, and why
    keep_until: float  #: when the record is deleted
    body_until: float | None = None  #: when its body is deleted; None if no body is kept
    seq: int = 0  #: the record's place, given by the store: ``find(after=…)`` goes on from here

    @property
    def size(self) -> int | None:
        """The bytes of the body; None if the delivery was rejected before its body was read."""
        return self.body_size if self.body_size or self.body_sha256 else None

    @property
    def mark(self) -> str:
        """The beginning of its name, as the log shows it."""
        return self.delivery[:SHOWN]

    def __repr__(self) -> str:
        return f"DeliveryRecord({self.mark!r}, {self.endpoint!r}, {self.outcome!r})"


@dataclass(frozen=True, slots=True, repr=False)
class KeptBody(Record):
    """The kept body of a delivery. ``head`` is what an inbox keeps of a verified event's head; empty for a rejected one."""

    body: bytes
    head: str = ""

    def __repr__(self) -> str:
        return f"KeptBody({len(self.body)} bytes)"


class Evidence(Protocol):
    """Keeps records of deliveries. Its calls block, whichever kind of store it belongs to, and raise StoreError."""

    def write(self, records: Sequence[tuple[DeliveryRecord, KeptBody | None]]) -> int:
        """Store records, and return how many.

        A record that is there is not stored again. One with an outcome of :data:`LIMITED` is left out if its endpoint has
        :data:`HOURLY` of that outcome in this hour.
        """

    def explain(self, delivery: str, findings: Sequence[FoundCause]) -> bool:
        """Add what an autopsy found to a record; False if there is no such record."""

    def find(
        self,
        *,
        delivery: str = "",
        rejected: bool = False,
        cause: str | None = None,
        endpoint: str | None = None,
        since: float | None = None,
        after: int | None = None,
        limit: int,
    ) -> list[DeliveryRecord]:
        """Return records, the newest first.

        ``delivery`` is the beginning of a name. ``rejected``: only rejected ones. ``cause`` is the code of a finding or of the
        reason. ``since`` is the earliest instant; ``after`` is the ``seq`` of the last record that was seen.
        """

    def get(self, delivery: str) -> DeliveryRecord | None:
        """Return the record with this whole name, or None."""

    def body(self, delivery: str) -> KeptBody | None:
        """Return the body, for a caller who may see bodies; None if none is kept, or its time is over."""

    def annotate(self, delivery: str, note: str) -> bool:
        """Set the note of a record; False if there is no such record."""

    def prune(self, *, limit: int) -> int:
        """Delete at most ``limit`` bodies and at most ``limit`` records whose time is over; return how many of both."""

    def forget(self, event_id: str) -> int:
        """Empty every record of an event: its body, id, tenant, digests and headers. Return how many."""


@runtime_checkable
class KeepsEvidence(Protocol):
    """A store that can keep records of deliveries."""

    def evidence(self) -> Evidence:
        """Return the store's evidence, the same one each time. Raises ConfigurationError if this database cannot keep any."""
