"""Plaid: a token in a header with the body's hash, signed with a key from Plaid's API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hookguard.bodies import read_json
from hookguard.errors import MalformedBody
from hookguard.facts import DAY, Facts, Source
from hookguard.keys import Wanted
from hookguard.place import InBody, InHeader, Joined, Place, Readable
from hookguard.preset import Preset
from hookguard.schemes.jws import JwsKey, JwtAlgorithm, jwk_key
from hookguard.schemes.jwt import BodyHash, PublishedJwtScheme
from hookguard.secret import Secret

__all__ = ["PLAID", "PLAID_SANDBOX", "PlaidKeys", "PlaidScheme", "SignedPart"]

_DOCS = Source("https://plaid.com/docs/api/webhooks/webhook-verification/", "2026-11-25")
_WEBHOOKS = Source("https://plaid.com/docs/api/webhooks/", "2026-11-25")


_HEADER = "Plaid-Verification"


@dataclass(frozen=True, slots=True)
class SignedPart(Place):
    """The digest of the content that a header's token signs: the body's hash and the time.

    Plaid's events have no id, and an item's next update may have an equal body: the time distinguishes them. The signature is not
    part of the digest, because one content has many valid ECDSA signatures, and anyone can derive another.
    """

    header: str

    @property
    def parts(self) -> frozenset[str]:
        """The token without its signature."""
        return frozenset({f"token:{self.header.lower()}"})

    def find(self, event: Readable) -> str | None:
        """Return the digest, or None without a token."""
        token = event.headers.one(self.header.lower())
        return f"sha256:{hashlib.sha256(token.rpartition('.')[0].encode()).hexdigest()}" if token else None

    def __str__(self) -> str:
        return f"the content that the token in header `{self.header}` signs"


@dataclass(frozen=True, slots=True)
class PlaidKeys:
    """Keys from Plaid's API. Each is one request, with the account's client id and secret."""

    host: str
    secret_fields: tuple[str, ...] = ("client_id", "secret")

    def wanted(self, key_id: str, secret: Secret, algorithm: JwtAlgorithm) -> Wanted:
        """Return where the key with that id is. Status 400 means that there is no such key."""
        asked = {"client_id": secret.field("client_id"), "secret": secret.field("secret"), "key_id": key_id}
        return Wanted(
            f"https://{self.host}/webhook_verification_key/get",
            key_id,
            lambda document, now: _read_key(document, now, key_id, algorithm),
            body=json.dumps(asked).encode(),
            absent=frozenset({400}),
        )


def _read_key(document: bytes, now: float, key_id: str, algorithm: JwtAlgorithm) -> Mapping[str, JwsKey]:
    try:
        answer = read_json(document)
    except MalformedBody as error:
        raise ValueError(str(error)) from None
    jwk = answer.get("key") if isinstance(answer, dict) else None
    if not isinstance(jwk, dict) or jwk.get("kid") != key_id:
        raise ValueError("the answer holds no key with that id")
    expired = jwk.get("expired_at")
    # A withdrawn key is not valid.
    if expired is not None and not (isinstance(expired, (int, float)) and expired > now):
        return {}
    return {key_id: jwk_key(jwk, algorithm)}


class PlaidScheme(PublishedJwtScheme):
    """A token over the body's hash. The signed content identifies the event."""

    __slots__ = ()

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.covers |= SignedPart(_HEADER).parts


def _scheme(host: str) -> PlaidScheme:
    return PlaidScheme(
        published=PlaidKeys(host),
        algorithm="ES256",
        token=InHeader(_HEADER),
        claims={"request_body_sha256": BodyHash()},
    )


_PROFILE = Facts(
    schedule=_WEBHOOKS.says("for up to 24 hours: first after 30 seconds, then each wait is four times the last"),
    horizon=_WEBHOOKS.says(DAY),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    stable_id=_DOCS.silent(None),
    largest_body=_DOCS.silent(None),
    timeout=_WEBHOOKS.says(10.0),
    statuses=_WEBHOOKS.says("200 succeeds; retries stop while over 90 % of an endpoint's deliveries fail"),
    networks=_WEBHOOKS.says("https://plaid.com/docs/api/webhooks/"),
)

PLAID = Preset(
    name="plaid",
    title="Plaid",
    scheme=_scheme("production.plaid.com"),
    event_id=SignedPart(_HEADER),
    event_type=Joined(InBody("webhook_type"), InBody("webhook_code")),
    facts=_PROFILE,
    docs=_DOCS.address,
    note="The secret is the API's client_id and secret; hookguard fetches the key with them. Sandbox: preset plaid-sandbox.",
)

PLAID_SANDBOX = Preset(
    name="plaid-sandbox",
    title="Plaid (sandbox)",
    scheme=_scheme("sandbox.plaid.com"),
    event_id=PLAID.event_id,
    event_type=PLAID.event_type,
    facts=_PROFILE,
    docs=_DOCS.address,
    test_shape=".",
    note="The secret is the sandbox's client_id and secret. The sandbox has other keys than production.",
)
