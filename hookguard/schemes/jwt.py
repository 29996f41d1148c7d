"""JSON Web Tokens (RFC 7515, RFC 7519): the delivery carries one, and its claims say what it vouches for.

The algorithm is the provider's and fixed; what the token's header says of it must agree and chooses nothing. Keys that a token
brings along (``jwk``, ``jku``, ``x5u``, ``x5c``) are not looked at. The arithmetic is PyJWT's, imported when a key is read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Literal, NamedTuple, Protocol, Union

from hookguard.delivery import Delivery
from hookguard.documents import Reading, put_json, read_json
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedSignature,
    MalformedTimestamp,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
)
from hookguard.keys import Wanted
from hookguard.place import InBody, InHeader, in_words, need_place
from hookguard.schemes.base import Draft, Key, Scheme, Validity, Verified
from hookguard.schemes.public_key import read_key
from hookguard.secret import Secret, SecretFormat, need_format

__all__ = [
    "BodyHash",
    "Claim",
    "Equals",
    "FieldOf",
    "Jws",
    "JwsKey",
    "JwtAlgorithm",
    "JwtScheme",
    "KeySet",
    "Published",
    "PublishedJwtScheme",
    "UrlHash",
    "UrlItself",
    "jwk_key",
    "need_jwt",
    "read_jwks",
    "read_jws",
]

JwtAlgorithm = Literal["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}

#: Longest token in a body, in characters; a header has its own limit.
MAX_TOKEN = 1 << 20

_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)", re.ASCII)
_KEY_ID = re.compile(r"[!-~]{1,256}", re.ASCII)


class Jws(NamedTuple):
    """A token taken apart, its signature not checked: ``signed`` are the bytes the signature covers."""

    header: Mapping[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes


def read_jws(token: str) -> Jws:
    """Take a compact token apart; MalformedSignature unless it is three parts in their one spelling with a JSON header."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise MalformedSignature("the token is not three base64url parts with dots between them")
    header, payload, signature = (_base64url(part) for part in match.groups())
    try:
        read = read_json(header)
    except MalformedBody:
        read = None
    if not isinstance(read, dict):
        raise MalformedSignature("the token's header is no JSON object")
    # Extensions that must be understood (RFC 7515 §4.1.11) are not; without one, b64 would only confuse.
    if "crit" in read or "b64" in read:
        raise MalformedSignature("the token's header asks for an extension")
    return Jws(read, payload, token.rpartition(".")[0].encode(), signature)


