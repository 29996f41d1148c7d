"""Paddle Billing (Paddle Classic signs otherwise)."""

import re
from collections.abc import Sequence

from hookguard.delivery import Delivery
from hookguard.errors import MalformedSignature
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.base import Key, Verified
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["PADDLE", "PaddleScheme"]

_DELIVERY = Source("https://developer.paddle.com/webhooks/about/respond-to-webhooks", "2026-11-25")

#: What the official packages read: no other key, and one equals sign in an item.
_ITEM = r"(?:(?:ts|h1)=)?[^=;]*"
_HEADER = re.compile(rf"{_ITEM}(?:;{_ITEM})*")


class PaddleScheme(HmacScheme):
    """HMAC-SHA256 over time and body; a header with a key that Paddle does not use is refused, as its own packages do."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(
            signature=SignatureHeader("Paddle-Signature", "ts={timestamp};h1={hex}"),
            signed="{timestamp}:{body}",
        )

    def verify(self, delivery: Delivery, keys: Sequence[Key]) -> Verified:
        """Check the header's keys, then its signatures."""
        value = delivery.headers.one("paddle-signature")
        if value and not _HEADER.fullmatch(value):
            raise MalformedSignature("the Paddle-Signature header holds something besides ts and h1")
        return super().verify(delivery, keys)


PADDLE = Preset(
    name="paddle",
    title="Paddle Billing",
    scheme=PaddleScheme(),
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
