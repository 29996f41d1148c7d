"""Signed callback URLs, for senders that sign nothing. The receiver hands out a URL with a token that only it can make.

The token authenticates the URL, not the body. Anyone who learns the URL can send anything to it. Give it out over TLS only,
keep it out of access logs, and prefer a real signature if the sender has one.

itsdangerous makes the token, with SHA-256 and ``hmac`` key derivation. A separate salt keeps tokens apart that were made for
another purpose with the same secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MissingSignature, SignatureMismatch
from hookguard.head.target import add_to_query, split_target
from hookguard.schemes.base import Draft, Key, Scheme, Verified, signed_url
from hookguard.secret import Secret, SecretFormat

__all__ = ["CallbackScheme"]


class CallbackScheme(Scheme):
    """A token in the query parameter ``parameter`` of the URL, bound to ``audience`` (usually the endpoint's name).

    The token carries the time it was made. The verifier checks it like any signed timestamp: with a ``tolerance`` of 30 days
    a URL works for 30 days, and with ``allow_stale=True`` it works until the secret changes.
    """

    __slots__ = ("audience", "parameter")

    secret_format: SecretFormat = "text"
    covers: frozenset[str] = frozenset()
    signs_timestamp = True
    required_header = None

    def __init__(self, *, audience: str = "webhook", parameter: str = "token") -> None:
        if not audience or not parameter.isidentifier():
            raise ConfigurationError("a callback scheme needs an audience and a parameter name of letters and digits")
        self.audience = audience
        self.parameter = parameter

    @property
    def where(self) -> str:
        """The parameter."""
        return f"none: `?{self.parameter}=` in the URL"

    @property
    def what(self) -> str:
        """Only the token itself is signed."""
        return "the URL's token"

    def prepare(self, secret: Secret) -> bytes:
        """Return the key's bytes."""
        return secret.key(self.secret_format)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the token in the delivery's URL."""
        with signed_url():
            given = split_target(delivery.url).parameter(self.parameter, "replace")
        if given is None:
            raise MissingSignature(f"the URL carries no {self.parameter!r} parameter")
        for key in keys:
            try:
                # No max_age: itsdangerous would reject a token from a clock that is one second ahead. The verifier checks
                # the time in both directions.
                audience, made = _serializer(key.prepared).loads(given, return_timestamp=True)
            except (BadData, ValueError, OverflowError):
                continue
            if audience == self.audience:
                return key.name, made.timestamp()
        raise SignatureMismatch(
            f"the URL's token does not match (secrets tried: {len(keys)}). Check that this is the secret that made the URL, and"
            f" that the URL was made for {self.audience!r}.",
            secrets=len(keys),
        )

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Put a token made at ``draft.timestamp`` into the URL."""
        if len(keys) != 1:
            raise ConfigurationError("a callback URL carries one token: sign with one secret")
        token = _serializer(keys[0].prepared, int(draft.timestamp)).dumps(self.audience)
        text = token.decode() if isinstance(token, bytes) else token
        return Delivery(draft.body, draft.headers, draft.method, add_to_query(draft.url, f"{self.parameter}={text}"))

    def __repr__(self) -> str:
        return f"CallbackScheme(audience={self.audience!r}, parameter={self.parameter!r})"


class _SignerAt(TimestampSigner):
    """A signer that takes the time as an argument, so that signing is pure too."""

    def __init__(self, *args: Any, moment: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._moment = moment

    def get_timestamp(self) -> int:
        return self._moment


def _serializer(key: bytes, moment: int = 0) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        key,
        salt="hookguard.callback.v1",
        signer=_SignerAt,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256, "moment": moment},
    )
