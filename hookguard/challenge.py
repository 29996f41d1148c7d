"""Deliveries that only want an answer which proves the URL is ours: the handshakes of providers, as data.

Some come signed, some before anything is signed. Whoever can reach the URL can ask for the answer to an unsigned one, so
what is sent back is held to a strict shape: no markup, no header break, and nothing that an event's signature could cover.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from hmac import compare_digest
from typing import Final, NamedTuple, Protocol, Union

from hookguard.delivery import Delivery
from hookguard.documents import Reading
from hookguard.errors import MalformedBody, MalformedDelivery, SignatureMismatch, UntrustedKeySource
from hookguard.event import Event
from hookguard.keys import MAX_URL, Wanted
from hookguard.place import Place, Readable, in_words
from hookguard.reply import Reply
from hookguard.schemes.base import Key

__all__ = ["TOKEN", "Answer", "AnyOf", "Challenge", "Computed", "Confirmation", "Echo", "Fixed", "NewSecret", "Offer", "Visit"]

#: What a token may be unless a challenge says otherwise.
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)

#: Bytes of a body that are looked into before its signature was checked. Handshakes are small.
LARGEST_UNSIGNED: Final = 4096


class Offer(NamedTuple):
    """A secret that the provider hands over: the reply is sent only if the endpoint's ``accept_secret`` takes it."""

    secret: str
    reply: Reply

    def __repr__(self) -> str:
        return "Offer()"


class Visit(NamedTuple):
    """An address that is fetched before the reply is sent, if the endpoint says ``confirm_subscription``."""

    address: Wanted
    reply: Reply

    def __repr__(self) -> str:
        return "Visit()"


#: What a challenge asks for: an answer, that a secret is taken, or that an address is visited; None when it is no challenge.
Answer = Union[Reply, Offer, Visit, None]


class Challenge(Protocol):
    """A provider's handshake. A class that inherits this one answers nothing, until it says what."""

    __slots__ = ()

    #: HTTP methods the handshake uses.
    methods: frozenset[str] = frozenset({"POST"})
    #: Whether the handshake carries no signature, so that a delivery without one may still be answered.
    comes_unsigned: bool = False
    #: Whether the answer to an unsigned one takes the endpoint's keys: a tenant's are looked up first.
    needs_keys: bool = False
    #: Whether the handshake may hand over a new secret.
    offers_secret: bool = False
    #: Whether the handshake may ask for an address to be fetched.
    confirms: bool = False

    def unsigned(self, delivery: Delivery, keys: Sequence[Key]) -> Answer:
        """Answer a handshake that carries no signature; None when the delivery is not one.

        ``keys`` are those that are valid now, the newest first, or none where ``needs_keys`` is False.
        """
        return None

    def signed(self, event: Event, key: Key) -> Answer:
        """Answer a handshake that was verified like any event; ``key`` is the one that matched."""
        return None


class _Matched(Challenge):
    """What is common to challenges that are known by what stands where."""

    __slots__ = ()

    method: str
    when: Mapping[Place, str]
    alone: bool
    comes_unsigned: bool

    @property
    def methods(self) -> frozenset[str]:  # type: ignore[override]
        """The one method the handshake uses."""
        return frozenset({self.method})

    def unsigned(self, delivery: Delivery, keys: Sequence[Key]) -> Answer:
        """Answer before the signature is checked, where the provider does not sign this."""
        if not self.comes_unsigned or delivery.method != self.method or len(delivery.body) > LARGEST_UNSIGNED:
            return None
        reading = Reading(delivery)
        return self._answer(reading, keys) if self._is_asked(reading, delivery.body) else None

    def signed(self, event: Event, key: Key) -> Answer:
        """Answer once the signature was checked, where the provider signs this."""
        if self.comes_unsigned or event.method != self.method or not self._is_asked(event, event.content):
            return None
        return self._answer(event, (key,))

    def _is_asked(self, reading: Readable, body: bytes) -> bool:
        for place, value in self.when.items():
            # Looking for the word first spares the parsing of every other event.
            if place.parts == {"body"} and value.encode() not in body:
                return False
        try:
            if any(place.find(reading) != value for place, value in self.when.items()):
                return False
            document = reading.document() if self.alone else None
        except MalformedBody:
            return False  # not a handshake; what else it is the signature decides
        return not self.alone or (isinstance(document, dict) and len(document) == 1)

    def _answer(self, reading: Readable, keys: Sequence[Key]) -> Answer:
        raise NotImplementedError


