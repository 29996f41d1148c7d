"""HMAC over a layout: by far the most common family."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from hmac import compare_digest

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedHeader, MalformedSignature, Rejected, SignatureMismatch
from hookguard.place import InBody, InHeader
from hookguard.schemes.base import Key, Verified
from hookguard.schemes.template import SignatureHeader, TemplateScheme
from hookguard.secret import Secret, SecretFormat, need_format
from hookguard.timestamp import TimestampUnit

__all__ = ["DIGESTS", "HmacKey", "HmacScheme", "SignatureHeader", "secret_text"]

#: Hashes a scheme may be made with. SHA-1 is there for providers that have nothing better.
DIGESTS = ("sha1", "sha256", "sha384", "sha512")

_PAD_INNER = bytes(byte ^ 0x36 for byte in range(256))
_PAD_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class HmacKey:
    """A secret with HMAC's two key blocks already hashed (RFC 2104 §4 describes this).

    Keying costs two of the four hash blocks of a small delivery; doing it once makes verifying cheaper than a fresh
    ``hmac.digest``. Held to RFC 4231 and Wycheproof in the tests. Copies of a hash share nothing, so threads may share a key.
    """

    __slots__ = ("_inner", "_outer", "text")

    text: str  #: the secret's own text, where a template has it among what is signed

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
        """Return the HMAC of the parts, one after the other: no scheme has more than three, and a loop would cost more."""
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
    and literal text. ``signature`` may be several headers (a provider that rotates may send a second one): a match in any of
    them counts, and the first is the one that must be there, unless ``any_header`` says that any of them will do (a provider
    that renamed it). ``timestamp`` and ``id`` name the place that carries the value, where the signature header does not; a
    timestamp ``InBody`` is read from the JSON body after the signature over it was checked. ConfigurationError when the parts
    do not fit together.
    """

    __slots__ = ("_size", "digest", "secret_format")

    _more_fields = ("secret",)

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
        for key in keys:
            if parts is None or self._signs_secret:
                parts = self._parts(delivery, stamp, key.prepared)
            head, body, tail = parts
            expected = prefix + encode(key.prepared.digest(head, body, tail))
            for signature in signatures:
                if compare_digest(expected, signature):
                    return key.name, timestamp if self._stamp_in_body is None else self._stamp_from_body(delivery)
        raise self._why(signatures, delivery, keys)

    def _make(self, prepared: HmacKey, parts: tuple[bytes, ...]) -> bytes:
        return prepared.digest(*parts)

    def _why(self, signatures: Sequence[str], delivery: Delivery, keys: Sequence[Key]) -> Rejected:
        """Tell the operator why nothing matched; to the sender it is all the same."""
        layout = self._layout
        if any(not signature.isprintable() for signature in signatures):
            return MalformedHeader(f"header {self._first!r} holds a control character")
        if any(layout.plausible(signature, self._size) for signature in signatures):
            return SignatureMismatch(
                f"none of {len(keys)} secrets makes any of the {len(signatures)} signatures over {len(delivery.body)} bytes:"
                " is it this endpoint's secret, and are these the bytes that came over the wire?"
            )
        return MalformedSignature(f"the {self.signature[0].name} header does not read as {layout.template!r} of {self.digest}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.signature))}, signed={self.signed!r}, digest={self.digest!r})"


def secret_text(key: bytes) -> str:
    """Return the text of a secret that a template has among what is signed; ConfigurationError when it is none."""
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise ConfigurationError("the secret is part of what is signed here, so it must be text") from None
