"""Signed tokens (JWS, RFC 7515) read strictly, and the elliptic-curve keys that sign them (RFC 7518 §3.4, RFC 7517).

For schemes that choose the key themselves: by a chain in the token, or by an id whose document the guard fetches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from hookguard.documents import read_json
from hookguard.errors import ConfigurationError, MalformedBody, MalformedSignature
from hookguard.layout import Layout
from hookguard.schemes.public_key import need_cryptography

__all__ = ["EcKey", "Token", "read_ec_key", "read_jwk", "read_token", "write_token"]

_PART = Layout("{base64url-nopad}")

#: Curve to the bytes of one number of a signature, and the hash that goes with it (ES256, ES512).
_CURVES = {"P-256": (32, "SHA256", "SECP256R1"), "P-521": (66, "SHA512", "SECP521R1")}


class Token(NamedTuple):
    """A token taken apart: ``signed`` are the bytes its signature is over."""

    header: Mapping[str, Any]
    payload: bytes
    signature: bytes
    signed: bytes


def read_token(text: str, algorithm: str, payload: bytes | None = None) -> Token:
    """Take a compact token apart; with ``payload`` a detached one (RFC 7515 appendix F), whose middle is empty.

    Raises MalformedSignature when it is not three parts of base64url without padding, in the one spelling that there is, when
    its header is no JSON object, names another algorithm, or asks for what must be understood (``crit``).
    """
    parts = text.split(".") if text.isascii() else []
    if len(parts) != 3 or (payload is not None and parts[1]):
        raise MalformedSignature("the token is not three parts with dots between")
    head, signature = _PART.decode(parts[0]), _PART.decode(parts[2])
    middle = _PART.decode(parts[1]) if payload is None else payload
    if payload is not None:
        parts[1] = _PART.encode(payload)
    if head is None or middle is None or signature is None:
        raise MalformedSignature("a part of the token is not base64url")
    try:
        header = read_json(head)
    except MalformedBody:
        header = None
    if not isinstance(header, dict) or header.get("alg") != algorithm or "crit" in header:
        raise MalformedSignature(f"the token's header is no JSON object that says {algorithm}")
    return Token(header, middle, signature, f"{parts[0]}.{parts[1]}".encode())


def write_token(header: Mapping[str, Any], payload: bytes, key: EcKey, *, detached: bool = False) -> str:
    """Sign a payload, compact; ``detached`` leaves it out of what is written."""
    head = _PART.encode(json.dumps(header, separators=(",", ":")).encode())
    middle = _PART.encode(payload)
    signature = _PART.encode(key.sign(f"{head}.{middle}".encode()))
    return f"{head}.{'' if detached else middle}.{signature}"


class EcKey:
    """An elliptic-curve key on P-256 or P-521, whose signatures are r and s one after the other."""

    __slots__ = ("_arguments", "_private", "_size", "public")

    def __init__(self, key: Any, curve: str) -> None:
        """Take a key of the package cryptography, public or private; ConfigurationError when it is of another curve."""
        need_cryptography()
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        size, digest, name = _CURVES[curve]
        self._private = key if isinstance(key, ec.EllipticCurvePrivateKey) else None
        self.public = self._private.public_key() if self._private is not None else key
        if not isinstance(self.public, ec.EllipticCurvePublicKey) or not isinstance(self.public.curve, getattr(ec, name)):
            raise ConfigurationError(f"the key is no elliptic-curve key on {curve}")
        self._size = size
        self._arguments = (ec.ECDSA(getattr(hashes, digest)()),)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether the key's owner signed the message; False for anything else, whatever it is."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: PLC0415

        size = self._size
        if len(signature) != 2 * size:
            return False
        der = encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
        try:
            self.public.verify(der, message, *self._arguments)
        except InvalidSignature:
            return False
        return True

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message; ConfigurationError without the private key."""
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415 - an extra

        if self._private is None:
            raise ConfigurationError("signing needs the private key, and this is the public one: only the provider can sign")
        numbers = decode_dss_signature(self._private.sign(message, *self._arguments))
        return b"".join(number.to_bytes(self._size, "big") for number in numbers)

    def __repr__(self) -> str:
        return "EcKey()"


def read_ec_key(pem: str, curve: str) -> EcKey:
    """Read a PEM, public or private; ConfigurationError when it is none."""
    need_cryptography()
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - an extra

    text = pem.strip().encode()
    try:
        if b"PRIVATE KEY-----" in text.partition(b"\n")[0]:
            return EcKey(serialization.load_pem_private_key(text, None), curve)
        return EcKey(serialization.load_pem_public_key(text), curve)
    except ConfigurationError:
        raise
    except Exception as error:  # what is wrong with a key has many names there
        raise ConfigurationError(f"the PEM holds no key that can be read ({type(error).__name__})") from None


def read_jwk(jwk: Any, curve: str) -> EcKey:
    """Read a public key as JSON (RFC 7518 §6.2); ValueError when it is none, or of another curve."""
    need_cryptography()
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - an extra

    size, _, name = _CURVES[curve]
    if not isinstance(jwk, dict) or jwk.get("kty") != "EC" or jwk.get("crv") != curve:
        raise ValueError(f"no elliptic-curve key on {curve}")
    numbers = [_PART.decode(jwk[part]) if isinstance(jwk.get(part), str) and jwk[part].isascii() else None for part in "xy"]
    # Some writers drop leading zeros.
    x, y = (int.from_bytes(number, "big") if number and len(number) <= size else None for number in numbers)
    if x is None or y is None:
        raise ValueError("a coordinate that cannot be read")
    return EcKey(ec.EllipticCurvePublicNumbers(x, y, getattr(ec, name)()).public_key(), curve)
