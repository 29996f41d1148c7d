"""A plain hash with the secret among what is hashed: for providers that never took to HMAC.

A hash that begins with the secret can be extended: from one delivery and the secret's length, the hash of the same bytes
with padding and anything more behind them follows without the secret. JSON with such padding in it does not parse, so what
comes of it is a refused body; prefer a provider's newer scheme all the same.
"""

from __future__ import annotations

import hashlib
from typing import Any

from hookguard.errors import ConfigurationError
from hookguard.schemes.hmac import HmacKey, HmacScheme, secret_text
from hookguard.secret import Secret

__all__ = ["HashKey", "HashScheme"]


class HashKey(HmacKey):
    """A secret that is hashed with the rest: its text goes into the template."""

    __slots__ = ("_digest",)

    def __init__(self, text: str, digest: str) -> None:
        self.text = text
        self._digest = digest

    def digest(self, head: bytes, body: bytes = b"", tail: bytes = b"") -> bytes:
        """Return the hash of the parts, one after the other."""
        hashed = hashlib.new(self._digest, head)
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
            raise ConfigurationError(f"signed={self.signed!r}: a hash without {{secret}} in it proves nothing; or is it an HMAC?")

    @property
    def what(self) -> str:
        """The hash and the template."""
        return f"{self.digest.upper().replace('SHA', 'SHA-')} of {self._template}"

    def prepare(self, secret: Secret) -> HashKey:
        """Keep the secret's text."""
        return HashKey(secret_text(secret.key(self.secret_format, self.secret_fields[0])), self.digest)
