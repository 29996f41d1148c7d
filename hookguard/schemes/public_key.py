"""Signatures that a public key checks: Ed25519, ECDSA on P-256 and RSA (PKCS#1 v1.5), over a template in a header.

The package ``cryptography`` (OpenSSL) does the arithmetic. It rejects r = s = 0, values beyond the group's order, and BER.
It is imported when a key is read, so hookguard runs without it.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedSignature, SignatureMismatch, UntrustedKeySource
from hookguard.place import InBody, InHeader
from hookguard.schemes.base import Key, Verified, in_configured_order
from hookguard.schemes.certificates import check_dates, read_certificates
from hookguard.schemes.template import SignatureHeader, TemplateScheme
from hookguard.schemes.timestamp import TimestampUnit
from hookguard.secret import Secret

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "PublicKey",
    "PublicKeyScheme",
    "need_cryptography",
    "read_key",
    "read_pinned_key",
    "read_public_key",
]

#: How a signature is made. SHA-1 is for the few providers that have nothing better; it is never a fallback.
Algorithm = Literal["ed25519", "ecdsa-p256-sha256", "rsa-sha256", "rsa-sha512", "rsa-sha1"]
NAMES: dict[str, str] = {
    "ed25519": "Ed25519",
    "ecdsa-p256-sha256": "ECDSA (P-256, SHA-256)",
    "rsa-sha256": "RSA (SHA-256)",
    "rsa-sha512": "RSA (SHA-512)",
    "rsa-sha1": "RSA (SHA-1)",
}
ALGORITHMS = tuple(NAMES)

#: The fewest bits of an RSA key: shorter ones have been factored, or nearly so.
SHORTEST_RSA = 1024

_HEX_ED25519 = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)


def need_cryptography() -> None:
    """Raise ConfigurationError, with the install command, if the package cryptography is missing."""
    try:
        import cryptography  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise ConfigurationError(
            "public keys need the package cryptography: pip install 'hookguard-webhooks[crypto]'", check="P2"
        ) from None


class PublicKey:
    """A key that checks signatures of one algorithm. A private key signs as well.

    ``key`` is a key of the package cryptography. Raises ConfigurationError if it does not fit the algorithm.
    """

    __slots__ = ("_check", "_sign", "algorithm", "key")

    def __init__(self, key: Any, algorithm: Algorithm) -> None:
        need_cryptography()
        if algorithm not in ALGORITHMS:
            raise ConfigurationError(f"algorithm is {algorithm!r}; choose {', '.join(ALGORITHMS)}")
        self.algorithm: Algorithm = algorithm
        private = key if hasattr(key, "private_bytes") else None
        self.key = private.public_key() if private is not None else key  #: the public part
        self._check, self._sign = _functions(self.key, private, algorithm)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether the key's owner signed the message. Any invalid signature gives False, never an error."""
        return self._check(signature, message)

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message; ConfigurationError without the private key."""
        if self._sign is None:
            raise ConfigurationError("signing needs a private key, and this is a public key: only the provider can sign")
        return self._sign(message)

    def __repr__(self) -> str:
        return f"PublicKey({self.algorithm!r})"


Check = Callable[[bytes, bytes], bool]
Sign = Callable[[bytes], bytes]


def _functions(key: Any, private: Any, algorithm: Algorithm) -> tuple[Check, Sign | None]:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa  # noqa: PLC0415

    arguments: tuple[Any, ...]
    if algorithm == "ed25519":
        right, arguments = isinstance(key, ed25519.Ed25519PublicKey), ()
    elif algorithm == "ecdsa-p256-sha256":
        right = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
        arguments = (ec.ECDSA(hashes.SHA256()),)
    else:
        right = isinstance(key, rsa.RSAPublicKey)
        digest: Any = {"rsa-sha256": hashes.SHA256, "rsa-sha512": hashes.SHA512, "rsa-sha1": hashes.SHA1}[algorithm]
        arguments = (padding.PKCS1v15(), digest())
        if right and key.key_size < SHORTEST_RSA:
            raise ConfigurationError(
                f"the RSA key has {key.key_size} bits and can be factored; at least {SHORTEST_RSA} are needed"
            )
    if not right:
        raise ConfigurationError(f"the key is {type(key).__name__.lstrip('_')}, but this provider signs with {algorithm}")

    def check(signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message, *arguments)
        except (InvalidSignature, ValueError):
            return False
        return True

    if private is None:
        return check, None
    return check, lambda message: private.sign(message, *arguments)


def read_public_key(text: str | bytes, algorithm: Algorithm) -> PublicKey:
    """Read a key as providers show it; ConfigurationError if it is not valid, or does not fit the algorithm.

    It reads the formats of :func:`read_key`. For Ed25519 it also reads 64 hex digits, and base64 behind ``whpk_`` or ``whsk_``
    (Standard Webhooks).
    """
    need_cryptography()
    if algorithm == "ed25519" and isinstance(text, str):
        stripped = text.strip()
        if _HEX_ED25519.fullmatch(stripped):
            return PublicKey(_ed25519(bytes.fromhex(stripped)), algorithm)
        for prefix, sizes in (("whpk_", (32,)), ("whsk_", (32, 64))):
            if stripped.startswith(prefix):
                raw = _base64(stripped.removeprefix(prefix))
                if len(raw) not in sizes:
                    raise ConfigurationError(f"the key behind {prefix} has {len(raw)} bytes: copy the whole key once more")
                return PublicKey(_ed25519(raw, private=prefix == "whsk_"), algorithm)
    return PublicKey(read_key(text), algorithm)


def read_key(text: str | bytes) -> Any:
    """Read PEM (a public key, a certificate, or a private key for signing), or its base64 without the BEGIN and END lines.

    Returns a key of the package cryptography; ConfigurationError if the key is not valid.
    """
    need_cryptography()
    if isinstance(text, bytes):
        if not text.isascii():
            return _from_der(text)
        text = text.decode()
    text = text.strip()
    if text.startswith("-----BEGIN "):
        return _from_pem(text.encode())
    if text.startswith("whsec_"):
        raise ConfigurationError("the key is a shared secret (whsec_…); this preset needs a public key")
    return _from_der(_base64("".join(text.split())))


def read_pinned_key(text: str | bytes) -> Any:
    """Read a key that an operator pins: a public key or a certificate, valid today. ConfigurationError if it is not."""
    need_cryptography()
    pem = text.encode() if isinstance(text, str) else text
    if not pem.strip().startswith(b"-----BEGIN CERTIFICATE"):
        key = read_key(text)
        if hasattr(key, "private_bytes"):
            raise ConfigurationError("the pinned key is a private key: pin the provider's public key or certificate")
        return key
    try:
        certificate = read_certificates(pem)[0]
        check_dates(certificate, time.time())
    except (ValueError, UntrustedKeySource) as error:
        raise ConfigurationError(f"the pinned certificate is not valid: {error}") from None
    return certificate.public_key()


def _base64(text: str) -> bytes:
    stripped = text.rstrip("=")
    try:
        if not _BASE64.fullmatch(text):
            raise ValueError
        return base64.b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise ConfigurationError(
            "the key is neither PEM nor base64: copy all of it from the provider's page, with the BEGIN and END lines if any"
        ) from None


def _ed25519(raw: bytes, *, private: bool = False) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - an extra

    if not private:
        return ed25519.Ed25519PublicKey.from_public_bytes(raw)
    key = ed25519.Ed25519PrivateKey.from_private_bytes(raw[:32])
    if len(raw) == 64 and key.public_key().public_bytes_raw() != raw[32:]:
        raise ConfigurationError("the two halves of the whsk_ key do not fit: copy the whole key once more")
    return key


def _from_pem(pem: bytes) -> Any:
    from cryptography import x509  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    try:
        if pem.startswith(b"-----BEGIN CERTIFICATE"):
            return x509.load_pem_x509_certificate(pem).public_key()
        if b"PRIVATE KEY-----" in pem.partition(b"\n")[0]:
            return serialization.load_pem_private_key(pem, None)
        return serialization.load_pem_public_key(pem)
    except Exception as error:  # the package raises many kinds of errors
        raise ConfigurationError(f"the key in the PEM cannot be read ({type(error).__name__})") from None


def _from_der(der: bytes) -> Any:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - an extra

    try:
        return serialization.load_der_public_key(der)
    except Exception:  # noqa: S110 - it may be a private one
        pass
    try:
        return serialization.load_der_private_key(der, None)
    except Exception as error:
        raise ConfigurationError(f"the key cannot be read ({type(error).__name__}): check that all of it was copied") from None


class PublicKeyScheme(TemplateScheme):
    """A signature of ``signed`` that a public key checks, in the ``signature`` header.

    The secret is the provider's public key, as its page or dashboard shows it: see :func:`read_public_key`. A private key makes
    the scheme sign as well, for tests and for senders. For the other arguments see
    :class:`~hookguard.schemes.template.TemplateScheme`.
    """

    __slots__ = ("algorithm",)

    secret_fields = ("public_key",)
    extras = ("crypto",)
    signs_privately = True
    tries_last_match_first = True

    def __init__(
        self,
        *,
        signature: SignatureHeader | Sequence[SignatureHeader],
        algorithm: Algorithm,
        signed: str = "{body}",
        timestamp: InHeader | InBody | None = None,
        timestamp_unit: TimestampUnit = "s",
        id: InHeader | None = None,  # noqa: A002 - it fills {id}; inside a constructor nothing is shadowed for long
        any_header: bool = False,
    ) -> None:
        if algorithm not in ALGORITHMS:
            raise ConfigurationError(f"algorithm is {algorithm!r}; choose {', '.join(ALGORITHMS)}")
        super().__init__(
            signature=signature,
            signed=signed,
            timestamp=timestamp,
            timestamp_unit=timestamp_unit,
            id=id,
            any_header=any_header,
        )
        self.algorithm: Algorithm = algorithm

    @property
    def what(self) -> str:
        """The algorithm and the template."""
        return f"{NAMES[self.algorithm]} of {self._template}"

    def prepare(self, secret: Secret) -> PublicKey:
        """Read the key."""
        return read_public_key(secret.value("public_key"), self.algorithm)

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check every signature the delivery carries with every key."""
        items, stamp = self._carried(delivery.headers)
        timestamp = None if stamp is None else self._moment(stamp)
        message = b"".join(self._parts(delivery, stamp))
        signatures = [raw for item in items if (raw := self._layout.decode(item)) is not None]
        if not signatures:
            raise MalformedSignature(f"the {self.signature[0].name} header does not have the form {self._layout.template!r}")
        for key in keys if len(signatures) == 1 else in_configured_order(keys):
            for signature in signatures:
                if key.prepared.verify(signature, message):
                    return key.name, timestamp if self._stamp_in_body is None else self._stamp_from_body(delivery)
        raise SignatureMismatch(
            f"signature does not match (public keys tried: {len(keys)}, signatures: {len(signatures)}, body of"
            f" {len(delivery.body)} bytes). Check that this is the provider's key, and that nothing changed the body on the way.",
            secrets=len(keys),
            candidates=len(signatures),
            size=len(delivery.body),
        )

    def _make(self, prepared: PublicKey, parts: tuple[bytes, ...]) -> bytes:
        return prepared.sign(b"".join(parts))

    def __repr__(self) -> str:
        return f"PublicKeyScheme({', '.join(map(repr, self.signature))}, {self.algorithm!r}, signed={self.signed!r})"
