"""The interface of every scheme: check a delivery, and sign one the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Union

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedDelivery, MalformedSignature
from hookguard.keys import Wanted
from hookguard.record import Record
from hookguard.secret import Secret, SecretFormat
from hookguard.writing import Writing

__all__ = [
    "Carriers",
    "Draft",
    "FetchingScheme",
    "Key",
    "Scheme",
    "Validity",
    "Verified",
    "in_configured_order",
    "last_match_first",
    "signed_url",
]


class Carriers(NamedTuple):
    """The lower-case names of the headers that a scheme reads."""

    signature: tuple[str, ...] = ()
    timestamp: str = ""
    others: tuple[str, ...] = ()  #: an id, a nonce, and any other header that is signed

    @property
    def all(self) -> tuple[str, ...]:
        """Every one of them."""
        return (*self.signature, *([self.timestamp] if self.timestamp else []), *self.others)


@contextmanager
def signed_url() -> Iterator[None]:
    """Turn MalformedDelivery into MalformedSignature, while a URL is read that is signed or carries the signature."""
    try:
        yield
    except MalformedDelivery as error:
        raise MalformedSignature(str(error)) from None


#: The parts in ``covers`` besides headers and fields.
_NO_HEADER = frozenset({"body", "method", "url", "path", "query"})


@dataclass(frozen=True, slots=True, repr=False)
class Key(Record):
    """One secret made ready for a scheme: ``prepared`` is the scheme's own form of it."""

    name: str
    secret: Secret
    prepared: Any

    def __repr__(self) -> str:
        # ``prepared`` may be the secret's own bytes.
        return f"Key({self.name!r})"


class _LastMatchFirst(tuple[Key, ...]):  # noqa: SLOT001 - a tuple allows no slots beside its items
    """Keys with the one that matched last in front."""

    configured: tuple[Key, ...]


def last_match_first(keys: tuple[Key, ...], name: str) -> tuple[Key, ...]:
    """Return the keys with the one of that name in front; the others stay in the configured order, newest first.

    While secrets are rotated, the older one often signs. To try it second would hash each body twice. The time of a check
    then shows which of the endpoint's own secrets signed last, and nothing about any secret.
    """
    first = next((key for key in keys if key.name == name), keys[0])
    if first is keys[0]:
        return keys
    ordered = _LastMatchFirst((first, *(key for key in keys if key is not first)))
    ordered.configured = keys
    return ordered


def in_configured_order(keys: Sequence[Key]) -> Sequence[Key]:
    """Return the keys newest first, for a delivery that several keys may match: the first one that does is reported."""
    return keys.configured if isinstance(keys, _LastMatchFirst) else keys


#: The result of a check: the name of the secret that matched, and the signed timestamp in seconds since 1970 (None without one).
Verified = tuple[str, Union[float, None]]


#: The first and the last second (since 1970) at which the signed content is valid; None for no limit.
Validity = tuple[Union[float, None], Union[float, None]]


@dataclass(frozen=True, slots=True, repr=False)
class Draft(Record):
    """A delivery to be signed. The scheme puts ``id`` and ``timestamp`` where the provider has them."""

    body: bytes
    headers: dict[str, str]
    method: str = "POST"
    url: str = ""
    id: str = ""
    timestamp: float = 0.0

    def writing(self) -> Writing:
        """Return the delivery for places to write to."""
        return Writing(self.body, self.headers, self.method, self.url)


