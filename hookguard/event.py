"""A verified event: its id, type, content and fingerprint."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol
from xml.etree.ElementTree import Element

from hookguard.batch import Batch
from hookguard.bodies import Reading
from hookguard.delivery import Delivery
from hookguard.errors import MalformedBody, Rejected
from hookguard.headers import Headers, SignedHeaders
from hookguard.place import Place
from hookguard.store import StoreKey

__all__ = ["Event", "EventProxy"]

#: Longest id that is kept as it is. A longer id is hashed, not cut, because two long ids may share a beginning.
MAX_ID = 255

_PLAIN_ID = re.compile(r"[!-~]{1,255}", re.ASCII)


class SchemeLike(Protocol):
    """The part of a scheme that events use."""

    @property
    def covers(self) -> frozenset[str]:
        """The parts that the signature covers."""

    @property
    def signature_headers(self) -> frozenset[str]:
        """The headers that carry a signature or token."""

    def content(self, delivery: Delivery) -> bytes:
        """Return the signed content of a verified delivery."""


class PresetLike(Protocol):
    """The part of a preset that events use."""

    @property
    def name(self) -> str:
        """The preset's name."""

    @property
    def event_id(self) -> Place | None:
        """Where the id is; None if the provider sends no id."""

    @property
    def event_type(self) -> Place | None:
        """Where the type is."""

    @property
    def batch(self) -> Batch | None:
        """Where the events are, if a delivery carries several."""

    @property
    def identity(self) -> str | None:
        """The value that makes two deliveries the same event."""

    @property
    def scheme(self) -> SchemeLike:
        """The scheme."""

    def reading(self, delivery: Delivery, content: bytes | None = None) -> Reading:
        """Return the reading of a verified body, or of the content of its envelope."""


