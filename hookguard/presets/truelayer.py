"""TrueLayer's payment webhooks: a detached token (ES512) whose key is published by TrueLayer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hookguard.delivery import Delivery
from hookguard.documents import read_json
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.headers import Headers
from hookguard.keys import Wanted
from hookguard.place import FirstOf, InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.base import Draft, FetchingScheme, Key, Verified
from hookguard.schemes.jws import EcKey, read_ec_key, read_jwk, read_token, write_token
from hookguard.schemes.public_key import need_cryptography
from hookguard.secret import Secret
from hookguard.timestamp import read_timestamp

__all__ = ["TRUELAYER", "TrueLayerKey", "TrueLayerScheme"]

_DOCS = Source("https://docs.truelayer.com/docs/configure-webhooks-for-your-integration", "2026-11-25")
_SCHEME = "https://github.com/TrueLayer/truelayer-signing/blob/main/request-signing-v2.md"

_HEADER, _TIMESTAMP = "Tl-Signature", "X-Tl-Webhook-Timestamp"
_KEYS = {
    "production": "https://webhooks.truelayer.com/.well-known/jwks",
    "sandbox": "https://webhooks.truelayer-sandbox.com/.well-known/jwks",
}
_NAME = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


class TrueLayerKey(NamedTuple):
    """Where the keys are, and what signs in tests."""

    source: str
    private: EcKey | None


class TrueLayerScheme(FetchingScheme):
    """ES512 over method, path, the headers that the token lists, and body.

    Nothing is shared: the secret is the environment, ``production`` or ``sandbox``, whose published keys are trusted. With a
    ``private_key`` it signs as well, for tests.
    """

    __slots__ = ()

    where = f"header `{_HEADER}`"
    what = "ES512 (detached JWS) of method, path, listed headers and body"

    secret_fields = ("environment",)
    optional_fields = ("private_key",)
    covers = frozenset({"body", "url", "method", _TIMESTAMP.lower()})
    signs_timestamp = True
    required_header = _HEADER.lower()

    def prepare(self, secret: Secret) -> TrueLayerKey:
        """Look the environment up; ConfigurationError when there is none of that name, or ``cryptography`` is missing."""
        need_cryptography()
        environment = secret.field("environment")
        if environment not in _KEYS:
            raise ConfigurationError(f"{environment!r} is no environment of TrueLayer's: give 'production' or 'sandbox'")
        private = read_ec_key(secret.field("private_key"), "P-521") if secret.has("private_key") else None
        return TrueLayerKey(_KEYS[environment], private)

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted:
        """Ask for the key the token names, at the address of a configured environment."""
        header = read_token(self._token(delivery), "ES512", b"").header
        source, kid = header.get("jku"), header.get("kid")
        if source not in {key.prepared.source for key in keys}:
            raise UntrustedKeySource("the token's key is not at the address of a configured environment: nothing was fetched")
        if not isinstance(kid, str) or not 0 < len(kid) <= 128:
            raise MalformedSignature("the token names no key")
        return Wanted(str(source), kid, _read_keys)

    def verify(self, delivery: Delivery, keys: Sequence[Key], found: Any = None) -> Verified:
        """Check the token with the key that was found."""
        text = self._token(delivery)
        header = read_token(text, "ES512", b"").header
        names = _names(header)
        stamp = delivery.headers.whole(_TIMESTAMP.lower())
        if _TIMESTAMP.lower() not in [name.lower() for name in names] or not stamp:
            raise MissingTimestamp(f"no {_TIMESTAMP} header, or it is not signed")
        timestamp = read_timestamp(stamp, "rfc3339")
        matched = next((key.name for key in keys if key.prepared.source == header.get("jku")), None)
        if matched is None or not isinstance(found, EcKey):
            raise UntrustedKeySource("the token's key is not that of a configured environment")
        path = urlsplit(delivery.url).path
        # The signing side may write the path with a slash at its end or without.
        for spelt in (path, path.removesuffix("/") if path.endswith("/") else path + "/"):
            token = read_token(text, "ES512", _payload(delivery.method, spelt, names, delivery.headers, delivery.body))
            if found.verify(token.signature, token.signed):
                return matched, timestamp
        raise SignatureMismatch("the published key does not fit: are method, path, headers and body as they were sent?")

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with the private key of a secret; the token names it by the secret's own name."""
        if len(keys) != 1 or keys[0].prepared.private is None:
            raise ConfigurationError("only TrueLayer signs its webhooks: for tests give one secret with a private_key")
        key: TrueLayerKey = keys[0].prepared
        stamp = _rfc3339(draft.timestamp)
        headers = {**draft.headers, _TIMESTAMP: stamp}
        header = {"alg": "ES512", "kid": keys[0].name, "tl_version": "2", "tl_headers": _TIMESTAMP, "jku": key.source}
        payload = _payload(draft.method, urlsplit(draft.url).path, [_TIMESTAMP], Headers(headers), draft.body)
        headers[_HEADER] = write_token(header, payload, key.private, detached=True) if key.private else ""
        return Delivery(draft.body, headers, draft.method, draft.url)

    def _token(self, delivery: Delivery) -> str:
        text = delivery.headers.one(self.required_header or "")
        if not text:
            raise MissingSignature(f"no {_HEADER} header")
        return text

    def __repr__(self) -> str:
        return "TrueLayerScheme()"


def _names(header: Mapping[str, Any]) -> list[str]:
    listed = header.get("tl_headers")
    names = listed.split(",") if isinstance(listed, str) and listed else []
    if header.get("tl_version") != "2" or len(names) > 32 or not all(_NAME.fullmatch(name) for name in names):
        raise MalformedSignature("the token is not of version 2, or its list of headers cannot be read")
    return names


def _payload(method: str, path: str, names: Sequence[str], headers: Headers, body: bytes) -> bytes:
    lines = [f"{method} {path}\n"]
    for name in names:
        value = headers.one(name.lower())
        if value is None:
            raise MalformedSignature(f"the signed header {name!r} is missing")
        lines.append(f"{name}: {value}\n")
    return "".join(lines).encode("utf-8", "surrogatepass") + body


def _read_keys(document: bytes, _now: float) -> Mapping[str, EcKey]:
    try:
        listed = list(read_json(document)["keys"])
    except (MalformedBody, TypeError, KeyError):
        raise ValueError("no list of keys") from None
    # Keys of other kinds stand in the same list.
    return {
        jwk["kid"]: read_jwk(jwk, "P-521")
        for jwk in listed
        if isinstance(jwk, dict) and isinstance(jwk.get("kid"), str) and jwk.get("crv") == "P-521"
    }


def _rfc3339(seconds: float) -> str:
    from datetime import datetime, timezone  # noqa: PLC0415 - for signing only

    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


TRUELAYER = Preset(
    name="truelayer",
    title="TrueLayer",
    scheme=TrueLayerScheme(),
    event_id=InBody("event_id"),
    event_type=FirstOf(InBody("type"), InBody("event_type")),
    # No page read says whether a retry is signed anew, and one that is refused for its age would be lost.
    tolerance=4 * DAY,
    profile=Profile(
        schedule=_DOCS.silent("for up to 72 hours, with exponential backoff"),
        horizon=_DOCS.silent(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs=_SCHEME,
    note="The secret is the environment's name, production or sandbox; its keys are fetched. The URL's path is signed.",
)