class Scheme(Protocol):
    """How a signature is made, carried and checked. A scheme is pure: it has no clock and does no I/O.

    A scheme does not check freshness. It returns the signed timestamp, and the verifier checks it. A class that inherits this
    one gets the usual defaults: the secret has one value.
    """

    __slots__ = ()

    #: The fields that a secret must have, and those it may have. A plain text is the first field, if no other is required.
    secret_fields: tuple[str, ...] = ("secret",)
    optional_fields: tuple[str, ...] = ()
    #: The fields that only name something, such as an app or an account. They may look like a dotted path.
    naming_fields: tuple[str, ...] = ()
    #: How the provider shows the secret.
    secret_format: SecretFormat = "text"
    #: The signed parts: ``"body"``, ``"method"``, a lower-case header name, ``"url"``, ``"path"`` or ``"query"``.
    #: ``"url"`` is the whole public URL: the endpoint must configure it, because no framework knows it. A scheme that signs
    #: fields names each one: ``"body:data.id"``, ``"form:id"``, ``"query:id"``, ``"element:Encrypt"`` (XML). The field of every
    #: member of a list is ``"body:items[*].id"``. A field in one of two places is ``"body:id, else form:id"``. The claims of a
    #: token in a header are ``"token:authorization"``.
    covers: frozenset[str] = frozenset()
    #: Whether the signature covers a timestamp.
    signs_timestamp: bool = False
    #: Whether no text separates the timestamp from its neighbour in the signed text, so that digits could move between them.
    #: Then a timestamp must have as many digits as the current time has, even if a delivery may have any age.
    bare_timestamp: bool = False
    #: Whether ``verify`` may get the key that matched last in front. It must report the same secret as without this: so if a
    #: delivery carries several signatures, it uses ``in_configured_order``.
    tries_last_match_first: bool = False
    #: The lower-case header that every genuine delivery has. A delivery without it is rejected before its body is read.
    required_header: str | None = None

    @property
    def signature_headers(self) -> frozenset[str]:
        """The lower-case names of headers that carry a signature or token. Logs and stores never hold their values."""
        return frozenset({self.required_header}) if self.required_header else frozenset()

    @property
    def carriers(self) -> Carriers:
        """The headers that carry the signature, the timestamp and other signed values. By default they follow from ``covers``."""
        signature = sorted(self.signature_headers, key=lambda name: (name != self.required_header, name))
        signed = sorted(part for part in self.covers if ":" not in part and part not in _NO_HEADER and part not in signature)
        # A scheme that has a place for the timestamp names its header.
        placed = getattr(getattr(self, "timestamp", None), "header", None)
        timestamp = placed.lower() if placed else next((name for name in signed if "time" in name), "")
        return Carriers(tuple(signature), timestamp, tuple(name for name in signed if name != timestamp))

    def says_of_itself(self, delivery: Delivery) -> Mapping[str, str]:
        """Return the delivery's values for fields of the secret that only name something, such as a topic. None is verified.

        Only for :mod:`hookguard.autopsy`: it distinguishes a delivery for another account from a forged one.
        """
        return {}

    def expected(self, delivery: Delivery, key: Key) -> tuple[str, ...]:
        """Return the signatures that the key makes of the delivery, as its header would carry them; empty if that is unknown.

        Only for :mod:`hookguard.autopsy`, which compares them. They are never logged.
        """
        return ()

    #: The extras of hookguard that the scheme needs.
    extras: tuple[str, ...] = ()
    #: Whether the secret is the provider's public key. Tests give a private key instead, to sign.
    signs_privately: bool = False

    @property
    def where(self) -> str:
        """Where a delivery carries the signature, for the table of providers."""
        return f"header `{self.required_header}`" if self.required_header else type(self).__name__

    @property
    def what(self) -> str:
        """How the signature is made, and from which content, for the table of providers."""
        return type(self).__name__

    def prepare(self, secret: Secret) -> Any:
        """Make a secret ready for use; ConfigurationError if this scheme cannot use it."""

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the delivery against the keys, in order; raise SignatureRejected or another Rejected."""

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with every key. Several keys need a scheme that carries several signatures."""

    def content(self, delivery: Delivery) -> bytes:
        """Return the signed content of a verified delivery: the body, unless one signature fits several bodies.

        Its digest is the identity ``content``. So deliveries with the same signed content must return the same bytes.
        """
        return delivery.body


class FetchingScheme(Scheme, Protocol):
    """A scheme that needs a key which the provider publishes. The scheme names the key and the guard fetches it."""

    __slots__ = ()

    extras: tuple[str, ...] = ("crypto", "fetch")

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted | None:
        """Return the key that the delivery needs, or None if it needs no key.

        Raises UntrustedKeySource for an address that is not the provider's. It may raise any other Rejected that needs no key.
        """

    def verify(self, delivery: Delivery, keys: Sequence[Key], found: Any = None) -> Verified:
        """Check the delivery with the fetched key."""

    def sources(self, keys: Sequence[Key]) -> tuple[str, ...]:
        """Return the addresses of its keys, as far as they are known without a delivery: for :mod:`hookguard.doctor`."""
        return ()

    def check_key_name(self, name: str) -> None:
        """Raise ConfigurationError or UntrustedKeySource unless ``wants`` could ask for a key of this name (its ``id``)."""

    def read_pinned_key(self, text: str | bytes) -> Any:
        """Read a key that the operator pins, for ``verify``; ConfigurationError if it is not valid."""
        raise ConfigurationError(f"{type(self).__name__} does not support pinned keys: remove pinned_keys")
