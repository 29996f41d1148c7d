"""TrueLayer's payment webhooks: a detached token (ES512) with a key that TrueLayer publishes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hookguard.bodies import read_json
from hookguard.delivery import Delivery
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedSignature,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.facts import DAY, Facts, Source
from hookguard.head.target import split_target
from hookguard.headers import Headers
from hookguard.keys import Wanted
from hookguard.place import FirstOf, InBody
from hookguard.preset import Preset
from hookguard.privacy.shown import shown_url
from hookguard.record import Record
from hookguard.schemes.base import Draft, FetchingScheme, Key, Verified, signed_url
from hookguard.schemes.jws import Jws, JwsKey, need_jwt, read_jwks, read_jws, read_pinned_jwk
from hookguard.schemes.layout import Layout
from hookguard.schemes.public_key import read_key
from hookguard.schemes.timestamp import read_timestamp
from hookguard.secret import Secret

__all__ = ["TRUELAYER", "TrueLayerKey", "TrueLayerScheme"]

_DOCS = Source("https://docs.truelayer.com/docs/configure-webhooks-for-your-integration", "2026-11-25")
_RETRIES = Source("https://docs.truelayer.com/docs/set-up-webhook-notifications-payments-v2", "2026-11-25")
_SCHEME = "https://github.com/TrueLayer/truelayer-signing/blob/main/request-signing-v2.md"

_HEADER, _TIMESTAMP = "Tl-Signature", "X-Tl-Webhook-Timestamp"
_KEYS = {
    "production": "https://webhooks.truelayer.com/.well-known/jwks",
    "sandbox": "https://webhooks.truelayer-sandbox.com/.well-known/jwks",
}
_BASE64URL = Layout("{base64url-nopad}")
_NAME = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class TrueLayerKey(Record):
    """The environment with the keys, and a private key in tests."""

    source: str
    private: JwsKey | None


class TrueLayerScheme(FetchingScheme):
    """ES512 over method, path, the headers that the token lists, and body.

    No secret is shared: the secret is the environment, ``production`` or ``sandbox``, whose published keys are trusted. A
    ``private_key`` makes it sign too, for tests. The query is not signed, so ``covers`` does not name the URL.
    """

    __slots__ = ()

    where = f"header `{_HEADER}`"
    what = "ES512 (detached JWS) of method, path, listed headers and body"

    secret_fields = ("environment",)
    extras = ("jwt", "fetch")
    optional_fields = ("private_key",)
    covers = frozenset({"body", "method", "path", _TIMESTAMP.lower()})
    signs_timestamp = True
    required_header = _HEADER.lower()

    def prepare(self, secret: Secret) -> TrueLayerKey:
        """Return the environment; ConfigurationError if its name is unknown, or a package is missing."""
        need_jwt()
        environment = secret.field("environment")
        if environment not in _KEYS:
            raise ConfigurationError(f"{environment!r} is not an environment of TrueLayer: give 'production' or 'sandbox'")
        private = JwsKey(read_key(secret.value("private_key")), "ES512") if secret.has("private_key") else None
        return TrueLayerKey(_KEYS[environment], private)

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted:
        """Return the key that the token names, at the address of a configured environment."""
        header = self._token(delivery).header
        source, kid = header.get("jku"), header.get("kid")
        if not isinstance(source, str) or source not in {key.prepared.source for key in keys}:
            raise UntrustedKeySource("the token's key is not at the address of a configured environment: nothing was fetched")
        if not isinstance(kid, str) or not 0 < len(kid) <= 128:
            raise MalformedSignature("the token names no key")
        return Wanted(source, kid, _read_keys, known=True)

    def sources(self, keys: Sequence[Key]) -> tuple[str, ...]:
        """Return the addresses of the configured environments' keys."""
        return tuple(dict.fromkeys(key.prepared.source for key in keys))

    def verify(self, delivery: Delivery, keys: Sequence[Key], found: Any = None) -> Verified:
        """Check the token with the fetched key."""
        token = self._token(delivery)
        header = token.header
        names = _names(header)
        stamp = delivery.headers.whole(_TIMESTAMP.lower())
        if _TIMESTAMP.lower() not in [name.lower() for name in names] or not stamp:
            raise MissingTimestamp(f"no {_TIMESTAMP} header, or it is not signed", header=_TIMESTAMP)
        timestamp = read_timestamp(stamp, "rfc3339")
        matched = next((key.name for key in keys if key.prepared.source == header.get("jku")), None)
        if matched is None or not isinstance(found, JwsKey):
            raise UntrustedKeySource("the token's key is not that of a configured environment")
        with signed_url():
            path = split_target(delivery.url).path
        # The sender may sign the path with or without a slash at its end.
        for spelt in (path, path.removesuffix("/") if path.endswith("/") else path + "/"):
            payload = _payload(delivery.method, spelt, names, delivery.headers, delivery.body)
            if found.verify(token._replace(payload=payload, signed=token.signed + _BASE64URL.encode(payload).encode())):
                return matched, timestamp
        where = shown_url(path)
        raise SignatureMismatch(
            f"signature does not match {delivery.method} {where!r} and a body of {len(delivery.body)} bytes. Check that no proxy"
            " changed the method, the path, the headers or the body.",
            candidates=1,
            size=len(delivery.body),
        )

    def check_key_name(self, name: str) -> None:
        """Raise ConfigurationError unless the name can be the ``kid`` of a token."""
        if not 0 < len(name) <= 128:
            raise ConfigurationError("it is not the kid of a token")

    def read_pinned_key(self, text: str | bytes) -> JwsKey:
        """Read a JSON Web Key, or PEM."""
        return read_pinned_jwk(text, "ES512", repair=_with_leading_zeros)

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with the private key of a secret. The token names it by the secret's name."""
        if len(keys) != 1 or keys[0].prepared.private is None:
            raise ConfigurationError("only TrueLayer signs its webhooks: in tests give one secret with a private_key")
        key: TrueLayerKey = keys[0].prepared
        stamp = _rfc3339(draft.timestamp)
        headers = {**draft.headers, _TIMESTAMP: stamp}
        header = {"typ": None, "kid": keys[0].name, "tl_version": "2", "tl_headers": _TIMESTAMP, "jku": key.source}
        payload = _payload(draft.method, split_target(draft.url).path, [_TIMESTAMP], Headers(headers), draft.body)
        head, _, signature = key.private.sign(header, payload).split(".") if key.private else ("", "", "")
        headers[_HEADER] = f"{head}..{signature}"
        return Delivery(draft.body, headers, draft.method, draft.url)

    def _token(self, delivery: Delivery) -> Jws:
        """The token, without its payload (RFC 7515 appendix F)."""
        text = delivery.headers.one(self.required_header or "")
        if not text:
            raise MissingSignature(f"no {_HEADER} header", header=_HEADER)
        token = read_jws(text)
        if token.payload or token.header.get("alg") != "ES512":
            raise MalformedSignature("the token carries its payload, or is not signed with ES512")
        return token

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


