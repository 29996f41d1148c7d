"""A preset: a provider's scheme, the places of its ids and types, its challenge and its delivery facts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Union, cast

from hookguard.batch import Batch
from hookguard.bodies import Reading
from hookguard.challenge import Challenge
from hookguard.delivery import Delivery
from hookguard.envelope import Envelope
from hookguard.errors import ConfigurationError, Rejected
from hookguard.event import Event
from hookguard.facts import LEAST_BODY, LEAST_LEASE, LEAST_RETENTION, LEAST_TOLERANCE, Facts
from hookguard.headers import CONTENT_TYPE, SignedHeaders
from hookguard.place import Content, InBody, InForm, InXml, Place, in_words, need_place
from hookguard.record import hides_arguments
from hookguard.reply import Reply
from hookguard.schemes.base import Draft, Key, Scheme
from hookguard.secret import Secret, SecretLike

__all__ = ["Identity", "Preset", "Proof", "make_keys"]

#: The parts that make two deliveries the same event: the id, the content, or both.
Identity = Literal["id", "content", "id+content"]

#: The answer to a handled event and its duplicates: always the same, or made from the event and the key that matched.
Acknowledge = Union[Reply, Callable[[Event, Key], Reply]]

#: Independent proof that a preset is right: a published vector, or the provider's official package.
Proof = Literal["vector", "sdk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Everything hookguard knows about a provider, as data for verifying and for signing.

    ``identity`` follows from the scheme if the signature covers the id. Otherwise it must be declared, because an attacker with
    a captured delivery could run it again under a fresh id, or use up the id of another event. ``"id+content"`` loses no event:
    another body cannot use up an id, and equal bodies under two ids both run. But a captured delivery under a fresh id runs as
    well, because it looks like an honest one. ``"content"`` prevents that, but treats two honest events with equal bodies as
    one: it is for providers that send no id at all.
    """

    name: str  #: lower case, for settings and the command line
    title: str = ""  #: the provider's own spelling
    scheme: Scheme
    event_id: Place | None
    event_type: Place | None = None
    id_scope: tuple[
        Place, ...
    ] = ()  #: the scope in which the id is unique (a topic, a subscription, a bot): part of the identity
    nonce: Place | None = None  #: signed and used once, if the signature fits other bodies too: it is accepted with one body only
    identity: Identity | None = None
    tolerance: float = cast("float", None)  #: seconds a signed timestamp may be off, both ways; by default it follows from facts
    json_field: str | None = None  #: the form field that holds the JSON, if the provider also sends forms
    challenge: Challenge | None = None
    batch: Batch | None = None  #: where the events are, if a delivery carries several; each has its own id and type
    envelope: Envelope | None = None  #: how the body is encrypted or wrapped
    acknowledge: Acknowledge | None = None  #: the reply that means success, if a 2xx alone does not
    methods: frozenset[str] = frozenset({"POST"})
    facts: Facts | None = None  #: None if the provider's facts are not written down
    networks_field: str | None = None  #: the field of the list at facts.networks; "" for text; None for a page that people read
    docs: str = ""  #: the provider's own page on its signatures
    note: str = ""  #: what a user must know about the provider
    proof: tuple[Proof, ...] = ()  #: the independent proofs in the tests
    doubt: str = ""  #: what no official source confirms, and what is assumed; empty if everything is confirmed
    secret_shape: str = ""  #: a pattern of the secrets that the provider shows: ``"whsec_[A-Za-z0-9]{32,}"``
    test_shape: str = ""  #: how the secrets of its test mode begin, as a pattern, if they differ from those of the live mode
    not_secrets: tuple[tuple[str, str], ...] = ()  #: how the provider's other credentials begin, as patterns, in words
    stand_ins: tuple[tuple[str, str], ...] = ()  #: fields of the secret, with the values that its own tests are signed with
    probe: Callable[[Delivery], bool] | None = None  #: whether a delivery is its test that wrong signatures are rejected
    #: Whether a body may be a form: then the JSON, the id or the type is in a form field.
    sends_forms: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (
            not isinstance(self.name, str)
            or not self.name
            or self.name != self.name.lower()
            or not self.name.replace("-", "").isalnum()
        ):
            raise ConfigurationError(f"preset name {self.name!r} is not valid: use lower-case letters, digits and hyphens")
        if isinstance(self.scheme, type) or not callable(getattr(self.scheme, "verify", None)):
            raise ConfigurationError(
                f"preset {self.name!r}: scheme is {self.scheme!r}: give one from hookguard.schemes, for example"
                " HmacScheme(signature=SignatureHeader('X-Signature', '{hex}'))"
            )
        if not isinstance(self.id_scope, tuple):
            raise ConfigurationError(f"preset {self.name!r}: id_scope is {self.id_scope!r}: give a tuple of places")
        scope = ((place, "a place of id_scope") for place in self.id_scope)
        for place, what in ((self.event_id, "event_id"), (self.event_type, "event_type"), (self.nonce, "nonce"), *scope):
            if place is not None:
                need_place(place, f"preset {self.name!r}: {what}")
                self._check_secrecy(place, what)
        if self.identity not in (None, "id", "content", "id+content"):
            raise ConfigurationError(
                f"preset {self.name!r}: identity is {self.identity!r}; choose 'id', 'content' or 'id+content'"
            )
        if self.batch is not None and not isinstance(self.batch, Batch):
            raise ConfigurationError(f"preset {self.name!r}: batch is {self.batch!r}; give Batch('path.to.list')")
        for wrong, why in (
            (
                self.identity is None and not self.id_covered,
                (
                    "the signature does not cover the event id, so say what makes two deliveries the same event:"
                    ' identity="id+content" loses none, identity="content" also stops a captured delivery under a fresh id where'
                    ' honest bodies are never equal, and identity="id" believes anyone who can send at all'
                ),
            ),
            (
                self.event_id is None and self.identity != "content",
                'an event without an id needs identity="content"',
            ),
            (
                self.batch is not None and self.event_id is not None and "body" not in self.event_id.parts,
                (
                    "every event of a batch would have the same id, so all but the first would be lost:"
                    " set event_id to a place in the body"
                ),
            ),
        ):
            if wrong:
                raise ConfigurationError(f"preset {self.name!r}: {why}")
        if self.tolerance is None:
            object.__setattr__(self, "tolerance", self.facts.tolerance if self.facts else LEAST_TOLERANCE)
        if isinstance(self.tolerance, bool) or not isinstance(self.tolerance, (int, float)) or not self.tolerance > 0:
            raise ConfigurationError(f"preset {self.name!r}: tolerance is {self.tolerance!r}; give seconds, more than 0")
        reads_form = self.json_field is not None or _reads_form(self.event_id) or _reads_form(self.event_type)
        object.__setattr__(self, "sends_forms", reads_form)

    def _check_secrecy(self, place: Place, what: str) -> None:
        """Reject an id or type that is the token, because logs and stores show it. Signatures in ids are hashed."""
        secret = {getattr(self.scheme, "token", None), getattr(self.scheme, "signature", None)} - {None}
        for each in _leaves(place):
            named = each.header is not None and each.header.lower() in self.scheme.signature_headers
            if each in secret or (named and what == "event_type"):
                raise ConfigurationError(
                    f"preset {self.name!r}: {what} is {in_words(each)}, which holds the token or signature: logs would show it"
                )

    @property
    def confirmed(self) -> bool:
        """Whether an official source confirms the whole scheme; otherwise a Verifier warns."""
        return not self.doubt

    def reading(self, delivery: Delivery, content: bytes | None = None) -> Reading:
        """Return the reading of a verified body, or of the content of its envelope."""
        return Reading(delivery, self.json_field, forms=self.sends_forms, content=content, verified=True)

    def content_type(self, body: bytes) -> str:
        """Return the Content-Type that this provider sends with such a body: a form only if it sends forms."""
        # A scheme that signs forms signs another text over any other body, so a form must not pass for JSON.
        if not body or not self.sends_forms:
            return "application/json"
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return "application/x-www-form-urlencoded"
        return "application/json"

    @property
    def extras(self) -> list[str]:
        """The extras of this package that must be installed, besides the framework's and the store's."""
        needed = {*self.scheme.extras, *(self.envelope.extras if self.envelope else ())}
        # The extra jwt includes crypto.
        return sorted(needed - {"crypto"} if "jwt" in needed else needed)

    @property
    def id_covered(self) -> bool:
        """Whether the signature covers the event id."""
        return self.id_covered_by(self.scheme.covers)

    def id_covered_by(self, covers: frozenset[str]) -> bool:
        """Whether a signature over these parts covers the event id and its scope.

        A covered nonce is accepted with one body only, so it covers the body too.
        """
        if self.nonce is not None and self._covered(self.nonce, covers):
            covers |= {"body"}
        return self.event_id is not None and all(self._covered(place, covers) for place in (self.event_id, *self.id_scope))

    @property
    def nonce_covered(self) -> bool:
        """Whether there is a nonce that the signature covers: anybody could use up any other nonce."""
        return self.nonce is not None and self._covered(self.nonce, self.scheme.covers)

    def vouches_for(self, place: Place) -> bool:
        """Whether the signature covers the value at this place."""
        return self._covered(place, self.scheme.covers)

    @property
    def type_covered(self) -> bool:
        """Whether the signature covers the event type."""
        return self.event_type is not None and self._covered(self.event_type, self.scheme.covers)

    @property
    def body_covered(self) -> bool:
        """Whether the signature covers the body or fields of it; otherwise a captured signature fits any body."""
        return any(part.partition(":")[0] in ("body", "form", "element") for part in self.scheme.covers)

    def _covered(self, place: Place, covers: frozenset[str]) -> bool:
        # The content is always signed.
        if isinstance(place, Content):
            return True
        # A signed URL includes its query.
        if place.parts <= (covers | {"query"} if "url" in covers else covers):
            return True
        # An envelope's content is signed if the whole envelope is one signed field.
        if self.envelope is not None and isinstance(place, (InBody, InXml)):
            sealed = getattr(self.envelope, "place", None)
            return sealed is not None and sealed.exact_part() in covers
        # A signed field counts only if the event parses the same JSON as the scheme: not that of a form field that the scheme
        # does not read.
        alike = getattr(self.scheme, "json_field", self.json_field) == self.json_field
        if alike and place.exact_part(self.batch.each if self.batch else "") in covers:
            return True
        return bool(place.places) and all(self._covered(each, covers) for each in place.places)

    @property
    def oldest_retry(self) -> float:
        """How old the signed timestamp of an honest retry may be, in seconds; 0 if each retry has its own timestamp."""
        return self.facts.oldest_retry if self.facts else 0.0

    @property
    def max_body(self) -> int:
        """How many bytes a body may have; the default of an endpoint's ``max_body``."""
        return self.facts.max_body if self.facts else LEAST_BODY

    @property
    def lease(self) -> float:
        """How long a claim is held, in seconds; the default of an endpoint's ``lease``."""
        return self.facts.lease if self.facts else LEAST_LEASE

    def retention(self, tolerance: float | None) -> float:
        """How long a completed event must be remembered, in seconds: as long as a retry or a captured copy may come.

        A delivery whose timestamp is ``tolerance`` ahead is accepted for twice ``tolerance``.
        """
        return max(self.facts.retention if self.facts else LEAST_RETENTION, 2 * (tolerance or 0.0))

    @property
    def all_methods(self) -> frozenset[str]:
        """Every HTTP method a delivery or a challenge of this provider may use."""
        return self.methods | self.challenge.methods if self.challenge else self.methods

    @hides_arguments
    def sign(
        self,
        body: bytes,
        secret: SecretLike | Iterable[SecretLike],
        *,
        id: str = "",  # noqa: A002 - the field's own word
        type: str = "",  # noqa: A002 - the field's own word
        timestamp: float | None = None,
        url: str = "",
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> Delivery:
        """Return a delivery as the provider would send it: the mirror of verify, for tests and for senders.

        ``id`` and ``type`` go into their headers, if the provider sends them in headers; write those in the body yourself.
        ``timestamp`` is seconds since 1970, now by default. Several secrets make several signatures, as during a rotation, if
        the scheme has room for them. The Content-Type is ``content_type(body)`` unless ``headers`` has one.
        ConfigurationError if this provider could not send such a body.
        """
        moment = time.time() if timestamp is None else timestamp
        carried = dict(headers or {})
        own_type = all(name.lower() != "content-type" for name in carried)
        if own_type:
            carried[CONTENT_TYPE] = self.content_type(body)
        for place, value in ((self.event_type, type), (self.event_id, id)):
            # Of several places the first is the usual one, or the id itself. Other headers are passed by their names.
            header = place.header if place is not None else None
            if value and header and header.lower() not in self.scheme.covers and header not in carried:
                carried[header] = value
        draft = Draft(body, carried, method, url, id or f"msg_{int(moment * 1_000_000):x}", moment)
        keys = make_keys(self, secret)
        try:
            delivery = self.scheme.sign(draft if self.envelope is None else self.envelope.seal(draft, keys[0]), keys)
        except Rejected as error:
            # To sign, schemes parse the body as they do to verify. Here the caller made the mistake, not a sender.
            raise ConfigurationError(f"{self.name} cannot sign this: {error}") from None
        return delivery._replace(headers=SignedHeaders(delivery.headers)) if own_type else delivery


@hides_arguments
def make_keys(preset: Preset, secrets: SecretLike | Iterable[SecretLike]) -> tuple[Key, ...]:
    """Read secrets in the provider's format; ConfigurationError names the wrong one by its position or name."""
    if isinstance(secrets, (str, bytes, Secret, Mapping)) or not isinstance(secrets, Iterable):
        secrets = [cast("SecretLike", secrets)]  # one secret, or an object that Secret rejects with a good message
    scheme = preset.scheme
    keys: list[Key] = []
    for position, given in enumerate(secrets, 1):
        try:
            secret = given if isinstance(given, Secret) else Secret(given)
            secret = secret.fit(scheme.secret_fields, scheme.optional_fields, scheme.naming_fields)
            prepared = scheme.prepare(secret)
            if preset.envelope is not None:
                preset.envelope.check(secret)
        except ConfigurationError as error:
            label = given.name if isinstance(given, Secret) and given.name else f"#{position}"
            mistake = error.with_reason(f"{preset.name} secret {label}: {error}")
            if mistake.check == ConfigurationError.check:
                mistake.check = "S1"
            raise mistake from None
        keys.append(Key(secret.name or f"#{position}", secret, prepared))
    if not keys:
        raise ConfigurationError(f"{preset.name}: secrets are missing: nothing can be verified without one", check="S1")
    names = [key.name for key in keys]
    if len(set(names)) != len(names):
        raise ConfigurationError(f"{preset.name}: two secrets have the name {max(names, key=names.count)!r}")
    return tuple(keys)


def _leaves(place: Place) -> list[Place]:
    return [leaf for each in place.places for leaf in _leaves(each)] or [place]


def _reads_form(place: Place | None) -> bool:
    if place is None or not place.places:
        return isinstance(place, InForm)
    return any(map(_reads_form, place.places))