def _token(place: Place, shape: re.Pattern[str], reading: Readable) -> str | None:
    try:
        token = place.find(reading)
    except MalformedBody:
        return None
    if token is not None and not shape.fullmatch(token):
        raise MalformedDelivery(f"the challenge at {in_words(place)} is not of the shape that is sent back ({shape.pattern})")
    return token


@dataclass(frozen=True, slots=True)
class Echo(_Matched):
    """A token that is to be sent back: as text, in ``as_field`` of a JSON object, or in the header ``as_header``.

    It is asked for by ``method``, when every place of ``when`` holds its value (and the token is ``alone`` in the body).
    ``proof`` names a place and the secret's field it must equal, for providers that show who they are that way instead of
    signing. A token of another ``shape`` is refused with MalformedDelivery, a wrong proof with SignatureMismatch.
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
        # A browser must not take it for a page.
        return Reply.text(200, token, ("X-Content-Type-Options", "nosniff"), *self.headers)


def _check(proof: tuple[Place, str], reading: Readable, keys: Sequence[Key]) -> None:
    place, name = proof
    came = (place.find(reading) or "").encode("utf-8", "surrogatepass")
    known = [key.secret.field(name).encode() for key in keys if key.secret.has(name)]
    if not known:
        raise SignatureMismatch(f"a challenge came, and the endpoint's secret holds no {name}: configure it to answer")
    if not any(compare_digest(came, value) for value in known):
        raise SignatureMismatch(f"the challenge's {in_words(place)} is not the {name} of this endpoint")


@dataclass(frozen=True, slots=True)
class Fixed(_Matched):
    """An answer that is always the same: a probe with HEAD, a ping that wants a pong."""

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
    """An answer made of a token and the key: ``answer(token, key)``, with the newest key where nothing is signed.

    Whoever can ask gets something made with the secret, so ``shape`` must leave out everything an event's signature could
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
    """A first delivery that brings the secret of all later ones, sent back in ``as_header`` where the provider wants it.

    Anyone can send one, so it is answered only where the endpoint's ``accept_secret`` takes it, which must be for as long
    as a registration is under way and no longer.
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
        return Offer(secret, Reply(200, ((self.as_header, secret),) if self.as_header else ()))


@dataclass(frozen=True, slots=True)
class Confirmation(_Matched):
    """A subscription that begins when the address in the verified delivery is fetched, if the endpoint asks for that.

    Otherwise it is answered all the same and logged. An address that ``trusted`` does not match from end to end is refused
    with UntrustedKeySource: it must leave no host to choose.
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
            raise UntrustedKeySource("the address to confirm the subscription at is not the provider's: nothing was fetched")
        return Visit(Wanted(url, "confirmation", _confirmed), self.reply)


def _confirmed(*_: object) -> Mapping[str, bool]:
    """That it could be had is all there is to know."""
    return {"confirmation": True}


class AnyOf(Challenge):
    """Several challenges of one provider: the first that is meant answers."""

    __slots__ = ("challenges", "comes_unsigned", "confirms", "methods", "needs_keys", "offers_secret")

    def __init__(self, *challenges: Challenge) -> None:
        self.challenges = challenges
        self.methods = frozenset().union(*(challenge.methods for challenge in challenges))
        self.comes_unsigned = any(challenge.comes_unsigned for challenge in challenges)
        self.needs_keys = any(challenge.needs_keys for challenge in challenges if challenge.comes_unsigned)
        self.confirms = any(challenge.confirms for challenge in challenges)
        self.offers_secret = any(challenge.offers_secret for challenge in challenges)

    def unsigned(self, delivery: Delivery, keys: Sequence[Key]) -> Answer:
        """Return the first answer there is."""
        return next((answer for each in self.challenges if (answer := each.unsigned(delivery, keys)) is not None), None)

    def signed(self, event: Event, key: Key) -> Answer:
        """Return the first answer there is."""
        return next((answer for each in self.challenges if (answer := each.signed(event, key)) is not None), None)

    def __repr__(self) -> str:
        return f"AnyOf({', '.join(map(repr, self.challenges))})"
