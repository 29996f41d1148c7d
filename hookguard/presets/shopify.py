"""Shopify."""

from hookguard.place import InHeader, Joined
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["SHOPIFY"]

_CHANGE = Source("https://shopify.dev/changelog/updates-to-webhook-retry-mechanism", "2026-11-25")
_DOCS = Source("https://shopify.dev/docs/apps/build/webhooks/verify-deliveries", "2026-11-25")

SHOPIFY = Preset(
    name="shopify",
    title="Shopify",
    scheme=HmacScheme(signature=SignatureHeader("X-Shopify-Hmac-Sha256", "{base64}")),
    # One occurrence can reach several topics, so the topic belongs to the identity.
    event_id=Joined(InHeader("X-Shopify-Webhook-Id"), InHeader("X-Shopify-Topic")),
    event_type=InHeader("X-Shopify-Topic"),
    # Neither header is signed, and honest bodies can be equal.
    identity="id+content",
    profile=Profile(
        schedule=_CHANGE.says("eight times within four hours"),
        horizon=_CHANGE.says(4 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_CHANGE.says(True),
        timeout=_DOCS.says(5.0),
        statuses=_DOCS.says(
            "2xx succeeds, 3xx fails; a subscription made through the Admin API is deleted after eight failures in a row"
        ),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://shopify.dev/docs/apps/build/webhooks/verify-deliveries",
    note=(
        "Webhooks made in a store's admin are signed with the store's own secret, not the app's. After a change of the app's"
        " secret, keep both for an hour."
    ),
)
