"""Handshakes of providers, as data: deliveries that ask for an answer to prove that the URL is ours.

Some are signed, some are not. Anybody who reaches the URL can send an unsigned one. So the answer has a strict shape: no
markup, no line break in a header, and nothing that an event's signature could cover.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from hmac import compare_digest
from typing import Final, Protocol, Union

from hookguard.bodies import Reading
from hookguard.delivery import Delivery
from hookguard.errors import MalformedBody, MalformedDelivery, SignatureMismatch, UntrustedKeySource
from hookguard.event import Event
from hookguard.keys import MAX_URL, Wanted
from hookguard.place import Place, Readable, in_words
from hookguard.record import Record
from hookguard.reply import Reply
from hookguard.schemes.base import Key

__all__ = [
    "TOKEN",
    "Answer",
    "AnyOf",
    "Challenge",
    "Computed",
    "Confirmation",
    "Echo",
    "FetchFirst",
    "Fixed",
    "NewSecret",
    "SecretOffer",
]

#: The shape of a token by default.
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)

#: The largest body, in bytes, that is parsed as an unsigned handshake. Handshakes are small.
LARGEST_UNSIGNED: Final = 4096


@dataclass(frozen=True, slots=True, repr=False)
class SecretOffer(Record):
    """A secret from the provider: the reply is sent only if the endpoint's ``accept_secret`` accepts it."""

    secret: str
    reply: Reply

    def __repr__(self) -> str:
        return "SecretOffer()"


@dataclass(frozen=True, slots=True, repr=False)
class FetchFirst(Record):
    """An address to fetch before the reply is sent, if the endpoint has ``confirm_subscription``."""

    address: Wanted
    reply: Reply

    def __repr__(self) -> str:
        return "FetchFirst()"


#: A challenge asks for a reply, for a secret to be accepted, or for an address to be fetched; None if it is not a challenge.
Answer = Union[Reply, SecretOffer, FetchFirst, None]


class Challenge(Protocol):
    """A provider's handshake. By default a subclass answers nothing."""

    __slots__ = ()

    #: The handshake's HTTP methods.
    methods: frozenset[str] = frozenset({"POST"})
    #: Whether the handshake carries no signature, so that a delivery without one may still be answered.
    comes_unsigned: bool = False
    #: Whether the answer to an unsigned handshake needs the endpoint's keys: a tenant's are looked up first.
    needs_keys: bool = False
    #: Whether the handshake may bring a new secret.
    offers_secret: bool = False
    #: Whether the handshake may ask for an address to be fetched.
    confirms: bool = False

    def unsigned(self, delivery: Delivery, keys: Sequence[Key]) -> Answer:
        """Answer an unsigned handshake; None if the delivery is not one.

        ``keys`` are the keys that are valid now, newest first; empty if ``needs_keys`` is False.
        """
        return None

    def signed(self, event: Event, key: Key) -> Answer:
        """Answer a handshake that was verified like an event; ``key`` is the key that matched. None if it is not a handshake."""
        return None


class _Matched(Challenge):
    """A challenge that is recognized by its method and by values at places."""

    __slots__ = ()

    method: str
    when: Mapping[Place, str]
    alone: bool
    comes_unsigned: bool

    @property
    def methods(self) -> frozenset[str]:  # type: ignore[override]
        """The handshake's only method."""
        return frozenset({self.method})

    def unsigned(self, delivery: Delivery, keys: Sequence[Key]) -> Answer:
        """Answer before the signature is checked, if the provider does not sign the handshake."""
        if not self.comes_unsigned or delivery.method != self.method or len(delivery.body) > LARGEST_UNSIGNED:
            return None
        reading = Reading(delivery)
        return self._answer(reading, keys) if self._is_asked(reading, delivery.body) else None

    def signed(self, event: Event, key: Key) -> Answer:
        """Answer after the signature was checked, if the provider signs the handshake."""
        if self.comes_unsigned or event.method != self.method or not self._is_asked(event, event.content):
            return None
        answer = self._answer(event, (key,))
        if answer is None and self.when and not event.is_named:
            # Its content is that of a handshake, and no id shows that it is an event.
            raise MalformedDelivery("the challenge has no token to send back")
        return answer

    def _is_asked(self, reading: Readable, body: bytes) -> bool:
        for place, value in self.when.items():
            # Searching for the value first avoids parsing every other event.
            if place.parts == {"body"} and value.encode() not in body:
                return False
        try:
            if any(place.find(reading) != value for place, value in self.when.items()):
                return False
            document = reading.document() if self.alone else None
        except MalformedBody:
            return False  # not a handshake; the signature decides about it
        return not self.alone or (isinstance(document, dict) and len(document) == 1)

    def _answer(self, reading: Readable, keys: Sequence[Key]) -> Answer:
        raise NotImplementedError


