"""One message of a relay, and the answer to it. A target of your own gets the one and returns the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from hookguard.event import Event
from hookguard.preset import Preset
from hookguard.presets import STANDARD_WEBHOOKS
from hookguard.record import Record
from hookguard.relay.settings import HOPS, RelaySettings, TargetSettings, provider_headers
from hookguard.sender.message import as_header, usual_headers

if TYPE_CHECKING:
    from hookguard.inbox.contract import Held

__all__ = ["MOST_HOPS", "Sending", "Sent", "Target", "TargetGone", "hops_of", "sending_of"]

#: How many relays an event may pass.
MOST_HOPS = 5


@dataclass(frozen=True, repr=False)
class Sending(Record):
    """One message for a target. ``headers`` are complete: signed for this attempt, and with the Content-Type."""

    id: str  #: the ``webhook-id``: the same for every attempt, and for every target
    body: bytes
    headers: dict[str, str]
    event_type: str
    target: str
    attempt: int

    def __repr__(self) -> str:
        return f"Sending({self.id!r} to {self.target!r}, attempt {self.attempt}, {len(self.body)} bytes)"


class Sent(NamedTuple):
    """A target's answer. Without a status the target has accepted the message; with one, 2xx means that."""

    status: int | None = None
    retry_after: str | None = None  #: the text of a Retry-After header

    @property
    def accepted(self) -> bool:
        """Whether the message arrived."""
        return self.status is None or 200 <= self.status < 300


class TargetGone(Exception):
    """Raised by a target of your own: it takes no more events. The entry is dead."""


class Target(Protocol):
    """Sends messages to one target, on one event loop."""

    async def send(self, sending: Sending) -> Sent:
        """Send one message; return when the target has taken it. Any exception means that it has not."""
        raise NotImplementedError


def hops_of(event: Event) -> int:
    """Return how many relays the event has passed before this one."""
    text = event.headers.get(HOPS) or "0"
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0


def sending_of(event: Event, held: Held, preset: Preset, target: TargetSettings, relay: RelaySettings) -> Sending:
    """Return the message for one attempt. ConfigurationError if the target's secrets have all expired."""
    kept = held.kept
    own = kept.content is None or relay.keep_provider_headers
    body = kept.body if own else event.content
    kind = (event.headers.get("content-type") if own else None) or STANDARD_WEBHOOKS.content_type(body)
    identifier = f"msg_{kept.key.idempotency_key}"
    headers = usual_headers(as_header(kind))
    if relay.keep_provider_headers:
        headers |= {name: value for name, value in event.headers.items() if name in provider_headers(preset)}
    for name, value in (
        ("Event-Id", kept.key.id),
        ("Event-Type", kept.event_type),
        ("Provider", preset.name),
        ("Endpoint", held.lane.endpoint),
        ("Attempt", str(held.attempt)),
        ("Hops", str(hops_of(event) + 1)),
    ):
        if shown := as_header(value):
            headers[f"Hookguard-{name}"] = shown
    headers["webhook-id"] = identifier
    if target.signer is not None:
        headers |= target.signer.sign(identifier, body)
    return Sending(identifier, body, headers, kept.event_type, target.name, held.attempt)