def _read_keys(document: bytes, _now: float) -> Mapping[str, JwsKey]:
    """Read the key set."""
    try:
        listed = [_with_leading_zeros(dict(jwk)) for jwk in read_json(document)["keys"]]
    except (MalformedBody, TypeError, KeyError, ValueError):
        raise ValueError("the document is not a JSON Web Key Set") from None
    return read_jwks(json.dumps({"keys": listed}).encode(), "ES512")


def _with_leading_zeros(jwk: dict[str, Any]) -> dict[str, Any]:
    """TrueLayer sometimes omits the leading zeros of a coordinate: put them back."""
    for part in ("x", "y"):
        value = jwk.get(part)
        raw = _BASE64URL.decode(value) if isinstance(value, str) and jwk.get("crv") == "P-521" else None
        if raw is not None:
            jwk[part] = _BASE64URL.encode(raw.rjust(66, b"\0"))
    return jwk


def _rfc3339(seconds: float) -> str:
    from datetime import datetime, timezone  # noqa: PLC0415 - for signing only

    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


TRUELAYER = Preset(
    name="truelayer",
    title="TrueLayer",
    scheme=TrueLayerScheme(),
    event_id=InBody("event_id"),
    event_type=FirstOf(InBody("type"), InBody("event_type")),
    facts=Facts(
        schedule=_RETRIES.says("a few times immediately, then with growing gaps for up to 72 hours"),
        horizon=_RETRIES.says(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_RETRIES.says("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs=_SCHEME,
    note=(
        "The secret is the environment's name, production or sandbox; hookguard fetches its keys. The URL's path is signed,"
        " so a proxy must not change it. The query is not signed: do not trust it."
    ),
)
