"""A shared token that comes as it is: proves who sent, and nothing about what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MissingSignature, SignatureMismatch
from hookguard.place import InHeader
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.secret import Secret, SecretFormat

__all__ = ["TokenScheme"]


class TokenScheme(Scheme):
    """The secret itself in a header. Nothing is signed, so anyone who sees one delivery can forge the next: use TLS."""

    __slots__ = ("required_header", "token")

    secret_format: SecretFormat = "text"
    covers: frozenset[str] = frozenset()
    signs_timestamp = False

    def __init__(self, *, token: InHeader) -> None:
        self.token = token
        self.required_header = token.name.lower()

    def prepare(self, secret: Secret) -> bytes:
        """Return the token's bytes."""
        return secret.key(self.secret_format)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Compare the header with every token."""
        value = delivery.headers.one(self.required_header)
        if not value:
            raise MissingSignature(f"no {self.token.name} header")
        # Headers are latin-1 on the wire, so this gives back the bytes that came; other text cannot come from a server.
        came = value.encode("latin-1", "replace")
        for key in keys:
            if compare_digest(came, key.prepared):
                return key.name, None
        raise SignatureMismatch(f"{self.token.name} is none of {len(keys)} tokens: is it this endpoint's?")

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Put the token into its header."""
        if len(keys) != 1:
            raise ConfigurationError(f"{self.token.name} carries one token: sign with one secret")
        headers = {**draft.headers, self.token.name: keys[0].prepared.decode("latin-1")}
        return Delivery(draft.body, headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return f"TokenScheme({self.token.name!r})"
