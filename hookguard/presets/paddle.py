"""Paddle Billing (Paddle Classic signs otherwise)."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["PADDLE"]

_DELIVERY = Source("https://developer.paddle.com/webhooks/about/respond-to-webhooks", "2026-11-25")

PADDLE = Preset(
    name="paddle",
    title="Paddle Billing",
    scheme=HmacScheme(
        signature=SignatureHeader("Paddle-Signature", "ts={timestamp};h1={hex}"),
        signed="{timestamp}:{body}",
    ),
    event_id=InBody("event_id"),
    event_type=InBody("event_type"),
    profile=Profile(
        schedule=_DELIVERY.says(
            "live: up to 60 times over three days, with exponential backoff; sandbox: three times in 15 minutes"
        ),
        horizon=_DELIVERY.says(3 * DAY),
        resigned=_DELIVERY.silent(None),
        stable_body=_DELIVERY.silent(None),
        timeout=_DELIVERY.says(5.0),
        statuses=_DELIVERY.says("200 succeeds; anything else is tried again"),
        networks=_DELIVERY.says("https://developer.paddle.com/webhooks/about/respond-to-webhooks"),
    ),
    proof=("vector", "sdk"),
    docs="https://developer.paddle.com/webhooks/signature-verification",
)
