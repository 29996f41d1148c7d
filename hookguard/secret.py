"""What is shared with the provider. A secret hides in every repr and is never empty."""

from __future__ import annotations

import base64
import binascii
import re
import warnings
from datetime import datetime, timezone
from typing import Literal, Union

from hookguard.errors import ConfigurationError, WeakSecretWarning

__all__ = ["Secret", "SecretFormat", "SecretLike"]

#: How a provider shows a secret: as text that is the key itself, as hex, as base64, or as base64 behind ``whsec_``.
SecretFormat = Literal["text", "hex", "base64", "whsec"]

#: What settings may hold: text in the provider's own format, raw bytes, or a Secret with a name and dates.
SecretLike = Union["Secret", str, bytes]

#: Below this many bytes a secret can be guessed: refused. (Published test vectors use eight.)
SHORTEST = 8
#: Below this many bytes hookguard warns, and refuses what a provider should have generated.
SHORT = 16


class Secret:
    """One secret, with a ``name`` for logs and optional dates between which it is valid.

    ``value`` is what the provider's dashboard shows; the preset knows how to read it. Bytes are taken as the key itself.
    ``not_before`` and ``not_after`` are aware datetimes or seconds since 1970. Raises ConfigurationError when the value
    is empty, blank, padded with white space or NUL bytes, or shorter than 8 bytes.
    """

    __slots__ = ("_value", "name", "not_after", "not_before")

    def __init__(
        self,
        value: str | bytes,
        *,
        name: str | None = None,
        not_before: datetime | float | None = None,
        not_after: datetime | float | None = None,
    ) -> None:
        if not isinstance(value, (str, bytes)):
            raise ConfigurationError(
                f"a secret must be text or bytes, not {type(value).__name__}: is the setting or the environment variable unset?"
            )
        if not value.strip():
            raise ConfigurationError("the secret is empty: set it to the value the provider's dashboard shows")
        if value != value.strip() and _is_text(value):
            raise ConfigurationError(
                "the secret starts or ends with white space, which is most likely a slip of copying:"
                " remove it, or pass bytes through Secret.exact() if the provider's secret really has it"
            )
        self._value = value
        self.name = name
        self.not_before = _seconds(not_before, "not_before")
        self.not_after = _seconds(not_after, "not_after")
        if self.not_before is not None and self.not_after is not None and self.not_before >= self.not_after:
            raise ConfigurationError(f"secret {name!r}: not_before must be earlier than not_after")
        if isinstance(value, bytes):
            _check_key(value)

    @classmethod
    def from_hex(cls, text: str, *, name: str | None = None) -> Secret:
        """Take a key that is written in hex."""
        return cls.exact(_decode(text, "hex"), name=name)

    @classmethod
    def from_base64(cls, text: str, *, name: str | None = None) -> Secret:
        """Take a key that is written in standard base64, padded or not."""
        return cls.exact(_decode(text, "base64"), name=name)

    @classmethod
    def exact(cls, key: bytes, *, name: str | None = None) -> Secret:
        """Take the key's own bytes, whatever they look like (white space at the ends included)."""
        secret = cls(bytes(range(1, SHORT + 1)), name=name)
        _check_key(key)
        secret._value = key
        return secret

    def key(self, fmt: SecretFormat = "text") -> bytes:
        """Return the key's bytes, reading text the way ``fmt`` says.

        Raises ConfigurationError when the text is not in that format, or when what a provider generated and encoded
        holds fewer than 16 bytes.
        """
        if isinstance(self._value, bytes):
            return self._value
        if fmt == "text":
            key = self._value.encode()
            _check_key(key)
            return key
        key = _decode(self._value, fmt)
        if len(key) < SHORT:
            raise ConfigurationError(
                f"the secret decodes to {len(key)} bytes, and the provider's are at least {SHORT}: was it cut when it was copied?"
            )
        return key

    def valid_at(self, now: float) -> bool:
        """Whether the secret may be used at ``now`` (seconds since 1970)."""
        return (self.not_before is None or self.not_before <= now) and (self.not_after is None or now < self.not_after)

    def __repr__(self) -> str:
        return f"Secret(name={self.name!r})"

    def __reduce__(self) -> str | tuple[object, ...]:
        # A pickled secret ends up in caches, queues and crash reports.
        raise TypeError("a Secret is not pickled: read it again from where it is kept")


def _is_text(value: str | bytes) -> bool:
    # Random bytes may well end with the code of a space; a secret read from a file ends with its line break.
    return isinstance(value, str) or value.strip().decode("latin-1").isprintable()


def _check_key(key: bytes) -> None:
    if not key:
        raise ConfigurationError("the secret is empty: set it to the value the provider's dashboard shows")
    if key.endswith(b"\0"):
        # HMAC pads keys with NULs, so `key` and `key + NUL` would be one secret.
        raise ConfigurationError("the secret ends with NUL bytes: HMAC cannot tell it from the secret without them")
    if len(set(key)) == 1:
        raise ConfigurationError("the secret is one character repeated: it looks like a placeholder or a masked value")
    if len(key) < SHORTEST:
        raise ConfigurationError(
            f"the secret has {len(key)} bytes and could be guessed: use at least {SHORT} random ones"
            ' (python -c "import secrets; print(secrets.token_urlsafe(32))")'
        )
    if len(key) < SHORT:
        warnings.warn(
            f"a webhook secret has only {len(key)} bytes: use at least {SHORT} random ones", WeakSecretWarning, stacklevel=3
        )


_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)


def _decode(text: str, fmt: SecretFormat) -> bytes:
    if fmt == "hex":
        if not _HEX.fullmatch(text):
            raise ConfigurationError("the secret is not hex: this provider shows pairs of the digits 0-9 and a-f")
        return bytes.fromhex(text)
    body = text
    if fmt == "whsec":
        for wrong in ("whpk_", "whsk_"):
            if text.startswith(wrong):
                raise ConfigurationError(f"the secret is an asymmetric key ({wrong}…); this preset needs a whsec_ secret")
        body = text.removeprefix("whsec_")
        if not body:
            raise ConfigurationError("the secret is empty behind whsec_: set it to the value the provider's dashboard shows")
    if not _BASE64.fullmatch(body):
        raise ConfigurationError("the secret is not base64: copy it whole, or pass raw bytes if it is meant as it stands")
    stripped = body.rstrip("=")
    try:
        key = base64.b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except binascii.Error:
        key = b""
    # b64decode ignores stray bits in the last character: only the one canonical spelling is a copy of the real secret.
    if base64.b64encode(key).rstrip(b"=") != stripped.encode():
        raise ConfigurationError("the secret is not whole base64: was it cut when it was copied?")
    return key


def _seconds(moment: datetime | float | None, what: str) -> float | None:
    if moment is None or isinstance(moment, (int, float)):
        return moment
    if moment.tzinfo is None:
        raise ConfigurationError(f"{what} has no time zone: write datetime(…, tzinfo=timezone.utc)")
    return moment.astimezone(timezone.utc).timestamp()
