"""The kept form of a verified event, and how a worker makes the event from it again, without any secret.

The ``head`` is JSON with a version. It holds the method, the target, the host, the scheme, the sender's address, the headers of
an allow-list, and what verification found: the name of the secret, the timestamp, the tenant, the event's id. It never holds a
signature, a token, Authorization, Cookie, or a header that nobody asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, cast

from hookguard.delivery import Delivery
from hookguard.errors import Rejected, StoreError
from hookguard.event import Event
from hookguard.head.target import split_target
from hookguard.inbox.contract import Held, Kept
from hookguard.inbox.settings import NEVER_KEPT, InboxSettings
from hookguard.place import Place
from hookguard.preset import Preset
from hookguard.privacy.shown import printable, without_user
from hookguard.store import StoreKey

__all__ = ["HEAD_VERSION", "Head", "Keeper", "Proof", "UnreadableEntry", "brought_back", "event_again", "read_head", "read_proof"]

HEAD_VERSION: Final = 1

#: Headers that are always kept. By X-Forwarded-Host a framework behind a proxy may know its host; the last two are the trace that
#: the delivery belongs to.
_ALWAYS: Final = frozenset({"content-type", "user-agent", "x-forwarded-host", "traceparent", "tracestate"})

#: The types of the values in a head. Where None is one of them, the value may be missing.
_NOTHING: Final = type(None)
_KINDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("method", "target", "host", "secret"), str),
    **dict.fromkeys(("remote", "id", "tenant", "url", "digest", "fingerprint", "root"), (str, _NOTHING)),
    "secure": (bool, _NOTHING),
    "timestamp": (int, float, _NOTHING),
    "headers": list,
}

#: Longest event type that is kept for people, in characters.
_LONGEST_TYPE: Final = 255


class UnreadableEntry(StoreError):
    """Another version of hookguard stored the entry. It must stay as it is, for a worker that can read it."""


class Head(NamedTuple):
    """A kept head: what a worker needs to call the application as the server did. The event's own facts are in the Event."""

    method: str
    target: str  #: the raw path and query as they came, without a parameter that carries a signature or token
    host: str  #: the Host header, or the server's own name if the delivery had none
    scheme: str  #: ``"https"`` or ``"http"``
    remote: str | None
    headers: tuple[tuple[str, str], ...]  #: names in lower case, without Host and Content-Length
    root: str = ""  #: the beginning of the path that the server keeps for itself


class Proof(NamedTuple):
    """The facts of an event's verification that are kept."""

    secret: str  #: the name of the secret that matched, never the secret
    timestamp: float | None  #: signed, in seconds since 1970; None if the provider signs none
    tenant: str | None


