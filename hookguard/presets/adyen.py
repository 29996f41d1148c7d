"""Adyen's payment webhooks: the body holds notification items, and each is signed."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Any

from hookguard.batch import Batch
from hookguard.bodies import Reading, read_json
from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError, MalformedBody, MalformedSignature, MissingSignature, SignatureMismatch
from hookguard.facts import DAY, Facts, Source
from hookguard.json_path import read, steps
from hookguard.place import InBody, Joined
from hookguard.preset import Preset
from hookguard.schemes.base import Draft, Key, Scheme, Verified
from hookguard.schemes.hmac import HmacKey
from hookguard.secret import Secret, SecretFormat
from hookguard.writing import put_json

__all__ = ["ADYEN", "ADYEN_FACTS", "AdyenScheme"]

_DOCS = Source("https://docs.adyen.com/development-resources/webhooks/troubleshoot", "2026-11-25")
_ACCEPT = Source("https://docs.adyen.com/japan-sellers-screening/webhooks", "2026-11-25")
_SIGNATURES = "https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures"

#: The path to the events, and the key that wraps each.
_ITEMS = Batch("notificationItems", largest=_DOCS.silent(None))
_ITEM = "NotificationRequestItem"

#: The signed fields, in order.
_SIGNED = (
    "pspReference",
    "originalReference",
    "merchantAccountCode",
    "merchantReference",
    "amount.value",
    "amount.currency",
    "eventCode",
    "success",
)
#: The only field that may hold a colon, because the merchant chooses it. In other fields a colon would move a border.
_FREE = "merchantReference"


class AdyenScheme(Scheme):
    """HMAC-SHA256 over eight fields of each notification item, which carries it in ``additionalData.hmacSignature``.

    Every item must be signed. Other fields are not covered: the time, the reason, the payment method.
    """

    __slots__ = ()

    where = "body `additionalData.hmacSignature` of each item"
    what = "HMAC-SHA-256 of eight fields of each item"

    secret_format: SecretFormat = "hex"
    covers = frozenset(f"body:{_ITEMS.each}{_ITEM}.{path}" for path in _SIGNED)

    def prepare(self, secret: Secret) -> HmacKey:
        """Hash the key's two blocks once."""
        return HmacKey(secret.key("hex"), "sha256")

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check every item against every key."""
        matched = ""
        for item in _items(Reading(delivery).document()):
            additional = item.get("additionalData")
            signature = additional.get("hmacSignature") if isinstance(additional, dict) else None
            if not signature:
                raise MissingSignature("a notification item carries no additionalData.hmacSignature")
            if not isinstance(signature, str) or not signature.isascii():
                raise MalformedSignature("a notification item's hmacSignature is not ASCII text")
            signed = _signed(item)
            for key in keys:
                if compare_digest(_sign(key, signed), signature):
                    matched = matched or key.name
                    break
            else:
                raise SignatureMismatch(
                    f"a notification item's signature does not match (HMAC keys tried: {len(keys)})."
                    " Check that this is the webhook's key.",
                    secrets=len(keys),
                    candidates=1,
                )
        return matched, None

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Write a signature into every item of the body."""
        if len(keys) != 1:
            raise ConfigurationError("a notification item carries one signature: sign with one secret")
        body = draft.body
        try:
            for position, item in enumerate(_items(read_json(body))):
                path = f"notificationItems.{position}.NotificationRequestItem.additionalData.hmacSignature"
                body = put_json(body, path, _sign(keys[0], _signed(item)))
        except (MalformedBody, MalformedSignature, MissingSignature) as error:
            raise ConfigurationError(f"the body is not an Adyen notification: {error}") from None
        return Delivery(body, draft.headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return "AdyenScheme()"


def _items(document: Any) -> list[dict[str, Any]]:
    listed = document.get("notificationItems") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not listed:
        raise MissingSignature("the body lists no notificationItems, so nothing in it is signed")
    items = [entry.get("NotificationRequestItem") if isinstance(entry, dict) else None for entry in listed]
    if not all(isinstance(item, dict) for item in items):
        raise MalformedBody("an entry of notificationItems holds no NotificationRequestItem")
    return [item for item in items if item is not None]


def _signed(item: Mapping[str, Any]) -> bytes:
    texts = []
    for path in _SIGNED:
        value = read(item, steps(path))
        if value is None:
            value = ""
        elif isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or (":" in value and path != _FREE):
            raise MalformedSignature(f"a notification item's {path} is not a text or number, or holds a colon")
        texts.append(value)
    return ":".join(texts).encode("utf-8", "surrogatepass")


def _sign(key: Key, signed: bytes) -> str:
    return base64.b64encode(key.prepared.digest(signed)).decode()


ADYEN_FACTS = Facts(
    schedule=_DOCS.says(
        "three times within a minute, then after 2, 5, 10, 15 and 30 minutes and 1, 2 and 4 hours, then every 8 hours for 30 days"
    ),
    horizon=_DOCS.says(30 * DAY),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    stable_id=_DOCS.silent(True),
    largest_body=_DOCS.silent(None),
    timeout=_ACCEPT.says(10.0),
    statuses=_DOCS.says("2xx succeeds; anything else is retried, and further events wait for it"),
    networks=_DOCS.silent(None),
)

ADYEN = Preset(
    name="adyen",
    title="Adyen (payments)",
    scheme=AdyenScheme(),
    # Adyen's own rule for duplicates; all three are signed. A report's reference is its file's name, which is the same in
    # several merchant accounts.
    event_id=Joined(InBody(f"{_ITEM}.pspReference"), InBody(f"{_ITEM}.eventCode"), InBody(f"{_ITEM}.success")),
    id_scope=(InBody(f"{_ITEM}.merchantAccountCode"),),
    event_type=InBody(f"{_ITEM}.eventCode"),
    batch=_ITEMS,
    facts=ADYEN_FACTS,
    proof=("vector", "sdk"),
    docs=_SIGNATURES,
    note=(
        "The HMAC key is hex and is decoded. Eight fields of each item are signed. All others are not, for example the"
        " reason, the payment method and the time. Other products: preset adyen-platform."
    ),
)
