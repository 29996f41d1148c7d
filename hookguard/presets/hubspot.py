"""HubSpot: signatures of version 3, and the two older ones."""

from __future__ import annotations

import re
from typing import Any

from hookguard.batch import Batch
from hookguard.delivery import Delivery
from hookguard.place import FirstOf, InBody, InHeader, Joined
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hash import HashScheme
from hookguard.schemes.hmac import HmacScheme, SignatureHeader
from hookguard.schemes.template import Parts

__all__ = ["HUBSPOT", "HUBSPOT_V1", "HUBSPOT_V2", "HubspotScheme"]

_DOCS = Source(
    "https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation", "2026-11-24"
)
_WEBHOOKS = Source("https://developers.hubspot.com/docs/api-reference/legacy/webhooks/guide", "2026-11-25")

_PROFILE = Profile(
    schedule=_WEBHOOKS.says("up to ten times within 24 hours, at random distances"),
    horizon=_WEBHOOKS.says(DAY),
    resigned=_WEBHOOKS.silent(None),
    # Each item counts its attempts.
    stable_body=_WEBHOOKS.silent(False),
    timeout=_WEBHOOKS.says(5.0),
    statuses=_WEBHOOKS.says("2xx succeeds; 4xx, 5xx and timeouts are tried again"),
    networks=_WEBHOOKS.silent(None),
)

#: A list of events; other products send one object.
_BATCH = Batch(may_be_one=True)

# eventId alone is not promised to be unique, and the body counts the attempts.
_EVENT_ID = FirstOf(
    Joined(InBody("subscriptionId"), InBody("eventId"), InBody("occurredAt"), InBody("objectId")),
    Joined(InBody("subscriptionId"), InBody("eventId"), InBody("occurredAt")),
    InBody("callbackId"),
)

#: The escapes that are undone in the URL before it is signed, and no other.
_ESCAPES = re.compile(r"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.ASCII | re.IGNORECASE)


class HubspotScheme(HmacScheme):
    """Version 3: HMAC of method, URL, body and timestamp, where some escapes of the URL are undone."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(
            signature=SignatureHeader("X-HubSpot-Signature-v3", "{base64}"),
            timestamp=InHeader("X-HubSpot-Request-Timestamp"),
            timestamp_unit="ms",
            signed="{method}{url}{body}{timestamp}",
        )

    def _parts(self, delivery: Delivery, stamp: str | None, prepared: Any = None) -> Parts:
        url = _ESCAPES.sub(lambda match: chr(int(match[1], 16)), delivery.url)
        return super()._parts(Delivery(delivery.body, delivery.headers, delivery.method, url), stamp, prepared)


HUBSPOT = Preset(
    name="hubspot",
    title="HubSpot (v3)",
    scheme=HubspotScheme(),
    batch=_BATCH,
    event_id=_EVENT_ID,
    event_type=InBody("subscriptionType"),
    profile=_PROFILE,
    proof=("vector", "sdk"),
    docs=_DOCS.address,
    note=(
        "The secret is the app's client secret. A space in the signature header is a plus sign that a proxy or framework has"
        " decoded: have it leave headers alone. Requests that are no webhooks (cards, workflow actions) carry no event id and are"
        " refused."
    ),
)

HUBSPOT_V2 = Preset(
    name="hubspot-v2",
    title="HubSpot (v2)",
    scheme=HashScheme(signature=SignatureHeader("X-HubSpot-Signature", "{hex}"), signed="{secret}{method}{url}{body}"),
    batch=_BATCH,
    event_id=_EVENT_ID,
    event_type=InBody("subscriptionType"),
    profile=_PROFILE,
    proof=("vector", "sdk"),
    docs=_DOCS.address,
    note="A plain hash over what begins with the secret, without a time: use version 3 (preset hubspot) where it comes.",
)

HUBSPOT_V1 = Preset(
    name="hubspot-v1",
    title="HubSpot (v1)",
    scheme=HashScheme(signature=SignatureHeader("X-HubSpot-Signature", "{hex}"), signed="{secret}{body}"),
    batch=_BATCH,
    event_id=_EVENT_ID,
    event_type=InBody("subscriptionType"),
    profile=_PROFILE,
    proof=("vector", "sdk"),
    docs=_DOCS.address,
    note="A plain hash over what begins with the secret, without a time: use version 3 (preset hubspot) where it comes.",
)
