"""JSON Web Tokens (RFC 7519): the delivery carries a token, and the token's claims describe the delivery."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Literal, Union

from hookguard.bodies import Reading, read_json
from hookguard.delivery import Delivery
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
from hookguard.place import InBody, InHeader, need_place
from hookguard.schemes.base import Draft, Key, Scheme, Validity, Verified
from hookguard.schemes.jws import Jws, JwsKey, JwtAlgorithm, Published, need_jwt, read_jws, read_pinned_jwk, write_base64url
from hookguard.schemes.public_key import read_key
from hookguard.secret import Secret, SecretFormat, need_format

__all__ = ["BodyHash", "ClaimCheck", "Equals", "FieldOf", "JwtScheme", "PublishedJwtScheme", "UrlHash", "UrlItself"]

#: The longest token in a body, in characters. Headers have their own limit.
MAX_TOKEN = 1 << 20

_KEY_ID = re.compile(r"[!-~]{1,256}", re.ASCII)


@dataclass(frozen=True)
class Equals:
    """The claim must equal one of these values. Signing writes the first."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, slots=True)
class FieldOf:
    """The claim must equal the secret's field, or be a list that contains it.

    With ``required=False`` the field is optional: without it the claim is not checked.
    """

    field: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class BodyHash:
    """The claim must equal the hash of the body."""

    encoding: Literal["hex", "base64url"] = "hex"
    digest: str = "sha256"
    required: bool = True  #: False if the provider leaves the claim out of a delivery without a body


@dataclass(frozen=True, slots=True)
class UrlHash:
    """The claim must equal the hash of the URL."""

    encoding: Literal["hex", "base64url"] = "hex"
    digest: str = "sha256"


@dataclass(frozen=True, slots=True)
class UrlItself:
    """The claim must equal the URL, or be a list that contains it."""


#: The check of one claim.
ClaimCheck = Union[Equals, FieldOf, BodyHash, UrlHash, UrlItself]
_PARTS: dict[type, str] = {BodyHash: "body", UrlHash: "url", UrlItself: "url"}