class Keeper:
    """Makes the form of an endpoint's events that an inbox stores.

    ``also`` are the headers that a relay passes on. The headers and parameters that are left out are settled once: for each
    event they took 14 of 36 us.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        preset: Preset,
        settings: InboxSettings,
        retention: float,
        takes_other_body: bool = True,
        also: frozenset[str] = frozenset(),
    ) -> None:
        self._endpoint = endpoint
        self._members = preset.batch is not None
        self._order_by = settings.order_by
        self._retention = retention
        self._takes_other_body = takes_other_body
        self._allowed = _allowed(preset, settings) | (also - NEVER_KEPT)
        self._hidden = _secret_parameters(preset)

    def keep(self, event: Event, key: StoreKey, *, sender: bool = True) -> Kept:
        """Return the form of an event to store; without ``sender``, its address and a user in its URL are left out."""
        delivery = event.delivery
        member = self._members
        headers = [(name, value) for name, value in delivery.headers.items() if name in self._allowed]
        if member:
            # The body is the event's own JSON, in place of the whole delivery's.
            headers = [pair for pair in headers if pair[0] != "content-type"] + [("content-type", "application/json")]
        target = _without(self._hidden, delivery.target or str(split_target(delivery.url)._replace(origin="")))
        url = _without(self._hidden, delivery.url if sender else without_user(delivery.url))
        fingerprint = event.fingerprint()
        head: dict[str, Any] = {
            "v": HEAD_VERSION,
            "method": delivery.method,
            "target": target,
            "host": delivery.headers.get("host") or delivery.server,
            "secure": delivery.secure,
            "remote": delivery.remote if sender else None,
            "headers": headers,
            "secret": event.secret,
            "timestamp": event.timestamp,
            "id": _or_none(lambda: event.id),
        }
        optional = {"tenant": event.tenant, "url": url if url != target else None, "root": delivery.root or None}
        if member:
            # It was made without regard to spelling. The body's own would differ.
            optional["fingerprint"] = fingerprint.hex()
        if (digest := event.digest()) != fingerprint.hex() or member:
            optional["digest"] = digest
        head |= {name: value for name, value in optional.items() if value is not None}
        return Kept(
            key=key,
            endpoint=self._endpoint,
            event_type=printable(_or_none(lambda: event.type) or "")[:_LONGEST_TYPE],
            head=json.dumps(head, separators=(",", ":")),
            body=json.dumps(event.document(), separators=(",", ":")).encode() if member else delivery.body,
            content=event.content if not member and event.content is not delivery.body else None,
            fingerprint=fingerprint,
            takes_other_body=self._takes_other_body,
            retention=self._retention,
            line=_line(event, self._endpoint, self._order_by),
        )


def read_head(kept: Kept) -> Head:
    """Return the kept head; UnreadableEntry for one of another version."""
    return _head(_loaded(kept))


def _head(head: dict[str, Any]) -> Head:
    return Head(
        head["method"],
        head["target"],
        head["host"],
        "https" if head["secure"] else "http",
        head.get("remote"),
        tuple((name, value) for name, value in head["headers"]),
        head.get("root", ""),
    )


def read_proof(kept: Kept) -> Proof:
    """Return what is kept of the verification; UnreadableEntry for a head of another version."""
    head = _loaded(kept)
    return Proof(head["secret"], head.get("timestamp"), head.get("tenant"))


def event_again(held: Held, preset: Preset) -> Event:
    """Return the event of an entry that a worker holds. It was verified when it was stored: no secret is needed.

    Raises UnreadableEntry if another version of hookguard stored it: the entry must stay, for a worker that can read it.
    """
    return brought_back(held, preset)[1]


def brought_back(held: Held, preset: Preset) -> tuple[Head, Event]:
    """Return both what ``read_head`` and ``event_again`` return. The head is loaded and checked once."""
    head = _loaded(held.kept)
    try:
        return _head(head), _event(held, head, preset)
    except ValueError as error:
        raise _damaged(held.kept) from error


def _event(held: Held, head: dict[str, Any], preset: Preset) -> Event:
    kept = held.kept
    delivery = Delivery(
        kept.body,
        [("host", head["host"]), *map(tuple, head["headers"])] if head["host"] else list(map(tuple, head["headers"])),
        head["method"],
        head.get("url", head["target"]),
        head.get("remote"),
        head["secure"],
        head["target"],
        head.get("root", ""),
    )
    reading = preset.reading(delivery, kept.content)
    if preset.batch is not None:
        reading = reading.member(json.loads(kept.body))
    event = Event(delivery, preset, head["secret"], head.get("timestamp"), head.get("tenant"), reading)
    event.restore(id=head.get("id"), digest=head.get("digest"), fingerprint=head.get("fingerprint"))
    event.attempt = held.attempt
    event.received_at = held.received_at
    event.store_key = kept.key
    return event


def _loaded(kept: Kept) -> dict[str, Any]:
    try:
        head = json.loads(kept.head)
        version = head["v"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(kept) from None
    if version != HEAD_VERSION:
        raise UnreadableEntry(
            f"entry {kept.key.idempotency_key} has a head of version {str(version)[:20]!r}, and this hookguard reads version"
            f" {HEAD_VERSION}: let a worker with the other release handle it"
        )
    if not all(isinstance(head.get(name), kind) for name, kind in _KINDS.items()) or not all(map(_is_pair, head["headers"])):
        raise _damaged(kept)
    return cast("dict[str, Any]", head)


def _is_pair(header: object) -> bool:
    return isinstance(header, list) and len(header) == 2 and all(isinstance(text, str) for text in header)


def _damaged(kept: Kept) -> UnreadableEntry:
    return UnreadableEntry(f"entry {kept.key.idempotency_key} is damaged: it is left as it is")


def _allowed(preset: Preset, settings: InboxSettings) -> frozenset[str]:
    """The lower-case names of the headers that are kept."""
    places = (preset.event_id, preset.event_type, *preset.id_scope, getattr(preset.scheme, "timestamp", None))
    read = {part for place in places if place is not None for part in getattr(place, "parts", ())}
    named = {*_ALWAYS, *read, *settings.keep_headers}
    return frozenset(named) - preset.scheme.signature_headers - NEVER_KEPT - {"host", "content-length"}


def _secret_parameters(preset: Preset) -> frozenset[str]:
    """The names of the URL's parameters that carry the signature or the token."""
    scheme = preset.scheme
    places: list[Any] = [getattr(scheme, name, None) for name in ("token", "signature")]
    found = {parameter for place in places for parameter in _parameters(place)}
    own = getattr(scheme, "parameter", None)  # of a signed callback URL
    return frozenset(found | ({own} if isinstance(own, str) else set()))


def _parameters(place: Any) -> Iterable[str]:
    # A single place has no places.
    for each in getattr(place, "places", ()):
        yield from _parameters(each)
    if isinstance(found := getattr(place, "parameter", None), str):
        yield found


def _without(names: frozenset[str], url: str) -> str:
    """Return the URL without these parameters. Nothing else is decoded or changed."""
    if not names or "?" not in url:
        return url
    target = split_target(url)
    items = (target.query or "").split("&")
    left = [item for item in items if _name_of(item) not in names]
    return str(target._replace(query="&".join(left) or None))


def _name_of(item: str) -> str:
    parameters = split_target(f"/?{item}").parameters("replace")
    return parameters[0][0] if parameters else ""


def _line(event: Event, endpoint: str, order_by: Place | None) -> str | None:
    """Return the line of an event: a digest, because the value may be a customer's number, and may have any length."""
    if order_by is None:
        return None
    if (value := _or_none(lambda: order_by.find(event))) is None:
        return None
    return hashlib.sha256(f"{endpoint}\0{event.tenant or ''}\0{value}".encode("utf-8", "surrogatepass")).hexdigest()


def _or_none(find: Callable[[], str | None]) -> str | None:
    """Return what is found; None if the body is malformed: the handler finds the same mistake, and knows what it means."""
    try:
        return find()
    except Rejected:
        return None
