"""What every scheme can do: check a delivery, and sign one the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, Union

from hookguard.delivery import Delivery
from hookguard.keys import Wanted
from hookguard.secret import Secret, SecretFormat

__all__ = ["Draft", "FetchingScheme", "Key", "Scheme", "Validity", "Verified"]


class Key(NamedTuple):
    """One secret made ready for a scheme: ``prepared`` is whatever the scheme works with."""

    name: str
    secret: Secret
    prepared: Any

    def __repr__(self) -> str:
        # What is prepared may be the secret's own bytes.
        return f"Key({self.name!r})"


#: What a scheme found: the name of the secret that matched, and the signed timestamp in seconds since 1970 if there is one.
Verified = tuple[str, Union[float, None]]


#: Seconds since 1970 before and after which what was signed does not hold; None where it says nothing.
Validity = tuple[Union[float, None], Union[float, None]]


class Draft(NamedTuple):
    """A delivery about to be signed; ``id`` and ``timestamp`` go where the scheme carries them."""

    body: bytes
    headers: dict[str, str]
    method: str = "POST"
    url: str = ""
    id: str = ""
    timestamp: float = 0.0


class Scheme(Protocol):
    """How a signature is made, carried and checked. Pure: bytes in, a verdict out; no clock, no I/O.

    Freshness is not judged here: the scheme only says which timestamp was signed. A class that inherits this one gets what
    is usual: a secret of one value, and no more.
    """

    __slots__ = ()

    #: The values a secret must have, and those it may have besides. One value alone is the first, if only that is needed.
    secret_fields: tuple[str, ...] = ("secret",)
    optional_fields: tuple[str, ...] = ()
    #: How the provider shows the secret.
    secret_format: SecretFormat = "text"
    #: What the signature covers: ``"body"``, ``"method"``, a lower-case header name, ``"url"`` (the whole, which the endpoint
    #: must be told: no framework knows it) or ``"query"`` (parameters of the query, which every delivery has as it came). A
    #: scheme that signs fields and not the bytes names each: ``"body:data.id"``, ``"form:id"``, ``"query:id"``, and
    #: ``"body:items[*].id"`` in every member of a list, ``"element:Encrypt"`` in XML, ``"body:id, else form:id"`` where it is in
    #: either, ``"token:authorization"`` for what the token in a header says.
    covers: frozenset[str] = frozenset()
    #: Whether the signature covers a timestamp.
    signs_timestamp: bool = False
    #: The lower-case header without which no delivery can be genuine, so that it may be refused unread.
    required_header: str | None = None

    #: The extras of ours that it needs installed.
    extras: tuple[str, ...] = ()
    #: Whether the secret is the provider's public key, in whose place tests give the private one to sign.
    signs_privately: bool = False

    @property
    def where(self) -> str:
        """Where a delivery carries the signature, for the table of providers."""
        return f"header `{self.required_header}`" if self.required_header else type(self).__name__

    @property
    def what(self) -> str:
        """How the signature is made and what of, for the table of providers."""
        return type(self).__name__

    def prepare(self, secret: Secret) -> Any:
        """Make a secret ready for use; ConfigurationError when it is not one of this scheme's."""

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the delivery against the keys, in order; raise SignatureRejected or another Rejected."""

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with every key (more than one where the scheme can carry more than one signature)."""

    def content(self, delivery: Delivery) -> bytes:
        """Return what a verified delivery says, as it was signed: the body, unless one signature fits several bodies.

        Its digest is the identity ``content``, so deliveries that the signature cannot tell apart must have the same.
        """
        return delivery.body


class FetchingScheme(Scheme, Protocol):
    """A scheme that needs a key which its provider publishes: it says which, the guard fetches it, it checks. Still pure."""

    __slots__ = ()

    extras: tuple[str, ...] = ("crypto", "fetch")

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted | None:
        """Say which key the delivery needs; None when it needs none.

        Raises UntrustedKeySource for an address that is not the provider's, and any other Rejected that needs no key.
        """

    def verify(self, delivery: Delivery, keys: Sequence[Key], found: Any = None) -> Verified:
        """Check the delivery with the key that was found for it."""