class JwtScheme(Scheme):
    """A token at ``token`` (behind ``prefix``, in any case), signed with ``algorithm``, with these ``claims``.

    The key is the secret's field ``secret`` (HS…) or ``public_key``. For keys that the provider publishes, see
    :class:`PublishedJwtScheme`. ``timestamp`` is the claim with the time of signing. ``exp`` and ``nbf`` are checked if they are
    present, and ``required`` names claims that must be present. Raises ConfigurationError if the arguments do not fit together.
    """

    __slots__ = (
        "algorithm",
        "claims",
        "covers",
        "naming_fields",
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
        claims: Mapping[str, ClaimCheck],
        token: InHeader | InBody | None = None,
        prefix: str = "",
        timestamp: str | None = "iat",
        required: Sequence[str] = (),
        secret_format: SecretFormat = "text",
    ) -> None:
        if algorithm not in JwtAlgorithm.__args__:  # type: ignore[attr-defined]  # what Literal holds
            known = ", ".join(JwtAlgorithm.__args__)  # type: ignore[attr-defined]  # what Literal holds
            raise ConfigurationError(f"algorithm is {algorithm!r}; choose {known}")
        self.algorithm: JwtAlgorithm = algorithm
        self.claims = dict(claims)
        self.token = InHeader("Authorization") if token is None else token
        need_place(self.token, "token", InHeader, InBody)
        self.prefix = prefix
        self.timestamp = timestamp
        self.required = tuple(required)
        need_format(secret_format)
        self.secret_format: SecretFormat = secret_format
        self.required_header = self.token.header.lower() if self.token.header else None
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
        self.naming_fields = tuple(check.field for check in fields)
        self.optional_fields = (*(check.field for check in fields if not check.required), *optional)

    extras: tuple[str, ...] = ("jwt",)

    @property
    def signs_privately(self) -> bool:  # type: ignore[override]  # it follows from the fields here
        """Whether the secret is a public key."""
        return "public_key" in self.secret_fields

    @property
    def where(self) -> str:
        """The header or the place."""
        return f"`{self.token.header}`" if self.token.header else str(self.token)

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
        value = self.token.find(Reading(delivery))
        if not value:
            raise MissingSignature(f"no token at {self.where}", header=self.token.header)
        if len(value) > MAX_TOKEN:
            raise MalformedSignature(
                f"the token is {len(value)} characters long; at most {MAX_TOKEN} are allowed", size=len(value), limit=MAX_TOKEN
            )
        if value[: len(self.prefix)].lower() != self.prefix.lower():
            raise MalformedSignature(f"the token at {self.where} does not begin with {self.prefix!r}")
        return read_jws(value[len(self.prefix) :].strip(" "))

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the token's signature with every key, and its claims."""
        jws = self._jws(delivery)
        for key in keys:
            if key.prepared is not None and key.prepared.verify(jws):
                return self._check_claims(jws, delivery, [key])
        raise SignatureMismatch(
            f"the token's {self.algorithm} signature does not match (keys tried: {len(keys)}). Check that this is the"
            " endpoint's key.",
            secrets=len(keys),
        )

    def says_of_itself(self, delivery: Delivery) -> dict[str, str]:
        """Return the claims that must equal a field of the secret."""
        claims = _claims(self._jws(delivery))
        said = {}
        for name, check in self.claims.items():
            value = claims.get(name)
            value = value[0] if isinstance(value, list) and value else value
            if isinstance(check, FieldOf) and isinstance(value, str):
                said[check.field] = value
        return said

    def expected(self, delivery: Delivery, key: Key) -> tuple[str, ...]:
        """Return the signature of a token that is signed with a shared secret, even if the token's own is cut."""
        value = self.token.find(Reading(delivery)) or ""
        signed, dot, _ = value[len(self.prefix) :].strip(" ").rpartition(".")
        shared = self.algorithm.startswith("HS") and dot and len(value) <= MAX_TOKEN
        return (key.prepared.signature(signed.encode()),) if shared else ()

    def misfits(self, delivery: Delivery, keys: Sequence[Key]) -> set[str]:
        """Return the parts that the token does not fit: "body", "url", or "token" for any other reason. May raise Rejected."""
        jws = self._jws(delivery)
        made = next((key for key in keys if key.prepared is not None and key.prepared.verify(jws)), None)
        if made is None:
            return {"token"}
        claims, checks, secret = _claims(jws), self.claims.items(), made.secret
        wrong = [check for name, check in checks if not _holds(check, claims.get(name), delivery, secret)]
        return {_PARTS.get(type(check), "token") for check in wrong}

    def _check_claims(self, jws: Jws, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the claims of a token whose signature is genuine. They must fit one of the keys' secrets."""
        claims = _claims(jws)
        for name in self.required:
            if claims.get(name) is None:
                raise MalformedSignature(f"the token has no claim {name!r}")
        wrong: list[str] = []
        for key in keys:
            wrong = [name for name, check in self.claims.items() if not _holds(check, claims.get(name), delivery, key.secret)]
            if not wrong:
                return key.name, None if self.timestamp is None else _moment(claims, self.timestamp, needed=True)
        raise SignatureMismatch(f"the token is genuine, but its claim {wrong[0]!r} does not fit this delivery and this endpoint")

    def validity(self, delivery: Delivery) -> Validity:
        """Return the token's bounds ``nbf`` and ``exp``. Call it only for a verified delivery.

        A token is not valid before it was issued. So ``iat`` is a bound too, unless it is the timestamp: then the tolerance
        covers it.
        """
        claims = _claims(self._jws(delivery))
        starts = [_moment(claims, name) for name in ("nbf", "iat") if name != self.timestamp]
        return max((start for start in starts if start is not None), default=None), _moment(claims, "exp")

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Write a token with the claims that the delivery needs."""
        if len(keys) != 1:
            raise ConfigurationError(f"{self.where} carries one token: sign with one secret")
        secret, prepared = keys[0].secret, keys[0].prepared
        if prepared is None:
            raise ConfigurationError(
                "only the provider has the private key: in tests, give your own key as the secret's private_key"
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
        writing = draft.writing()
        self.token.put(writing, self.prefix + prepared.sign(header, json.dumps(claims, separators=(",", ":")).encode()))
        return writing.delivery()

    def __repr__(self) -> str:
        return f"JwtScheme({self.token!r}, {self.algorithm!r}, claims={self.claims!r})"


class PublishedJwtScheme(JwtScheme):
    """A token signed with a key that the provider publishes. The token's ``kid`` names the key; the rest is ``JwtScheme``.

    ``published`` is where the keys are (:class:`KeySet`). Signing needs a ``private_key`` and a ``key_id`` in the secret, which
    only tests have.
    """

    __slots__ = ("published",)

    extras = ("jwt", "fetch")

    def __init__(self, *, published: Published, **parts: Any) -> None:
        super().__init__(**parts)
        if self.algorithm.startswith("HS"):
            raise ConfigurationError(f"{self.algorithm} needs a shared secret, and published keys are public: use JwtScheme")
        self.published = published
        self._take_fields(published.secret_fields, ("private_key", "key_id"))

    def prepare(self, secret: Secret) -> JwsKey | None:
        """Read the private key, in tests. A missing package is reported here, not at the first delivery."""
        need_jwt()
        return JwsKey(read_key(secret.value("private_key")), self.algorithm) if secret.has("private_key") else None

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted | None:
        """Return the key that the token names; MalformedSignature if it names no key, or another algorithm."""
        header = self._jws(delivery).header
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
            raise MalformedSignature("the token's header has no valid kid")
        if header.get("alg") != self.algorithm:
            raise MalformedSignature(f"the token's header names another algorithm than {self.algorithm}")
        return self.published.wanted(key_id, keys[0].secret, self.algorithm)

    def sources(self, keys: Sequence[Key]) -> tuple[str, ...]:
        """Return the address of the provider's keys."""
        return (self.published.wanted("any", keys[0].secret, self.algorithm).url,) if keys else ()

    def verify(self, delivery: Delivery, keys: Sequence[Key], found: JwsKey | None = None) -> Verified:
        """Check the token's signature with the fetched key, and its claims."""
        jws = self._jws(delivery)
        if found is None or not found.verify(jws):
            raise SignatureMismatch(f"the token's {self.algorithm} signature does not match the provider's key")
        return self._check_claims(jws, delivery, keys)

    def check_key_name(self, name: str) -> None:
        """Raise ConfigurationError unless the name can be the ``kid`` of a token."""
        if not _KEY_ID.fullmatch(name):
            raise ConfigurationError("a token's kid has 1 to 256 printable ASCII characters without spaces")

    def read_pinned_key(self, text: str | bytes) -> JwsKey:
        """Read a JSON Web Key, or PEM."""
        return read_pinned_jwk(text, self.algorithm)


def _claims(jws: Jws) -> dict[str, Any]:
    try:
        claims = read_json(jws.payload)
    except MalformedBody:
        claims = None
    if not isinstance(claims, dict):
        raise MalformedSignature("the token's payload is not a JSON object")
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


def _holds(check: ClaimCheck, value: Any, delivery: Delivery, secret: Secret) -> bool:
    if isinstance(check, Equals):
        # True is 1 in Python, and not in JSON.
        return any(type(value) is type(one) and value == one for one in check.values)
    if isinstance(check, BodyHash):
        if not check.required and not delivery.body:
            return value is None  # with a hash, the token was made for a body, and the body was removed
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
    # Some senders pad base64url.
    padded = "=" * (-len(wanted) % 4) if check.encoding == "base64url" else ""
    return _same(value, wanted) or bool(padded and _same(value, wanted + padded))


def _hash(check: BodyHash | UrlHash, content: bytes) -> str:
    digest = hashlib.new(check.digest, content).digest()
    return digest.hex() if check.encoding == "hex" else write_base64url(digest)


def _write(check: ClaimCheck, draft: Draft, secret: Secret) -> Any:
    if isinstance(check, Equals):
        return check.values[0]
    if isinstance(check, BodyHash):
        return _hash(check, draft.body) if check.required or draft.body else None
    if isinstance(check, UrlHash):
        return _hash(check, draft.url.encode("utf-8", "surrogatepass"))
    if isinstance(check, UrlItself):
        return draft.url
    return secret.field(check.field) if secret.has(check.field) else None
