"""What a verified delivery tells."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol
from xml.etree.ElementTree import Element

from hookguard.batch import Batch
from hookguard.delivery import Delivery
from hookguard.documents import read_form, read_json, read_xml, says_form
from hookguard.errors import MalformedBody, MissingEventId
from hookguard.headers import Headers
from hookguard.place import Place, in_words

__all__ = ["Event"]

#: Longest id kept as it came; a longer one is hashed, never cut, because two long ids may share a beginning.
MAX_ID = 255

_PLAIN_ID = re.compile(r"[!-~]{1,255}", re.ASCII)


class Covering(Protocol):
    """What an event must know of a scheme."""

    @property
    def covers(self) -> frozenset[str]:
        """What the signature covers."""

    def content(self, delivery: Delivery) -> bytes:
        """Return what a verified delivery says, as it was signed."""


class Described(Protocol):
    """What an event must know of its preset to find its own id and type."""

    @property
    def name(self) -> str:
        """The preset's name."""

    @property
    def event_id(self) -> Place | None:
        """Where the id is; None where the content is the identity."""

    @property
    def event_type(self) -> Place | None:
        """Where the type is."""

    @property
    def batch(self) -> Batch | None:
        """Where the events are, if a delivery carries several."""

    @property
    def identity(self) -> str | None:
        """What makes two deliveries the same event."""

    @property
    def json_field(self) -> str | None:
        """The form field that holds JSON."""

    @property
    def scheme(self) -> Covering:
        """The scheme, for what it covers."""


