"""HubSpot: signatures of version 3, and the two older ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from hookguard.batch import Batch
from hookguard.delivery import Delivery
from hookguard.errors import SignatureMismatch
from hookguard.facts import DAY, Facts, Source
from hookguard.place import Content, FirstOf, InBody, InHeader, Joined
from hookguard.preset import Preset
from hookguard.schemes.base import Draft, Key, Verified
from hookguard.schemes.hash import HashScheme
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["HUBSPOT", "HUBSPOT_V1", "HUBSPOT_V2", "HubspotScheme"]

_DOCS = Source(
    "https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation", "2026-11-24"
)
_WEBHOOKS = Source("https://developers.hubspot.com/docs/api-reference/legacy/webhooks/guide", "2026-11-25")

_PROFILE = Facts(
    schedule=_WEBHOOKS.says("up to ten times within 24 hours, with random gaps"),
    horizon=_WEBHOOKS.says(DAY),
    resigned=_WEBHOOKS.silent(None),
    # Each item counts its attempts.
    stable_body=_WEBHOOKS.silent(False),
    stable_id=_WEBHOOKS.silent(True),
    largest_body=_WEBHOOKS.silent(None),
    timeout=_WEBHOOKS.says(5.0),
    statuses=_WEBHOOKS.says("2xx succeeds; 4xx, 5xx and timeouts are retried"),
    networks=_WEBHOOKS.silent(None),
)

#: A list of events; other products send one object.
_BATCH = Batch(may_be_one=True, largest=_WEBHOOKS.silent(100))

# HubSpot does not promise that eventId is unique, and the body counts the attempts. Each account numbers its own objects.
_ID_SCOPE = (InBody("portalId"), InBody("fromObjectId"), InBody("toObjectId"))
_EVENT_ID = FirstOf(
    Joined(InBody("subscriptionId"), InBody("eventId"), InBody("occurredAt"), InBody("objectId")),
    Joined(InBody("subscriptionId"), InBody("eventId"), InBody("occurredAt")),
    InBody("callbackId"),
    # A workflow sends an object of the account, without an event id.
    Content(),
)

#: The escapes that are decoded in the URL before it is signed; no others are.
_ESCAPES = re.compile(r"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.ASCII | re.IGNORECASE)


class HubspotScheme(HmacScheme):
    """Version 3: HMAC of method, URL, body and timestamp.

    HubSpot's page says that some escapes of the URL are decoded before signing. HubSpot's packages sign the unchanged URL. Both
    signatures are accepted.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(
            signature=SignatureHeader("X-HubSpot-Signature-v3", "{base64}"),
            timestamp=InHeader("X-HubSpot-Request-Timestamp"),
            timestamp_unit="ms",
            signed="{method}{url}{body}{timestamp}",
        )

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the signature over the URL with some escapes decoded, and over the unchanged URL."""
        if _ESCAPES.search(delivery.url) is None:
            return super().verify(delivery, keys)
        try:
            return super().verify(_undone(delivery), keys)
        except SignatureMismatch:
            return super().verify(delivery, keys)

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign the URL with some escapes decoded, as HubSpot's page says."""
        signed = super().sign(_undone(draft), keys)
        return signed._replace(url=draft.url)


D = TypeVar("D", Delivery, Draft)


def _undone(delivery: D) -> D:
    return delivery._replace(url=_ESCAPES.sub(lambda match: chr(int(match[1], 16)), delivery.url))


HUBSPOT = Preset(
    name="hubspot",
    title="HubSpot (v3)",
    not_secrets=(("pat-[a-z0-9]{2,4}-", "an access token"),),
    scheme=HubspotScheme(),
    batch=_BATCH,
    event_id=_EVENT_ID,
    id_scope=_ID_SCOPE,
    event_type=InBody("subscriptionType"),
    facts=_PROFILE,
    proof=("vector", "sdk"),
    docs=_DOCS.address,
    note=(
        "The secret is the app's client secret. A space in the signature header is a plus sign that a proxy or framework"
        " decoded: configure it to keep headers unchanged. Requests that are not webhooks (cards, workflow actions) carry no"
        " event id and are rejected."
    ),
)

HUBSPOT_V2 = Preset(
    name="hubspot-v2",
    title="HubSpot (v2)",
    scheme=HashScheme(signature=SignatureHeader("X-HubSpot-Signature", "{hex}"), signed="{secret}{method}{url}{body}"),
    batch=_BATCH,
    event_id=_EVENT_ID,
    id_scope=_ID_SCOPE,
    event_type=InBody("subscriptionType"),
    facts=_PROFILE,
    proof=("vector", "sdk"),
    docs=_DOCS.address,
    note=(
        "The signature is a plain hash that begins with the secret, and no time is signed. Use version 3 (preset hubspot) if"
        " it is sent."
    ),
)

HUBSPOT_V1 = Preset(
    name="hubspot-v1",
    title="HubSpot (v1)",
    scheme=HashScheme(signature=SignatureHeader("X-HubSpot-Signature", "{hex}"), signed="{secret}{body}"),
    batch=_BATCH,
    event_id=_EVENT_ID,
    id_scope=_ID_SCOPE,
    event_type=InBody("subscriptionType"),
    facts=_PROFILE,
    proof=("vector", "sdk"),
    docs=_DOCS.address,
    note=(
        "The signature is a plain hash that begins with the secret, and no time is signed. Use version 3 (preset hubspot) if"
        " it is sent."
    ),
)
