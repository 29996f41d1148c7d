"""HMAC over a template: by far the most common family."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from hmac import compare_digest

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedHeader, MalformedSignature, Rejected, SignatureMismatch
from hookguard.place import InBody, InHeader
from hookguard.schemes.base import Key, Verified, in_configured_order
from hookguard.schemes.template import SignatureHeader, TemplateScheme
from hookguard.schemes.timestamp import TimestampUnit
from hookguard.secret import Secret, SecretFormat, need_format

__all__ = ["DIGESTS", "HmacKey", "HmacScheme", "SignatureHeader", "secret_text"]

#: The hashes that a scheme may use. SHA-1 is for providers that have nothing better.
DIGESTS = ("sha1", "sha256", "sha384", "sha512")

_PAD_INNER = bytes(byte ^ 0x36 for byte in range(256))
_PAD_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class HmacKey:
    """A secret with HMAC's two key blocks already hashed (RFC 2104 §4 describes this).

    Keying costs two of the four hash blocks of a small delivery. Doing it once makes verifying cheaper than a fresh
    ``hmac.digest``. The tests check it against RFC 4231 and Wycheproof. Copies of a hash share nothing, so threads may share a
    key.
    """

    __slots__ = ("_inner", "_outer", "text")

    text: str  #: the secret's text, for templates with {secret}

    def __init__(self, key: bytes, digest: str, text: str = "") -> None:
        self.text = text
        inner, outer = hashlib.new(digest), hashlib.new(digest)
        if len(key) > inner.block_size:
            key = hashlib.new(digest, key).digest()
        key = key.ljust(inner.block_size, b"\0")
        inner.update(key.translate(_PAD_INNER))
        outer.update(key.translate(_PAD_OUTER))
        self._inner, self._outer = inner, outer

    def digest(self, head: bytes, body: bytes = b"", tail: bytes = b"") -> bytes:
        """Return the HMAC of the joined parts. No scheme has more than three, and a loop would be slower."""
        inner = self._inner.copy()
        if head:
            inner.update(head)
        if body:
            inner.update(body)
        if tail:
            inner.update(tail)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def __repr__(self) -> str:
        return "HmacKey()"


class HmacScheme(TemplateScheme):
    """HMAC of ``signed`` with the secret, in the ``signature`` header.

    ``signed`` is a template of ``{body}``, ``{timestamp}``, ``{id}``, ``{url}``, ``{method}``, ``{header:Name}``, ``{secret}``
    and literal text. ``signature`` may be several headers, for a provider that sends a second one while it rotates secrets. A
    match in any of them counts. The first header is required, unless ``any_header`` accepts any of them (for a provider that
    renamed its header). ``timestamp`` and ``id`` name the place of a value that the signature header does not carry. A
    timestamp ``InBody`` is read from the JSON body after the signature was checked. Raises ConfigurationError if the arguments
    do not fit together.
    """

    __slots__ = ("_size", "digest", "secret_format")

    _more_fields = ("secret",)
    tries_last_match_first = True

    def __init__(
        self,
        *,
        signature: SignatureHeader | Sequence[SignatureHeader],
        signed: str = "{body}",
        digest: str = "sha256",
        timestamp: InHeader | InBody | None = None,
        timestamp_unit: TimestampUnit = "s",
        id: InHeader | None = None,  # noqa: A002 - it fills {id}; inside a constructor nothing is shadowed for long
        secret_format: SecretFormat = "text",
        any_header: bool = False,
    ) -> None:
        if digest not in DIGESTS:
            raise ConfigurationError(f"digest {digest!r} is not one of sha256, sha512, sha384 and sha1")
        super().__init__(
            signature=signature,
            signed=signed,
            timestamp=timestamp,
            timestamp_unit=timestamp_unit,
            id=id,
            any_header=any_header,
        )
        self.digest = digest
        need_format(secret_format)
        self.secret_format: SecretFormat = secret_format
        self._size = hashlib.new(digest).digest_size

    @property
    def what(self) -> str:
        """The hash and the template."""
        return f"HMAC-{self.digest.upper().replace('SHA', 'SHA-')} of {self._template}"

    def prepare(self, secret: Secret) -> HmacKey:
        """Hash the key's two blocks once."""
        key = secret.key(self.secret_format, self.secret_fields[0])
        return HmacKey(key, self.digest, secret_text(key) if self._signs_secret else "")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Try every key against every signature the delivery carries."""
        signatures, stamp = self._carried(delivery.headers)
        timestamp = None if stamp is None else self._moment(stamp)
        parts = (b"", delivery.body, b"") if self._body_alone else None
        prefix, encode = self._prefix, self._encode
        for key in keys if len(signatures) == 1 else in_configured_order(keys):
            if parts is None or self._signs_secret:
                parts = self._parts(delivery, stamp, key.prepared)
            head, body, tail = parts
            expected = prefix + encode(key.prepared.digest(head, body, tail))
            for signature in signatures:
                if compare_digest(expected, signature):
                    return key.name, timestamp if self._stamp_in_body is None else self._stamp_from_body(delivery)
        raise self._why(signatures, delivery, keys)

    def expected(self, delivery: Delivery, key: Key) -> tuple[str, ...]:
        """Return the signature with its prefix; empty for a key that makes several."""
        if not isinstance(key.prepared, HmacKey):
            return ()
        parts = self._parts(delivery, self._carried(delivery.headers)[1], key.prepared)
        return (self._prefix + self._encode(key.prepared.digest(*parts)),)

    def _make(self, prepared: HmacKey, parts: tuple[bytes, ...]) -> bytes:
        return prepared.digest(*parts)

    def _why(self, signatures: Sequence[str], delivery: Delivery, keys: Sequence[Key]) -> Rejected:
        """Return the error that shows the operator why nothing matched. The sender gets the same answer for each."""
        layout = self._layout
        if not all(map(str.isprintable, signatures)):
            return MalformedHeader(f"header {self._first!r} holds a control character", header=self._first)
        for signature in signatures:
            if layout.plausible(signature, self._size):
                return SignatureMismatch(
                    f"signature does not match (secrets tried: {len(keys)}, signatures: {len(signatures)}, body of"
                    f" {len(delivery.body)} bytes). Check that this is the endpoint's secret, and that nothing changed the body"
                    " on the way.",
                    secrets=len(keys),
                    candidates=len(signatures),
                    size=len(delivery.body),
                )
        return MalformedSignature(
            f"the {self.signature[0].name} header does not have the form {layout.template!r} with {self.digest}"
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.signature))}, signed={self.signed!r}, digest={self.digest!r})"


def secret_text(key: bytes) -> str:
    """Return the text of a secret that is part of the signed text; ConfigurationError if it is not text."""
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise ConfigurationError("the secret is part of the signed text, so it must be text (UTF-8)") from None