def _token(place: Place, shape: re.Pattern[str], reading: Readable) -> str | None:
    try:
        token = place.find(reading)
    except MalformedBody:
        return None
    if token is not None and not shape.fullmatch(token):
        raise MalformedDelivery(f"the challenge at {in_words(place)} does not have the shape of a token ({shape.pattern})")
    return token


@dataclass(frozen=True, slots=True)
class Echo(_Matched):
    """A token to send back: as text, in ``as_field`` of a JSON object, or in the header ``as_header``.

    A delivery is this handshake if it uses ``method``, and every place of ``when`` holds its value (and the token is ``alone``
    in the body). ``proof`` names a place and the field of the secret that it must equal, for providers that prove their
    identity this way instead of signing. A token of another ``shape`` raises MalformedDelivery, a wrong proof
    SignatureMismatch.
    """

    token: Place
    _: KW_ONLY
    method: str = "POST"
    when: Mapping[Place, str] = field(default_factory=dict)
    alone: bool = False
    comes_unsigned: bool = False
    proof: tuple[Place, str] | None = None
    shape: re.Pattern[str] = TOKEN
    as_field: str = ""
    as_header: str = ""
    headers: tuple[tuple[str, str], ...] = ()  #: sent with the answer

    @property
    def needs_keys(self) -> bool:  # type: ignore[override]
        """Whether there is a proof to compare."""
        return self.proof is not None

    def _answer(self, reading: Readable, keys: Sequence[Key]) -> Answer:
        token = _token(self.token, self.shape, reading)
        if token is None:
            return None
        if self.proof is not None:
            _check(self.proof, reading, keys)
        if self.as_field:
            return Reply.json(200, {self.as_field: token}, *self.headers)
        if self.as_header:
            return Reply(200, ((self.as_header, token), *self.headers))
        # A browser must not render it as a page.
        return Reply.text(200, token, ("X-Content-Type-Options", "nosniff"), *self.headers)


def _check(proof: tuple[Place, str], reading: Readable, keys: Sequence[Key]) -> None:
    place, name = proof
    came = (place.find(reading) or "").encode("utf-8", "surrogatepass")
    known = [key.secret.field(name).encode() for key in keys if key.secret.has(name)]
    if not known:
        raise SignatureMismatch(
            f"the delivery is a challenge, and the endpoint's secret has no {name} to check it with: configure it"
        )
    if not any(compare_digest(came, value) for value in known):
        raise SignatureMismatch(f"the challenge's {in_words(place)} is not the {name} of this endpoint")


@dataclass(frozen=True, slots=True)
class Fixed(_Matched):
    """An answer that is always the same, for example to a HEAD probe or a ping."""

    reply: Reply
    _: KW_ONLY
    method: str = "POST"
    when: Mapping[Place, str] = field(default_factory=dict)
    alone: bool = False
    comes_unsigned: bool = False

    def _answer(self, reading: Readable, keys: Sequence[Key]) -> Answer:
        return self.reply


