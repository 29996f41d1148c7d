"""Signed callback URLs, for senders that sign nothing: the URL we hand out carries a token that only we can make.

It authenticates the URL, not the body: whoever learns the URL can send anything to it. Give it out over TLS only, keep
it out of access logs, and prefer a real signature wherever the sender has one.

Made with itsdangerous: SHA-256, ``hmac`` key derivation and a salt of its own, so that a token made for anything else
with the same secret does not pass here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.secret import Secret, SecretFormat

__all__ = ["CallbackScheme"]

#: Longest query string that is looked into.
MAX_QUERY = 8192


class CallbackScheme(Scheme):
    """A token in the query parameter ``parameter`` of the URL, bound to ``audience`` (usually the endpoint's name).

    The token carries the time it was made; the verifier judges it like any signed timestamp, so a ``tolerance`` of
    30 days makes URLs that work for 30 days, and ``allow_stale=True`` makes URLs that work until the secret changes.
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
        query = delivery.url.partition("#")[0].partition("?")[2]
        if len(query) > MAX_QUERY:
            raise MalformedSignature(f"the URL's query is {len(query)} characters long; at most {MAX_QUERY} are read")
        try:
            tokens = [value for name, value in parse_qsl(query, max_num_fields=100) if name == self.parameter]
        except ValueError:
            raise MalformedSignature("the URL's query cannot be read") from None
        if not tokens:
            raise MissingSignature(f"the URL carries no {self.parameter!r} parameter")
        if len(tokens) > 1:
            raise MalformedSignature(f"the URL carries {len(tokens)} {self.parameter!r} parameters")
        for key in keys:
            try:
                # No max_age here: itsdangerous refuses a token made by a clock that is a second ahead. The verifier
                # judges the time, both ways.
                audience, made = _serializer(key.prepared).loads(tokens[0], return_timestamp=True)
            except (BadData, ValueError, OverflowError):
                continue
            if audience == self.audience:
                return key.name, made.timestamp()
        raise SignatureMismatch(f"none of {len(keys)} secrets made this token for {self.audience!r}")

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Put a token made at ``draft.timestamp`` into the URL."""
        if len(keys) != 1:
            raise ConfigurationError("a callback URL carries one token: sign with one secret")
        token = _serializer(keys[0].prepared, int(draft.timestamp)).dumps(self.audience)
        text = token.decode() if isinstance(token, bytes) else token
        mark = "&" if "?" in draft.url else "?"
        return Delivery(draft.body, draft.headers, draft.method, f"{draft.url}{mark}{self.parameter}={text}")

    def __repr__(self) -> str:
        return f"CallbackScheme(audience={self.audience!r}, parameter={self.parameter!r})"


class _SignerAt(TimestampSigner):
    """A signer whose clock is given, so that signing is as pure as verifying."""

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
