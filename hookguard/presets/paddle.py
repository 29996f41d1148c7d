"""Paddle Billing (Paddle Classic signs in another way)."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["PADDLE"]

_DELIVERY = Source("https://developer.paddle.com/webhooks/about/respond-to-webhooks", "2026-11-25")
_EVENTS = Source("https://developer.paddle.com/webhooks/about/how-webhooks-work", "2026-11-30")

PADDLE = Preset(
    name="paddle",
    title="Paddle Billing",
    secret_shape="pdl_ntfset_[A-Za-z0-9_/+]{32,}",
    not_secrets=(
        ("pdl_(?:live|sdbx)_apikey_", "an API key"),
        ("(?:live|test)_[0-9a-f]{24,}", "a client-side token"),
    ),
    scheme=HmacScheme(
        signature=SignatureHeader("Paddle-Signature", "ts={timestamp};h1={hex}"),
        signed="{timestamp}:{body}",
    ),
    event_id=InBody("event_id"),
    event_type=InBody("event_type"),
    facts=Facts(
        schedule=_DELIVERY.says(
            "live: up to 60 times over three days, with exponential backoff; sandbox: three times in 15 minutes"
        ),
        horizon=_DELIVERY.says(3 * DAY),
        resigned=_DELIVERY.silent(None),
        stable_body=_DELIVERY.silent(None),
        stable_id=_EVENTS.says(True),
        largest_body=_DELIVERY.silent(None),
        timeout=_DELIVERY.says(5.0),
        statuses=_DELIVERY.says("200 succeeds; anything else is retried"),
        networks=_DELIVERY.says("https://developer.paddle.com/webhooks/about/respond-to-webhooks"),
    ),
    proof=("vector", "sdk"),
    docs="https://developer.paddle.com/webhooks/signature-verification",
)