@dataclass(frozen=True, slots=True)
class Computed(_Matched):
    """An answer made of a token and the key: ``answer(token, key)``, with the newest key if nothing is signed.

    Anybody who can ask gets a text made with the secret. So ``shape`` must exclude everything that an event's signature could
    cover.
    """

    token: Place
    _: KW_ONLY
    answer: Callable[[str, Key], Reply]
    shape: re.Pattern[str] = TOKEN
    method: str = "POST"
    when: Mapping[Place, str] = field(default_factory=dict)
    alone: bool = False
    comes_unsigned: bool = False
    needs_keys: bool = field(default=True, init=False)

    def _answer(self, reading: Readable, keys: Sequence[Key]) -> Answer:
        token = _token(self.token, self.shape, reading)
        return self.answer(token, keys[0]) if token is not None and keys else None


@dataclass(frozen=True, slots=True)
class NewSecret(_Matched):
    """A first delivery that brings the secret of all later ones. ``as_header`` sends it back, if the provider requires that.

    Anybody can send one. So it is answered only if the endpoint's ``accept_secret`` accepts the secret, which it must do only
    while a registration is under way.
    """

    token: Place
    _: KW_ONLY
    as_header: str = ""
    shape: re.Pattern[str] = TOKEN
    method: str = "POST"
    when: Mapping[Place, str] = field(default_factory=dict)
    alone: bool = False
    comes_unsigned: bool = field(default=True, init=False)
    offers_secret: bool = field(default=True, init=False)

    def _answer(self, reading: Readable, keys: Sequence[Key]) -> Answer:
        secret = _token(self.token, self.shape, reading)
        if secret is None:
            return None
        return SecretOffer(secret, Reply(200, ((self.as_header, secret),) if self.as_header else ()))


@dataclass(frozen=True, slots=True)
class Confirmation(_Matched):
    """A subscription that begins when the address in the verified delivery is fetched.

    It is fetched if the endpoint has ``confirm_subscription``; otherwise the delivery is only answered and logged. An address
    that ``trusted`` does not match as a whole raises UntrustedKeySource. The pattern must fix the host.
    """

    token: Place
    _: KW_ONLY
    trusted: re.Pattern[str]
    reply: Reply = Reply(200)  # noqa: RUF009 - frozen
    method: str = "POST"
    when: Mapping[Place, str] = field(default_factory=dict)
    alone: bool = False
    comes_unsigned: bool = field(default=False, init=False)
    confirms: bool = field(default=True, init=False)

    def _answer(self, reading: Readable, keys: Sequence[Key]) -> Answer:
        url = self.token.find(reading)
        if url is None:
            return None
        if len(url) > MAX_URL or not self.trusted.fullmatch(url):
            raise UntrustedKeySource("the address that confirms the subscription is not the provider's: nothing was fetched")
        return FetchFirst(Wanted(url, "confirmation", _confirmed, known=True), self.reply)


def _confirmed(*_: object) -> Mapping[str, bool]:
    """Return the key of every confirmation: only the success of the fetch counts."""
    return {"confirmation": True}


class AnyOf(Challenge):
    """Several challenges of one provider: the first that recognizes the delivery answers."""

    __slots__ = ("challenges", "comes_unsigned", "confirms", "methods", "needs_keys", "offers_secret")

    def __init__(self, *challenges: Challenge) -> None:
        self.challenges = challenges
        self.methods = frozenset().union(*(challenge.methods for challenge in challenges))
        self.comes_unsigned = any(challenge.comes_unsigned for challenge in challenges)
        self.needs_keys = any(challenge.needs_keys for challenge in challenges if challenge.comes_unsigned)
        self.confirms = any(challenge.confirms for challenge in challenges)
        self.offers_secret = any(challenge.offers_secret for challenge in challenges)

    def unsigned(self, delivery: Delivery, keys: Sequence[Key]) -> Answer:
        """Return the first challenge's answer that is not None."""
        return next((answer for each in self.challenges if (answer := each.unsigned(delivery, keys)) is not None), None)

    def signed(self, event: Event, key: Key) -> Answer:
        """Return the first challenge's answer that is not None."""
        return next((answer for each in self.challenges if (answer := each.signed(event, key)) is not None), None)

    def __repr__(self) -> str:
        return f"AnyOf({', '.join(map(repr, self.challenges))})"
