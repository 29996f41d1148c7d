"""A ready scheme for one provider, with where its id and type live, its challenge and how it delivers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Union

from hookguard.batch import Batch
from hookguard.challenge import Challenge
from hookguard.delivery import Delivery
from hookguard.envelope import Envelope
from hookguard.errors import ConfigurationError, Rejected
from hookguard.event import Event
from hookguard.place import FirstOf, InBody, InForm, InHeader, InXml, Joined, Place, exact_part, need_place
from hookguard.profile import LEAST_LEASE, LEAST_RETENTION, Profile
from hookguard.reply import Reply
from hookguard.schemes.base import Draft, Key, Scheme
from hookguard.secret import Secret, SecretLike

__all__ = ["Identity", "Preset", "Proof", "make_keys"]

#: What makes two deliveries the same event: its id, its content, or both.
Identity = Literal["id", "content", "id+content"]

#: The answer to an event that was handled, now or before: always the same, or made for the event with the key that matched.
Acknowledge = Union[Reply, Callable[[Event, Key], Reply]]

#: What shows that a preset is right, besides ourselves: a published vector, or the provider's official package.
Proof = Literal["vector", "sdk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Everything hookguard knows of a provider, as data that serves verifying and signing alike.

    ``identity`` follows from the scheme where the signature covers the id. Where it does not, someone who captured one
    delivery could run it again under a fresh id, or burn the id of another event; then it must be declared:
    ``"content"`` where honest bodies are never equal, ``"id+content"`` where they can be (this keeps ids from being
    burnt; a captured delivery under a fresh id then still runs, as nothing in it tells it from an honest one).
    """

    name: str  #: lower case, for settings and the command line
    title: str = ""  #: as the provider writes itself
    scheme: Scheme
    event_id: Place | None
    event_type: Place | None = None
    identity: Identity | None = None
    tolerance: float = 300.0  #: seconds a signed timestamp may be off, both ways
    json_field: str | None = None  #: the form field that holds the JSON, where the provider also sends forms
    challenge: Challenge | None = None
    batch: Batch | None = None  #: where the events are, if a delivery carries several; id and type are then each event's own
    envelope: Envelope | None = None  #: what the body is encrypted or wrapped in
    acknowledge: Acknowledge | None = None  #: what success must look like, where a 2xx alone is none
    methods: frozenset[str] = frozenset({"POST"})
    profile: Profile | None = None  #: None for a provider nobody has written the facts down for
    docs: str = ""  #: the provider's own page on its signatures
    note: str = ""  #: what a user must know and would not guess
    proof: tuple[Proof, ...] = ()  #: what judges it in the tests that we did not write
    doubt: str = ""  #: what no official source confirms, and what was assumed; empty where everything is confirmed

    def __post_init__(self) -> None:
        if (
            not isinstance(self.name, str)
            or not self.name
            or self.name != self.name.lower()
            or not self.name.replace("-", "").isalnum()
        ):
            raise ConfigurationError(f"preset name {self.name!r}: use lower-case letters, digits and hyphens")
        if isinstance(self.scheme, type) or not callable(getattr(self.scheme, "verify", None)):
            raise ConfigurationError(
                f"preset {self.name!r}: scheme is {self.scheme!r}: make one of those in hookguard.schemes, for example"
                " HmacScheme(signature=SignatureHeader('X-Signature', '{hex}'))"
            )
        for place, what in ((self.event_id, "event_id"), (self.event_type, "event_type")):
            if place is not None:
                need_place(place, f"preset {self.name!r}: {what}")
        if self.identity not in (None, "id", "content", "id+content"):
            raise ConfigurationError(
                f"preset {self.name!r}: identity is {self.identity!r}; choose 'id', 'content' or 'id+content'"
            )
        if self.batch is not None and not isinstance(self.batch, Batch):
            raise ConfigurationError(f"preset {self.name!r}: batch is {self.batch!r}; give Batch('path.to.list')")
        if self.identity is None and not self.id_covered:
            raise ConfigurationError(
                f"preset {self.name!r}: the signature does not cover the event id, so say what makes two deliveries the"
                ' same event: identity="content" where honest bodies are never equal, identity="id+content" where they'
                ' can be, or identity="id" if whoever can send at all may be believed'
            )
        if self.event_id is None and self.identity != "content":
            raise ConfigurationError(f'preset {self.name!r}: an event without an id needs identity="content"')
        if self.batch is not None and self.event_id is not None and "body" not in self.event_id.parts:
            raise ConfigurationError(
                f"preset {self.name!r}: every event of a batch would have the same id, so all but the first were lost:"
                " look for it in the body"
            )
        if isinstance(self.tolerance, bool) or not isinstance(self.tolerance, (int, float)) or not self.tolerance > 0:
            raise ConfigurationError(f"preset {self.name!r}: tolerance is {self.tolerance!r}; give seconds, more than 0")

    @property
    def confirmed(self) -> bool:
        """Whether an official source confirms the whole scheme; a Verifier warns where none does."""
        return not self.doubt

    @property
    def sends_forms(self) -> bool:
        """Whether a body may be a form: the JSON, the id or the type is looked for in a field of one."""
        return self.json_field is not None or _reads_form(self.event_id) or _reads_form(self.event_type)

    @property
    def extras(self) -> list[str]:
        """The extras of ours that must be installed for it, beside the framework's and the store's."""
        needed = {*self.scheme.extras, *(self.envelope.extras if self.envelope else ())}
        # Tokens bring what public keys need.
        return sorted(needed - {"crypto"} if "jwt" in needed else needed)

    @property
    def id_covered(self) -> bool:
        """Whether the signature covers the event id."""
        return self.id_covered_by(self.scheme.covers)

    def id_covered_by(self, covers: frozenset[str]) -> bool:
        """Whether a signature over these parts covers the event id."""
        return self.event_id is not None and self._covered(self.event_id, covers)

    @property
    def type_covered(self) -> bool:
        """Whether the signature covers the event type."""
        return self.event_type is not None and self._covered(self.event_type, self.scheme.covers)

    @property
    def body_covered(self) -> bool:
        """Whether the signature covers the body or fields of it; else whoever has it can send anything with it."""
        return any(part.partition(":")[0] in ("body", "form", "element") for part in self.scheme.covers)

    def _covered(self, place: Place, covers: frozenset[str]) -> bool:
        # A whole URL has its query in it.
        if place.parts <= (covers | {"query"} if "url" in covers else covers):
            return True
        # What an envelope holds is signed where all of it is one signed field.
        if self.envelope is not None and isinstance(place, (InBody, InXml)):
            return exact_part(getattr(self.envelope, "place", None)) in covers
        # A signed field is the event's own where the event reads what the scheme read: not the JSON of a form field that the
        # scheme does not know of.
        alike = getattr(self.scheme, "json_field", self.json_field) == self.json_field
        if alike and exact_part(place, self.batch.each if self.batch else "") in covers:
            return True
        return isinstance(place, (FirstOf, Joined)) and all(self._covered(each, covers) for each in place.places)

    @property
    def lease(self) -> float:
        """How long a claim holds, in seconds, unless an endpoint says otherwise."""
        return self.profile.lease if self.profile else LEAST_LEASE

    def retention(self, tolerance: float | None) -> float:
        """How long a completed event must be remembered, in seconds: while its provider or a captured copy may come again.

        A delivery dated ahead as far as ``tolerance`` allows is accepted for twice that.
        """
        return max(self.profile.retention if self.profile else LEAST_RETENTION, 2 * (tolerance or 0.0))

    @property
    def all_methods(self) -> frozenset[str]:
        """Every HTTP method a delivery or a challenge of this provider may use."""
        return self.methods | self.challenge.methods if self.challenge else self.methods

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
        """Return a delivery just as the provider would send it: the mirror of verify, for tests and for senders.

        ``id`` and ``type`` go into their headers, where the provider carries them there; those in the body are yours to
        write. ``timestamp`` is seconds since 1970, now by default. Several secrets make several signatures, as a
        provider sends them while a secret is being rotated, where the scheme has room for them. ConfigurationError when
        the body is not one that this provider could send.
        """
        moment = time.time() if timestamp is None else timestamp
        carried = dict(headers or {})
        for place, value in ((self.event_type, type), (self.event_id, id)):
            for header in _headers(place):
                if value and header.lower() not in self.scheme.covers and header not in carried:
                    carried[header] = value
        draft = Draft(body, carried, method, url, id or f"msg_{int(moment * 1_000_000):x}", moment)
        keys = make_keys(self, secret)
        try:
            return self.scheme.sign(draft if self.envelope is None else self.envelope.seal(draft, keys[0]), keys)
        except Rejected as error:
            # To sign, schemes read the body as they do to verify; here nobody sent anything that could be refused.
            raise ConfigurationError(f"{self.name} cannot sign this: {error}") from None