def _base64url(text: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raw = b""
    # Decoders ignore stray bits in the last character.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != text.encode():
        raise MalformedSignature("a part of the token is not base64url in its one spelling")
    return raw


def _write_base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def need_jwt() -> None:
    """Raise ConfigurationError, with the command that installs it, when tokens of public keys cannot be checked."""
    try:
        import cryptography  # noqa: F401, PLC0415 - an extra
        import jwt  # noqa: F401, PLC0415 - likewise
    except ImportError as error:
        raise ConfigurationError(f"tokens need the package {error.name}: pip install 'hookguard-webhooks[jwt]'") from None


class JwsKey:
    """A key for one algorithm: the bytes of a shared secret, or a key of the package cryptography.

    ConfigurationError when PyJWT is not installed or the key is not of the algorithm's kind.
    """

    __slots__ = ("_algorithm", "_key", "_private", "algorithm")

    def __init__(self, key: Any, algorithm: JwtAlgorithm) -> None:
        try:
            from jwt.algorithms import get_default_algorithms  # noqa: PLC0415 - an extra
            from jwt.exceptions import PyJWTError  # noqa: PLC0415
        except ImportError:
            raise ConfigurationError("tokens need the package PyJWT: pip install 'hookguard-webhooks[jwt]'") from None
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
            raise ConfigurationError(f"{algorithm} takes {'a public key' if shared else 'a shared secret'}")
        try:
            self._key = self._algorithm.prepare_key(key)
        except (PyJWTError, TypeError, ValueError) as error:
            raise ConfigurationError(f"this is no key for {algorithm} ({type(error).__name__})") from None
        if (curve := _CURVES.get(algorithm)) is not None and key.curve.name != curve:
            raise ConfigurationError(f"{algorithm} takes a key on {curve}, and this one is on {key.curve.name}")

    def verify(self, jws: Jws) -> bool:
        """Whether this key made the token's signature."""
        # The key decides which algorithm is used; a header that says otherwise is a mistake or an attack.
        if jws.header.get("alg") != self.algorithm:
            return False
        try:
            return bool(self._algorithm.verify(jws.signed, self._key, jws.signature))
        except Exception:  # what a hostile signature makes the packages raise has many names
            return False

    def sign(self, header: Mapping[str, Any], payload: bytes) -> str:
        """Return a token, without what is None in its header; ConfigurationError without the private key."""
        key = self._key if isinstance(self._key, bytes) else self._private
        if key is None:
            raise ConfigurationError("signing needs the private key, and this is the public one: only the provider can sign")
        header = {"alg": self.algorithm, "typ": "JWT", **header}
        head = json.dumps({name: value for name, value in header.items() if value is not None}, separators=(",", ":")).encode()
        signed = f"{_write_base64url(head)}.{_write_base64url(payload)}"
        return f"{signed}.{_write_base64url(self._algorithm.sign(signed.encode(), key))}"

    def __repr__(self) -> str:
        return f"JwsKey({self.algorithm!r})"


def jwk_key(jwk: Any, algorithm: JwtAlgorithm) -> JwsKey:
    """Read a JSON Web Key (RFC 7517) for an algorithm; ValueError when it is none, or for another use."""
    if not isinstance(jwk, dict):
        raise ValueError("a key is no JSON object")  # noqa: TRY004 - one error for whatever is wrong with a document
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise ValueError("a key is not for signatures")
    if jwk.get("alg", algorithm) != algorithm:
        raise ValueError("a key is for another algorithm")
    kind = {"H": "oct", "E": "EC"}.get(algorithm[0], "RSA")
    if jwk.get("kty") != kind:
        raise ValueError("a key is of another kind")
    try:
        from jwt import PyJWK  # noqa: PLC0415 - an extra

        # Only the public part: what a provider publishes must not sign.
        public = {name: value for name, value in jwk.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
        return JwsKey(PyJWK(public, algorithm=algorithm).key, algorithm)
    except ImportError:
        raise ConfigurationError("tokens need the package PyJWT: pip install 'hookguard-webhooks[jwt]'") from None
    except Exception as error:
        raise ValueError(f"a key cannot be read ({type(error).__name__})") from None


def read_jwks(content: bytes, algorithm: JwtAlgorithm) -> dict[str, JwsKey]:
    """Read a JSON Web Key Set: the keys for an algorithm by their ``kid``; ValueError when the document is none."""
    try:
        document = read_json(content)
    except MalformedBody as error:
        raise ValueError(str(error)) from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the document is no JSON Web Key Set")  # noqa: TRY004 - as above
    found: dict[str, JwsKey] = {}
    for jwk in listed[:100]:
        # Keys for other uses, or of a kind that is yet to be invented, stand beside those that are wanted.
        try:
            key = jwk_key(jwk, algorithm)
        except ValueError:
            continue
        if isinstance(jwk.get("kid"), str):
            found[jwk["kid"]] = key
    return found


class Published(Protocol):
    """Where a provider publishes the keys its tokens are signed with."""

    @property
    def secret_fields(self) -> tuple[str, ...]:
        """What the secret must hold for the fetch."""

    def wanted(self, key_id: str, secret: Secret, algorithm: JwtAlgorithm) -> Wanted:
        """Say where the key of that id is."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """A JSON Web Key Set at a fixed HTTPS address."""

    url: str
    secret_fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ConfigurationError(f"keys are fetched over https:// only, not from {self.url!r}")

    def wanted(self, key_id: str, secret: Secret, algorithm: JwtAlgorithm) -> Wanted:
        """Say where the key of that id is."""
        return Wanted(self.url, key_id, lambda content, _: read_jwks(content, algorithm))


@dataclass(frozen=True)
class Equals:
    """A claim that is one of these values; signing writes the first."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, slots=True)
class FieldOf:
    """A claim that is what the secret's field holds, or a list that has it; unless ``required``, only where that was given."""

    field: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class BodyHash:
    """A claim that is the hash of the body."""

    encoding: Literal["hex", "base64url"] = "hex"
    digest: str = "sha256"
    required: bool = True  #: False where the provider leaves it out of a delivery without a body


@dataclass(frozen=True, slots=True)
class UrlHash:
    """A claim that is the hash of the URL."""

    encoding: Literal["hex", "base64url"] = "hex"
    digest: str = "sha256"


@dataclass(frozen=True, slots=True)
class UrlItself:
    """A claim that is the URL, or a list that has it."""


#: What a claim must be.
Claim = Union[Equals, FieldOf, BodyHash, UrlHash, UrlItself]


class JwtScheme(Scheme):
    """A token at ``token`` (behind ``prefix``, whose case does not matter), signed with ``algorithm``, with these ``claims``.

    The key is the secret's ``secret`` (HS…) or ``public_key``; for keys that the provider publishes see
    :class:`PublishedJwtScheme`. ``timestamp`` is the claim that says when it was signed; ``exp`` and ``nbf`` are judged where
    they are there, and ``required`` names claims that must be. ConfigurationError when the parts do not fit together.
    """

    __slots__ = (
        "algorithm",
        "claims",
        "covers",
        "optional_fields",
        "prefix",
        "required",
        "required_header",
        "secret_fields",
        "secret_format",
        "signs_timestamp",
        "timestamp",
        "token",
    )

    def __init__(
        self,
        *,
        algorithm: JwtAlgorithm,
        claims: Mapping[str, Claim],
        token: InHeader | InBody | None = None,
        prefix: str = "",
        timestamp: str | None = "iat",
        required: Sequence[str] = (),
        secret_format: SecretFormat = "text",
    ) -> None:
        if algorithm not in JwtAlgorithm.__args__:  # type: ignore[attr-defined]  # what Literal holds
            raise ConfigurationError(f"algorithm {algorithm!r} is none that tokens are signed with here")
        self.algorithm: JwtAlgorithm = algorithm
        self.claims = dict(claims)
        self.token = InHeader("Authorization") if token is None else token
        need_place(self.token, "token", InHeader, InBody)
        self.prefix = prefix
        self.timestamp = timestamp
        self.required = tuple(required)
        need_format(secret_format)
        self.secret_format: SecretFormat = secret_format
        self.required_header = self.token.name.lower() if isinstance(self.token, InHeader) else None
        self.signs_timestamp = timestamp is not None
        checks = self.claims.values()
        covered = {"body"} if any(isinstance(check, BodyHash) for check in checks) else set()
        if any(isinstance(check, (UrlHash, UrlItself)) for check in checks):
            covered.add("url")
        self.covers = frozenset(covered)
        self._take_fields(("secret",) if algorithm.startswith("HS") else ("public_key",))

    def _take_fields(self, own: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        fields = [check for check in self.claims.values() if isinstance(check, FieldOf)]
        self.secret_fields = (*own, *(check.field for check in fields if check.required))
        self.optional_fields = (*(check.field for check in fields if not check.required), *optional)

    extras: tuple[str, ...] = ("jwt",)

    @property
    def signs_privately(self) -> bool:  # type: ignore[override]  # it follows from the fields here
        """Whether the secret is a public key."""
        return "public_key" in self.secret_fields

    @property
    def where(self) -> str:
        """The header or the place."""
        return f"`{self.token.name}`" if isinstance(self.token, InHeader) else in_words(self.token)

    @property
    def what(self) -> str:
        """The algorithm and the claims."""
        return f"a token ({self.algorithm}) whose claims are {', '.join(f'`{name}`' for name in self.claims) or 'free'}"

    def prepare(self, secret: Secret) -> JwsKey | None:
        """Read the key."""
        if self.algorithm.startswith("HS"):
            return JwsKey(secret.key(self.secret_format, "secret"), self.algorithm)
        return JwsKey(read_key(secret.value("public_key")), self.algorithm)

    def _jws(self, delivery: Delivery) -> Jws:
        if isinstance(self.token, InHeader):
            value = delivery.headers.one(self.token.name.lower())
        else:
            value = self.token.find(Reading(delivery))
        if not value:
            raise MissingSignature(f"no token at {self.where}")
        if len(value) > MAX_TOKEN:
            raise MalformedSignature(f"the token is {len(value)} characters long; at most {MAX_TOKEN} are read")
        if value[: len(self.prefix)].lower() != self.prefix.lower():
            raise MalformedSignature(f"the token at {self.where} is not written behind {self.prefix!r}")
        return read_jws(value[len(self.prefix) :].strip(" "))

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the token's signature with every key, and its claims."""
        jws = self._jws(delivery)
        for key in keys:
            if key.prepared is not None and key.prepared.verify(jws):
                return self._judge(jws, delivery, [key])
        raise SignatureMismatch(f"none of {len(keys)} keys made this token with {self.algorithm}: is it this endpoint's?")

    def _judge(self, jws: Jws, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the claims of a token whose signature is genuine; any of the keys' secrets may be the one it is for."""
        claims = _claims(jws)
        for name in self.required:
            if claims.get(name) is None:
                raise MalformedSignature(f"the token has no claim {name!r}")
        for key in keys:
            wrong = [name for name, check in self.claims.items() if not _holds(check, claims.get(name), delivery, key.secret)]
            if not wrong:
                return key.name, None if self.timestamp is None else _moment(claims, self.timestamp, needed=True)
        raise SignatureMismatch(f"the token is genuine, but its claim {wrong[0]!r} is not for this delivery and this endpoint")

    def validity(self, delivery: Delivery) -> Validity:
        """Return the token's own bounds, ``nbf`` and ``exp``; only for a delivery that was verified."""
        claims = _claims(self._jws(delivery))
        return _moment(claims, "nbf"), _moment(claims, "exp")

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Write a token with the claims the delivery needs."""
        if len(keys) != 1:
            raise ConfigurationError(f"{self.where} carries one token: sign with one secret")
        secret, prepared = keys[0].secret, keys[0].prepared
        if prepared is None:
            raise ConfigurationError(
                "the provider alone has the private key: for tests, give one of your own as the secret's private_key"
            )
        claims: dict[str, Any] = {}
        if self.timestamp is not None:
            claims[self.timestamp] = int(draft.timestamp)
        for name in self.required:
            if name in ("exp", "nbf", "iat"):
                claims.setdefault(name, int(draft.timestamp) + (300 if name == "exp" else 0))
            else:
                claims.setdefault(name, draft.id)
        for name, check in self.claims.items():
            if (value := _write(check, draft, secret)) is not None:
                claims[name] = value
        header = {"kid": secret.field("key_id")} if secret.has("key_id") else {}
        token = self.prefix + prepared.sign(header, json.dumps(claims, separators=(",", ":")).encode())
        if isinstance(self.token, InHeader):
            return Delivery(draft.body, {**draft.headers, self.token.name: token}, draft.method, draft.url)
        return Delivery(put_json(draft.body, self.token.path, token), draft.headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return f"JwtScheme({self.token!r}, {self.algorithm!r}, claims={self.claims!r})"


class PublishedJwtScheme(JwtScheme):
    """A token signed with one of the keys its provider publishes, by the token's ``kid``; otherwise like ``JwtScheme``.

    ``published`` says where they are (:class:`KeySet`). Signing takes a ``private_key`` and a ``key_id`` in the secret, which
    only tests have.
    """

    __slots__ = ("published",)

    extras = ("jwt", "fetch")

    def __init__(self, *, published: Published, **parts: Any) -> None:
        super().__init__(**parts)
        if self.algorithm.startswith("HS"):
            raise ConfigurationError(f"{self.algorithm} takes a shared secret, which nobody publishes")
        self.published = published
        self._take_fields(published.secret_fields, ("private_key", "key_id"))

    def prepare(self, secret: Secret) -> JwsKey | None:
        """Read the private key, in tests; a package that is missing is found here and not at the first delivery."""
        need_jwt()
        return JwsKey(read_key(secret.value("private_key")), self.algorithm) if secret.has("private_key") else None

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted | None:
        """Say which key the token names; MalformedSignature when it names none, or another algorithm."""
        header = self._jws(delivery).header
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
            raise MalformedSignature("the token's header names no key")
        if header.get("alg") != self.algorithm:
            raise MalformedSignature(f"the token's header says another algorithm than {self.algorithm}")
        return self.published.wanted(key_id, keys[0].secret, self.algorithm)

    def verify(self, delivery: Delivery, keys: Sequence[Key], found: JwsKey | None = None) -> Verified:
        """Check the token with the key that was found, and its claims."""
        jws = self._jws(delivery)
        if found is None or not found.verify(jws):
            raise SignatureMismatch(f"the provider's key did not make this token with {self.algorithm}")
        return self._judge(jws, delivery, keys)


def _claims(jws: Jws) -> dict[str, Any]:
    try:
        claims = read_json(jws.payload)
    except MalformedBody:
        claims = None
    if not isinstance(claims, dict):
        raise MalformedSignature("the token's payload is no JSON object")
    return claims


def _moment(claims: Mapping[str, Any], name: str, *, needed: bool = False) -> float | None:
    value = claims.get(name)
    if value is None:
        if needed:
            raise MissingTimestamp(f"the token has no claim {name!r}")
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or not 0 < value < 1e12:
        raise MalformedTimestamp(f"the token's claim {name!r} is not seconds since 1970")
    return float(value)


def _holds(check: Claim, value: Any, delivery: Delivery, secret: Secret) -> bool:
    if isinstance(check, Equals):
        # True is 1 in Python, and not in JSON.
        return any(type(value) is type(one) and value == one for one in check.values)
    if isinstance(check, BodyHash):
        if not check.required and not delivery.body:
            return value is None  # a hash vouches for a body, which was then taken away
        return _same_hash(value, check, delivery.body)
    if isinstance(check, UrlHash):
        return _same_hash(value, check, delivery.url.encode("utf-8", "surrogatepass"))
    if isinstance(check, UrlItself):
        wanted = delivery.url
    elif secret.has(check.field):
        wanted = secret.field(check.field)
    else:
        return True
    return wanted in value if isinstance(value, list) else _same(value, wanted)


def _same(value: Any, wanted: str) -> bool:
    return isinstance(value, str) and compare_digest(
        value.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass")
    )


def _same_hash(value: Any, check: BodyHash | UrlHash, content: bytes) -> bool:
    wanted = _hash(check, content)
    # Some pad what they call base64url.
    padded = "=" * (-len(wanted) % 4) if check.encoding == "base64url" else ""
    return _same(value, wanted) or bool(padded and _same(value, wanted + padded))


def _hash(check: BodyHash | UrlHash, content: bytes) -> str:
    digest = hashlib.new(check.digest, content).digest()
    return digest.hex() if check.encoding == "hex" else _write_base64url(digest)


def _write(check: Claim, draft: Draft, secret: Secret) -> Any:
    if isinstance(check, Equals):
        return check.values[0]
    if isinstance(check, BodyHash):
        return _hash(check, draft.body) if check.required or draft.body else None
    if isinstance(check, UrlHash):
        return _hash(check, draft.url.encode("utf-8", "surrogatepass"))
    if isinstance(check, UrlItself):
        return draft.url
    return secret.field(check.field) if secret.has(check.field) else None