class Event:
    """A genuine, fresh delivery. Only :meth:`Verifier.verify` makes one, so holding an Event means it was verified.

    Nothing is parsed until it is asked for. ``id``, ``type``, ``json()`` and ``form`` raise MalformedBody when the body
    is not what it should be, and ``id`` raises MissingEventId when there is none: both are Rejected with status 400.
    """

    __slots__ = (
        "_delivery",
        "_digest",
        "_document",
        "_fingerprint",
        "_form",
        "_id",
        "_opened",
        "_preset",
        "_xml",
        "attempt",
        "idempotency_key",
        "secret",
        "tenant",
        "timestamp",
    )

    timestamp: float | None  #: seconds since 1970 as the provider signed it; None where the scheme signs none
    secret: str  #: the name of the secret that matched
    tenant: str | None  #: whose secret matched, where secrets are looked up per tenant
    attempt: int  #: 1 on the first run; more after a failure or a crash. Set by the guard
    idempotency_key: str  #: the same for every run of this event, safe to pass to other APIs. Set by the guard

    def __init__(
        self,
        delivery: Delivery,
        preset: Described,
        secret: str,
        timestamp: float | None,
        tenant: str | None,
        opened: bytes | None = None,
    ) -> None:
        self._delivery = delivery
        self._preset = preset
        self._opened = opened
        self.secret = secret
        self.timestamp = timestamp
        self.tenant = tenant
        self.attempt = 1
        self.idempotency_key = ""

    @property
    def provider(self) -> str:
        """The preset's name."""
        return self._preset.name

    @property
    def delivery(self) -> Delivery:
        """The HTTP attempt it came by."""
        return self._delivery

    @property
    def covers(self) -> frozenset[str]:
        """What the signature covers: ``"body"``, ``"url"``, ``"method"``, a lower-case header name, or single fields.

        A field is ``"body:data.id"``, ``"form:id"`` or ``"query:id"``; ``"body:items[*].id"`` in every member of a list.
        """
        return self._preset.scheme.covers

    @property
    def body(self) -> bytes:
        """The raw bytes that were verified."""
        return self._delivery.body

    @property
    def content(self) -> bytes:
        """What the event says: the body, or what was encrypted or wrapped in it."""
        return self._delivery.body if self._opened is None else self._opened

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
        """The delivery's target as the sender asked for it."""
        return self._delivery.url

    @property
    def id(self) -> str:
        """The provider's id of the event: printable ASCII, at most 255 characters.

        An id of any other shape is replaced by ``sha256:`` and its digest. Where the content is the identity and no id
        came, it is the digest of what was signed: see ``digest``.
        """
        try:
            return self._id
        except AttributeError:
            place = self._preset.event_id
            found = place.find(self) if place is not None else None
        if not found and self._preset.identity == "content":
            found = f"sha256:{self.digest()}"
        if not found:
            raise MissingEventId(f"the {self.provider} event carries no id: look at {in_words(place)} of the delivery")
        if not _PLAIN_ID.fullmatch(found):
            found = "sha256:" + hashlib.sha256(found.encode("utf-8", "surrogatepass")).hexdigest()
        self._id: str = found
        return found

    @property
    def type(self) -> str:
        """What happened, in the provider's words (``invoice.paid``); empty where the provider does not say."""
        place = self._preset.event_type
        return (place.find(self) if place is not None else None) or ""

    def fingerprint(self) -> bytes:
        """Return the SHA-256 of the body, or of this event in it: what tells an honest retry from another body under the same id.

        Of the body alone, not of all that was signed: a retry that is signed anew has another timestamp.
        """
        try:
            return self._fingerprint
        except AttributeError:
            self._fingerprint: bytes = hashlib.sha256(self.content).digest()
            return self._fingerprint

    def digest(self) -> str:
        """Return the SHA-256 in hex of what was signed, or of this event in it: deliveries with one signature have the same.

        That is the body, as a rule; the signed text, where one signature fits several ways to write a form. Of several events
        in one delivery that are equal to the letter, and have no id that says they are one, each has another digest: by its
        number among them, which is the same when the provider sends them again.
        """
        try:
            return self._digest
        except AttributeError:
            signed = self.content if self._opened is not None else self._preset.scheme.content(self._delivery)
            whole = signed is self._delivery.body
            self._digest: str = self.fingerprint().hex() if whole else hashlib.sha256(signed).hexdigest()
            return self._digest

    def events(self) -> list[Event]:
        """Return every event of the delivery, for what a Verifier returned: itself, where the provider sends one at a time.

        Raises MalformedBody or BodyTooLarge where the provider sends lists and this is none. Guards do this by themselves.
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
            if nth and not event._is_named():
                event._digest = hashlib.sha256(b"%b %d" % (whole, nth)).hexdigest()
        return events

    def _member(self, document: Any, alone: Any) -> Event:
        """One of several events that came in this delivery: its own JSON, fingerprint, id and type."""
        event = Event(self._delivery, self._preset, self.secret, self.timestamp, self.tenant, self._opened)
        event._document = document
        # The same however the provider writes it the next time: its neighbours may be other ones then.
        event._fingerprint = hashlib.sha256(json.dumps(alone, sort_keys=True, separators=(",", ":")).encode()).digest()
        event._digest = event._fingerprint.hex()
        return event

    def _is_named(self) -> bool:
        """Whether the provider gave it an id, by which equal ones are one."""
        place = self._preset.event_id
        found = place.find(self) if place is not None else None
        return bool(found) and found != f"sha256:{self.digest()}"

    def json(self) -> Any:
        """Return the body parsed as JSON (this event alone, of several), or the JSON in the form field of providers that use one.

        Strict, because what the signature proves is the bytes and every reader must read the same out of them: UTF-8
        without a byte order mark, no repeated keys, no NaN or Infinity, at most 64 levels and 1,000 digits. Raises
        MalformedBody.
        """
        document = self.document()
        if document is None and self.form:
            raise MalformedBody("the body is a form without JSON in it: read event.form instead")
        return document

    def document(self) -> Any:
        """Return what ``json()`` returns, or None when the body is a form without JSON in it."""
        try:
            return self._document
        except AttributeError:
            pass
        document: Any = None
        if self._opened is not None or not says_form(self._delivery.headers):
            document = read_json(self.content)
        elif (field := self._preset.json_field) is not None and field in self.form:
            document = read_json(self.form[field].encode("utf-8", "surrogatepass"))
        self._document: Any = document
        return document

    @property
    def form(self) -> Mapping[str, str]:
        """The fields of a form body (``application/x-www-form-urlencoded``), as it came; empty for any other body.

        Raises MalformedBody when the form is not UTF-8, repeats a field or has more than 1,000 of them.
        """
        try:
            return self._form
        except AttributeError:
            self._form: Mapping[str, str] = MappingProxyType(
                read_form(self._delivery.body) if says_form(self._delivery.headers) else {}
            )
            return self._form

    def xml(self) -> Element:
        """Return the root of an XML body, for reading alone: every caller gets the same one.

        Raises MalformedBody unless it is well-formed UTF-8 of at most 64 levels and without a document type.
        """
        try:
            return self._xml
        except AttributeError:
            self._xml: Element = read_xml(self.content)
            return self._xml

    def __repr__(self) -> str:
        return f"Event(provider={self.provider!r}, {len(self._delivery.body)} bytes, secret={self.secret!r})"