def make_keys(preset: Preset, secrets: SecretLike | Iterable[SecretLike]) -> tuple[Key, ...]:
    """Read secrets as the preset's provider shows them; ConfigurationError says which one is wrong, by position or name."""
    if isinstance(secrets, (str, bytes, Secret)) or secrets is None:
        secrets = [secrets]
    keys: list[Key] = []
    for position, given in enumerate(secrets, 1):
        try:
            secret = given if isinstance(given, Secret) else Secret(given)
            secret = secret.fit(preset.scheme.secret_fields, preset.scheme.optional_fields)
            prepared = preset.scheme.prepare(secret)
            if preset.envelope is not None:
                preset.envelope.check(secret)
        except ConfigurationError as error:
            label = given.name if isinstance(given, Secret) and given.name else f"#{position}"
            raise ConfigurationError(f"{preset.name} secret {label}: {error}") from None
        keys.append(Key(secret.name or f"#{position}", secret, prepared))
    if not keys:
        raise ConfigurationError(f"{preset.name}: no secret given; nothing can be verified without one")
    names = [key.name for key in keys]
    if len(set(names)) != len(names):
        raise ConfigurationError(f"{preset.name}: two secrets are called {max(names, key=names.count)!r}")
    return tuple(keys)


def _headers(place: Place | None) -> list[str]:
    if isinstance(place, InHeader):
        return [place.name]
    if isinstance(place, (FirstOf, Joined)):
        # The first is the usual one, or the id itself; the others are filled by their own names.
        return _headers(place.places[0])
    return []


def _reads_form(place: Place | None) -> bool:
    if isinstance(place, (FirstOf, Joined)):
        return any(map(_reads_form, place.places))
    return isinstance(place, InForm)
