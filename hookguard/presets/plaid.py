"""Plaid: a token in a header that vouches for the body, by a key behind Plaid's API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hookguard.documents import read_json
from hookguard.errors import MalformedBody
from hookguard.keys import Wanted
from hookguard.place import InBody, InHeader, Joined, Readable
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.jwt import BodyHash, JwsKey, JwtAlgorithm, PublishedJwtScheme, jwk_key
from hookguard.secret import Secret

__all__ = ["PLAID", "PLAID_SANDBOX", "PlaidKeys", "PlaidScheme", "SignedPart"]

_DOCS = Source("https://plaid.com/docs/api/webhooks/webhook-verification/", "2026-11-25")
_WEBHOOKS = Source("https://plaid.com/docs/api/webhooks/", "2026-11-25")


_HEADER = "Plaid-Verification"


@dataclass(frozen=True, slots=True)
class SignedPart:
    """The digest of what a header's token signs: the body's hash and the moment.

    Plaid gives events no id, and an item's next update may well be the same body again: the moment tells them apart. The
    signature itself is left out, because whoever has one can write another for the same content.
    """

    header: str

    @property
    def parts(self) -> frozenset[str]:
        """The token without its signature."""
        return frozenset({f"token:{self.header.lower()}"})

    def find(self, event: Readable) -> str | None:
        """Return the digest; None when there is no token."""
        token = event.headers.one(self.header.lower())
        return f"sha256:{hashlib.sha256(token.rpartition('.')[0].encode()).hexdigest()}" if token else None

    def __str__(self) -> str:
        return f"what the token in header `{self.header}` signs"


@dataclass(frozen=True, slots=True)
class PlaidKeys:
    """Keys that Plaid's API gives out one by one, to who has the account's client id and secret."""

    host: str
    secret_fields: tuple[str, ...] = ("client_id", "secret")

    def wanted(self, key_id: str, secret: Secret, algorithm: JwtAlgorithm) -> Wanted:
        """Ask for the key of that id; 400 says that there is none."""
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
        raise ValueError("the answer holds no key of that id")
    expired = jwk.get("expired_at")
    # A key that was withdrawn is no key.
    if expired is not None and not (isinstance(expired, (int, float)) and expired > now):
        return {}
    return {key_id: jwk_key(jwk, algorithm)}


class PlaidScheme(PublishedJwtScheme):
    """A token over the body's hash, of which what it signs tells events apart."""

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


_PROFILE = Profile(
    schedule=_WEBHOOKS.says("for up to 24 hours, from 30 seconds on, each wait four times the last"),
    horizon=_WEBHOOKS.says(DAY),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
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
    profile=_PROFILE,
    docs=_DOCS.address,
    note="The secret is the API's client_id and secret, with which the key is fetched. Sandbox: preset plaid-sandbox.",
)

PLAID_SANDBOX = Preset(
    name="plaid-sandbox",
    title="Plaid (sandbox)",
    scheme=_scheme("sandbox.plaid.com"),
    event_id=PLAID.event_id,
    event_type=PLAID.event_type,
    profile=_PROFILE,
    docs=_DOCS.address,
    note="The secret is the sandbox's client_id and secret; its keys are none of production's.",
)
