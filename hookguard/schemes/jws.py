"""JSON Web Signatures (RFC 7515): reading and signing tokens, and the keys that check them.

The provider fixes the algorithm. The token's header must agree with it, and chooses nothing. Keys that a token brings along
(``jwk``, ``jku``, ``x5u``, ``x5c``) are ignored. PyJWT does the arithmetic; it is imported when a key is read.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hookguard.bodies import read_json
from hookguard.errors import ConfigurationError, MalformedBody, MalformedSignature
from hookguard.keys import Wanted
from hookguard.privacy.shown import shown_url
from hookguard.record import Record
from hookguard.schemes.public_key import read_pinned_key
from hookguard.secret import Secret

__all__ = [
    "Jws",
    "JwsKey",
    "JwtAlgorithm",
    "KeySet",
    "Published",
    "jwk_key",
    "need_jwt",
    "read_jwks",
    "read_jws",
    "read_pinned_jwk",
    "write_base64url",
]

JwtAlgorithm = Literal["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}

_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Jws(Record):
    """A parsed token whose signature was not checked. ``signed`` are the bytes that the signature covers."""

    header: Mapping[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes


def read_jws(token: str) -> Jws:
    """Parse a compact token; MalformedSignature unless it has three canonical base64url parts and a JSON header."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise MalformedSignature("the token does not have three base64url parts with dots between them")
    header, payload, signature = (_base64url(part) for part in match.groups())
    try:
        read = read_json(header)
    except MalformedBody:
        read = None
    if not isinstance(read, dict):
        raise MalformedSignature("the token's header is not a JSON object")
    # No critical extension (RFC 7515 §4.1.11) is supported, so none may be present. b64 is one of them.
    if "crit" in read or "b64" in read:
        raise MalformedSignature("the token's header requires an extension (crit, b64), which is not supported")
    return Jws(read, payload, token.rpartition(".")[0].encode(), signature)