class Event:
    """A genuine, fresh delivery. Only :meth:`Verifier.verify` makes one, so holding an Event means it was verified.

    The body is parsed on first use. ``id``, ``type``, ``json()`` and ``form`` raise MalformedBody (a Rejected with status
    400) if the body is malformed.
    """

    __slots__ = (
        "_delivery",
        "_digest",
        "_fingerprint",
        "_id",
        "_made",
        "_name",
        "_preset",
        "attempt",
        "received_at",
        "secret",
        "store_key",
        "tenant",
        "timestamp",
    )

    timestamp: float | None  #: seconds since 1970 as the provider signed it; None if the scheme signs none
    secret: str  #: the name of the secret that matched
    tenant: str | None  #: whose secret matched, if secrets are looked up per tenant
    store_key: StoreKey | None  #: the key that stores know the event by. Set by the guard
    attempt: int  #: 1 on the first run; more after a failure or a crash. Set by the guard
    received_at: float  #: seconds since 1970 when it came; from an inbox, when it was stored. Set by the guard, 0.0 before

    def __init__(
        self,
        delivery: Delivery,
        preset: PresetLike,
        secret: str,
        timestamp: float | None,
        tenant: str | None,
        reading: Reading | None = None,
    ) -> None:
        if type(delivery.headers) is SignedHeaders:  # handlers see the same names in tests as from the network
            delivery = delivery._replace(headers=Headers(delivery.headers))
        self._delivery = delivery
        self._preset = preset
        #: Made at the first use. Verifying needs none, and making it costs a tenth of verifying a small delivery.
        self._made = reading
        self.secret = secret
        self.timestamp = timestamp
        self.tenant = tenant
        # Values that were found already, else None. To leave the slots empty would cost 0.5 us for each that is read.
        self._id: str | None = None
        self._digest: str | None = None
        self._fingerprint: bytes | None = None
        self._name: str | None = None  # empty if the event has no id
        self.attempt = 1
        self.store_key: StoreKey | None = None
        self.received_at = 0.0

    @property
    def provider(self) -> str:
        """The preset's name."""
        return self._preset.name

    @property
    def delivery(self) -> Delivery:
        """The HTTP attempt that carried the event."""
        return self._delivery

    @property
    def covers(self) -> frozenset[str]:
        """The parts that the signature covers: ``"body"``, ``"url"``, ``"method"``, a lower-case header name, or single fields.

        A field is ``"body:data.id"``, ``"form:id"`` or ``"query:id"``; ``"body:items[*].id"`` in every member of a list.
        """
        return self._preset.scheme.covers

    @property
    def body(self) -> bytes:
        """The raw bytes that were verified."""
        return self._delivery.body

    @property
    def content(self) -> bytes:
        """The event's content: the body, or the decrypted or unwrapped content of its envelope."""
        return self._delivery.body if self._made is None else self._made.content

    @property
    def headers(self) -> Headers:
        """The delivery's headers. The signature covers only those named in ``covers``."""
        return self._delivery.headers

    @property
    def method(self) -> str:
        """The delivery's HTTP method."""
        return self._delivery.method

    @property
    def url(self) -> str:
        """The delivery's target as the sender requested it."""
        return self._delivery.url

    @property
    def idempotency_key(self) -> str:
        """The same for every run of this event; safe to pass to other APIs. Empty before a guard has seen the event."""
        return "" if self.store_key is None else self.store_key.idempotency_key

    @property
    def id(self) -> str:
        """The provider's id of the event: printable ASCII, at most 255 characters.

        An id of another shape, or one that contains the delivery's signature or token, is replaced by ``sha256:`` and its
        digest. An event without an id gets the digest of its content: see ``digest``.
        """
        if self._id is not None:
            return self._id
        found = self._find_id()
        if found is None:
            found = f"sha256:{self.digest()}"
        elif not _PLAIN_ID.fullmatch(found) or self._tells_signature(found):
            found = "sha256:" + hashlib.sha256(found.encode("utf-8", "surrogatepass")).hexdigest()
        self._id = found
        return found

    def _tells_signature(self, text: str) -> bool:
        """Whether the text contains the delivery's signature or token, which logs and stores must not hold."""
        headers = self._delivery.headers
        for name in self._preset.scheme.signature_headers:
            for value in headers.all(name):
                if value and value in text:
                    return True
        return False

    @property
    def lacks_id(self) -> bool:
        """Whether the preset has a place for the id, and the id is missing: then the content identifies the event."""
        return self._preset.event_id is not None and self._find_id() is None

    def _find_id(self) -> str | None:
        """Return the provider's id, as it came; None if the event has no id."""
        if self._name is None:
            place = self._preset.event_id
            self._name = (place.find(self) if place is not None else None) or ""
        return self._name or None

    @property
    def type(self) -> str:
        """The event's type, in the provider's words (``invoice.paid``); empty if the provider sends none."""
        place = self._preset.event_type
        return (place.find(self) if place is not None else None) or ""

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of the body, or of this event in it. It distinguishes a retry from another body with the same id.

        It covers only the body: a retry that is signed once more has another timestamp.
        """
        if self._fingerprint is None:
            content = self._delivery.body if self._made is None else self._made.content
            self._fingerprint = hashlib.sha256(content).digest()
        return self._fingerprint

    def digest(self) -> str:
        """Return the SHA-256 in hex of the signed content, or of this event in it: equal for deliveries with one signature.

        The signed content is usually the body. It is the signed text if one signature fits several spellings of a form. Equal
        events without an id in one delivery have different digests: each includes its number among them, which stays the
        same if the provider sends them once more.
        """
        if self._digest is None:
            body, made = self._delivery.body, self._made
            signed = self._preset.scheme.content(self._delivery) if made is None or not made.is_opened else made.content
            whole = signed is body
            self._digest = self.fingerprint().hex() if whole else hashlib.sha256(signed).hexdigest()
        return self._digest

    def events(self) -> list[Event]:
        """Return every event of the delivery that a Verifier returned: the event itself, if the provider sends one at a time.

        Raises MalformedBody or BodyTooLarge if the provider sends lists and this is not one. Guards call it on their own.
        """
        batch = self._preset.batch
        if batch is None:
            return [self]
        equal: Counter[bytes] = Counter()
        events = [self._member(document, alone) for document, alone in batch.split(self.document())]
        for event in events:
            whole = event.fingerprint()
            nth = equal[whole]
            equal[whole] += 1
            if nth and not event.is_named:
                event._digest = hashlib.sha256(b"%b %d" % (whole, nth)).hexdigest()
                event._name = None  # it may be made of the digest, which has changed
        return events

    def _member(self, document: Any, alone: Any) -> Event:
        """Return one of several events of this delivery, with its own JSON, fingerprint, id and type."""
        reading = self._reading.member(document)
        event = Event(self._delivery, self._preset, self.secret, self.timestamp, self.tenant, reading)
        # Independent of its neighbours and of its spelling, both of which may differ in a retry.
        event._fingerprint = hashlib.sha256(json.dumps(alone, sort_keys=True, separators=(",", ":")).encode()).digest()
        event._digest = event._fingerprint.hex()
        event.received_at = self.received_at
        return event

    @property
    def is_named(self) -> bool:
        """Whether the provider sent an id, so that the content does not identify the event."""
        try:
            found = self._find_id()
        except Rejected:
            return True  # a malformed event is rejected later, when it is claimed
        return found is not None and self.digest() not in found

    def restore(self, *, id: str | None, digest: str | None, fingerprint: str | None) -> None:  # noqa: A002 - the field's own word
        """Take over what was found when the event was verified; for an inbox, which keeps no signature to find it again."""
        found = {"_id": id, "_name": id, "_digest": digest, "_fingerprint": bytes.fromhex(fingerprint) if fingerprint else None}
        for name, value in found.items():
            if value is not None:
                setattr(self, name, value)

    def json(self) -> Any:
        """Return the JSON in the body (only this event, if there are several), or in the provider's form field.

        It is parsed strictly, because the signature proves only the bytes, and every parser must read the same values from
        them: UTF-8 without a byte order mark, no repeated keys, no NaN or Infinity, at most 64 levels and 1,000 digits.
        Raises MalformedBody.
        """
        document = self.document()
        if document is None and not self._reading.holds_json:
            raise MalformedBody("the body is a form without JSON: read event.form instead")
        return document

    def document(self) -> Any:
        """Return ``json()``, or None if the body is a form without JSON."""
        return self._reading.document()

    @property
    def form(self) -> Mapping[str, str]:
        """The fields of a form body (``application/x-www-form-urlencoded``), as it came; empty for any other body.

        If the form carries an envelope, only the signed fields are returned. JSON or XML with that Content-Type is not a form: no
        provider signs the Content-Type, so the bytes decide. Raises MalformedBody if the form is not UTF-8, repeats a field, or
        has more than 1,000 fields.
        """
        form = self._reading.form
        covers = self.covers
        if not self._is_opened or "body" in covers:
            return form
        # The event is in the envelope. Anybody could write the fields beside it.
        return MappingProxyType({name: value for name, value in form.items() if f"form:{name}" in covers})

    def xml(self) -> Element:
        """Return the root of an XML body. Do not change it: every caller gets the same object.

        Raises MalformedBody for XML with errors, with more than 64 levels, with a document type, or not in UTF-8.
        """
        return self._reading.xml()

    @property
    def _reading(self) -> Reading:
        if self._made is None:
            self._made = self._preset.reading(self._delivery)
        return self._made

    @property
    def _is_opened(self) -> bool:
        """Whether the body is an envelope that was opened."""
        return self._made is not None and self._made.is_opened

    def behind(self, preset: PresetLike) -> Event:
        """Return the event as ``preset`` describes it: behind a gateway, its signature counts as well."""
        return Event(self._delivery, preset, self.secret, self.timestamp, self.tenant, self._made)

    def __repr__(self) -> str:
        return f"Event(provider={self.provider!r}, {len(self._delivery.body)} bytes, secret={self.secret!r})"


class EventProxy:
    """Behaves like the event that ``find`` returns at that moment; an error of ``find`` is raised on every access."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[], Event]) -> None:
        self._find = find

    @property  # type: ignore[misc]  # isinstance() reads it
    def __class__(self) -> type:
        try:
            return type(self._find())
        except RuntimeError:
            return type(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # inspect reads such names of every module attribute: that is not a mistake
            raise AttributeError(name)
        return getattr(self._find(), name)

    def __dir__(self) -> Iterable[str]:
        return dir(type(self._find()))

    def __eq__(self, other: object) -> bool:
        return self._find() == other

    def __hash__(self) -> int:
        return hash(self._find())

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A copy or a pickle is that of the event.
        return self._find().__reduce_ex__(protocol)

    def __repr__(self) -> str:
        try:
            return repr(self._find())
        except RuntimeError as error:
            return f"<EventProxy: {error}>"
