"""Shopify."""

from hookguard.facts import HOUR, MIB, Facts, Source
from hookguard.place import FirstOf, InBody, InHeader, Joined
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["SHOPIFY"]

_CHANGE = Source("https://shopify.dev/changelog/updates-to-webhook-retry-mechanism", "2026-11-25")
_DOCS = Source("https://shopify.dev/docs/apps/build/webhooks/verify-deliveries", "2026-11-25")
_SIZES = Source("https://community.shopify.com/c/Shopify-APIs-SDKs/Webhook-requests-exceed-max-size/m-p/144434", "2026-11-30")

SHOPIFY = Preset(
    name="shopify",
    title="Shopify",
    secret_shape="shpss_[0-9a-f]{32}|[0-9a-f]{32,64}",
    not_secrets=(("shp(?:at|ca|pa|ua|ka)_", "an access token"),),
    # Events (a developer preview) use the newer header names; the signature is the same.
    scheme=HmacScheme(
        signature=(
            SignatureHeader("X-Shopify-Hmac-Sha256", "{base64}"),
            SignatureHeader("Shopify-Hmac-Sha256", "{base64}"),
        ),
        any_header=True,
    ),
    # One occurrence can reach several topics, so the topic is part of the identity.
    event_id=FirstOf(Joined(InHeader("X-Shopify-Webhook-Id"), InHeader("X-Shopify-Topic")), InHeader("Shopify-Webhook-Id")),
    event_type=FirstOf(InHeader("X-Shopify-Topic"), Joined(InBody("topic"), InBody("action"))),
    # The headers are not signed, and honest bodies can be equal.
    identity="id+content",
    facts=Facts(
        schedule=_CHANGE.says("eight times within four hours"),
        horizon=_CHANGE.says(4 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_CHANGE.says(True),
        stable_id=_DOCS.says(True),
        # Shopify's staff mention bodies of more than a megabyte, and no limit.
        largest_body=_SIZES.silent(5 * MIB),
        timeout=_DOCS.says(5.0),
        statuses=_DOCS.says(
            "2xx succeeds, 3xx fails; a subscription created through the Admin API is deleted after eight failures in a row"
        ),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://shopify.dev/docs/apps/build/webhooks/verify-deliveries",
    note=(
        "Events (https://shopify.dev/docs/apps/build/events), which carry Shopify-Hmac-Sha256, are verified too. Webhooks"
        " created in a store's admin are signed with the store's secret, not the app's. After a change of the app's secret,"
        " keep both for an hour."
    ),
)
