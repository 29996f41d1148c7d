"""A plain hash of a text that includes the secret, for providers that do not use HMAC.

A hash that begins with the secret can be extended. From one delivery and the secret's length, an attacker can compute the
hash of the same bytes followed by padding and more bytes. JSON with such padding does not parse, so the body is rejected.
Prefer the provider's newer scheme all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from hookguard.errors import ConfigurationError
from hookguard.schemes.hmac import HmacKey, HmacScheme, secret_text
from hookguard.secret import Secret

__all__ = ["HashKey", "HashScheme"]


class HashKey(HmacKey):
    """A secret whose text is part of the template that is hashed."""

    __slots__ = ("_new",)

    _new: Callable[[bytes], hashlib._Hash]

    def __init__(self, text: str, digest: str) -> None:
        self.text = text
        self._new = getattr(hashlib, digest)  # hashlib.new looks the hash up at each call

    def digest(self, head: bytes, body: bytes = b"", tail: bytes = b"") -> bytes:
        """Return the hash of the parts, one after the other."""
        hashed = self._new(head)
        hashed.update(body)
        hashed.update(tail)
        return hashed.digest()

    def __repr__(self) -> str:
        return "HashKey()"


class HashScheme(HmacScheme):
    """Hash of ``signed``, a template that holds ``{secret}``, in the ``signature`` header; otherwise like HmacScheme."""

    __slots__ = ()

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        if not self._signs_secret:
            raise ConfigurationError(
                f"signed={self.signed!r}: a hash without {{secret}} proves nothing: add {{secret}}, or use HmacScheme"
            )

    @property
    def what(self) -> str:
        """The hash and the template."""
        return f"{self.digest.upper().replace('SHA', 'SHA-')} of {self._template}"

    def prepare(self, secret: Secret) -> HashKey:
        """Keep the secret's text."""
        return HashKey(secret_text(secret.key(self.secret_format, self.secret_fields[0])), self.digest)