def _base64url(text: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raw = b""
    # Decoders ignore stray bits in the last character.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != text.encode():
        raise MalformedSignature("a part of the token is not canonical base64url")
    return raw


def write_base64url(raw: bytes) -> str:
    """Write bytes in base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def need_jwt() -> None:
    """Raise ConfigurationError, with the install command, if a package for tokens is missing."""
    try:
        import cryptography  # noqa: F401, PLC0415 - an extra
        import jwt  # noqa: F401, PLC0415 - likewise
    except ImportError as error:
        raise ConfigurationError(
            f"tokens need the package {error.name}: pip install 'hookguard-webhooks[jwt]'", check="P2"
        ) from None


class JwsKey:
    """A key for one algorithm: the bytes of a shared secret, or a key of the package cryptography.

    Raises ConfigurationError if PyJWT is missing, or if the key does not fit the algorithm.
    """

    __slots__ = ("_algorithm", "_key", "_private", "algorithm")

    def __init__(self, key: Any, algorithm: JwtAlgorithm) -> None:
        try:
            from jwt.algorithms import get_default_algorithms  # noqa: PLC0415 - an extra
            from jwt.exceptions import PyJWTError  # noqa: PLC0415
        except ImportError:
            raise ConfigurationError("tokens need the package PyJWT: pip install 'hookguard-webhooks[jwt]'", check="P2") from None
        try:
            self._algorithm = get_default_algorithms()[algorithm]
        except KeyError:
            raise ConfigurationError(
                f"{algorithm} needs the package cryptography: pip install 'hookguard-webhooks[jwt]'"
            ) from None
        self.algorithm = algorithm
        self._private = key if hasattr(key, "private_bytes") else None
        key = self._private.public_key() if self._private is not None else key
        shared = isinstance(key, bytes)
        if shared != algorithm.startswith("HS"):
            raise ConfigurationError(f"{algorithm} needs {'a public key' if shared else 'a shared secret'}")
        try:
            self._key = self._algorithm.prepare_key(key)
        except (PyJWTError, TypeError, ValueError) as error:
            raise ConfigurationError(f"the key is not valid for {algorithm} ({type(error).__name__})") from None
        if (curve := _CURVES.get(algorithm)) is not None and key.curve.name != curve:
            raise ConfigurationError(f"{algorithm} needs a key on {curve}, but this key is on {key.curve.name}")

    def verify(self, jws: Jws) -> bool:
        """Whether this key made the token's signature."""
        # The key determines the algorithm. A header with another one is a mistake or an attack.
        if jws.header.get("alg") != self.algorithm:
            return False
        try:
            return bool(self._algorithm.verify(jws.signed, self._key, jws.signature))
        except Exception:  # a hostile signature makes the packages raise many kinds of errors
            return False

    def sign(self, header: Mapping[str, Any], payload: bytes) -> str:
        """Return a token. Header entries that are None are left out. Raises ConfigurationError without the private key."""
        key = self._key if isinstance(self._key, bytes) else self._private
        if key is None:
            raise ConfigurationError("signing needs a private key, and this is a public key: only the provider can sign")
        header = {"alg": self.algorithm, "typ": "JWT", **header}
        head = json.dumps({name: value for name, value in header.items() if value is not None}, separators=(",", ":")).encode()
        signed = f"{write_base64url(head)}.{write_base64url(payload)}"
        return f"{signed}.{write_base64url(self._algorithm.sign(signed.encode(), key))}"

    def signature(self, signed: bytes) -> str:
        """Return the signature of a token's first two parts, for a key that is a shared secret."""
        return write_base64url(self._algorithm.sign(signed, self._key))

    def __repr__(self) -> str:
        return f"JwsKey({self.algorithm!r})"


def jwk_key(jwk: Any, algorithm: JwtAlgorithm) -> JwsKey:
    """Read a JSON Web Key (RFC 7517) for an algorithm; ValueError if it is not valid, or is for another use."""
    if not isinstance(jwk, dict):
        raise ValueError("a key is not a JSON object")  # noqa: TRY004 - one error for every fault of a document
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise ValueError("a key is not for signatures")
    if jwk.get("alg", algorithm) != algorithm:
        raise ValueError("a key is for another algorithm")
    kind = {"H": "oct", "E": "EC"}.get(algorithm[0], "RSA")
    if jwk.get("kty") != kind:
        raise ValueError("a key is of another type (kty)")
    try:
        from jwt import PyJWK  # noqa: PLC0415 - an extra

        # Only the public part: what a provider publishes must not sign.
        public = {name: value for name, value in jwk.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
        return JwsKey(PyJWK(public, algorithm=algorithm).key, algorithm)
    except ImportError:
        raise ConfigurationError("tokens need the package PyJWT: pip install 'hookguard-webhooks[jwt]'", check="P2") from None
    except Exception as error:
        raise ValueError(f"a key cannot be read ({type(error).__name__})") from None


def read_jwks(content: bytes, algorithm: JwtAlgorithm) -> dict[str, JwsKey]:
    """Read a JSON Web Key Set: the keys for an algorithm, by ``kid``; ValueError if the document is not a key set."""
    try:
        document = read_json(content)
    except MalformedBody as error:
        raise ValueError(str(error)) from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the document is not a JSON Web Key Set")  # noqa: TRY004 - as above
    found: dict[str, JwsKey] = {}
    for jwk in listed[:100]:
        # A set may also hold keys for other uses or of future types: skip them.
        try:
            key = jwk_key(jwk, algorithm)
        except ValueError:
            continue
        if isinstance(jwk.get("kid"), str):
            found[jwk["kid"]] = key
    return found


def read_pinned_jwk(
    text: str | bytes, algorithm: JwtAlgorithm, *, repair: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> JwsKey:
    """Read a key that an operator pins: a JSON Web Key (``repair`` corrects its spelling), or PEM.

    ConfigurationError if it is not valid.
    """
    content = text.encode() if isinstance(text, str) else text
    if not content.lstrip().startswith(b"{"):
        return JwsKey(read_pinned_key(text), algorithm)
    try:
        return jwk_key(repair(read_json(content)), algorithm)
    except (MalformedBody, ValueError) as error:
        raise ConfigurationError(f"the pinned key is not a JSON Web Key for {algorithm}: {error}") from None


class Published(Protocol):
    """Where a provider publishes the keys for its tokens."""

    @property
    def secret_fields(self) -> tuple[str, ...]:
        """The secret's fields that the fetch needs."""

    def wanted(self, key_id: str, secret: Secret, algorithm: JwtAlgorithm) -> Wanted:
        """Return where the key with that id is."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """A JSON Web Key Set at a fixed HTTPS address."""

    url: str
    secret_fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.url.startswith("https://") or "@" in self.url.split("/")[2]:
            raise ConfigurationError(f"keys are fetched over https:// only, and without a user, not from {shown_url(self.url)!r}")

    def wanted(self, key_id: str, secret: Secret, algorithm: JwtAlgorithm) -> Wanted:
        """Return where the key with that id is."""
        return Wanted(self.url, key_id, lambda content, _: read_jwks(content, algorithm), known=True)
