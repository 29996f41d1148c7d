"""WooCommerce."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hookguard.challenge import Challenge
from hookguard.delivery import Delivery
from hookguard.facts import MINUTE, Facts, Source
from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.reply import Reply
from hookguard.schemes.base import Key
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["WOOCOMMERCE", "Ping"]

_PING = re.compile(rb"webhook_id=[0-9]{1,20}")

_SENDER = Source(
    "https://github.com/woocommerce/woocommerce/blob/trunk/plugins/woocommerce/includes/class-wc-webhook.php", "2026-11-24"
)


class Ping(Challenge):
    """The unsigned form ``webhook_id=<number>`` that a new webhook sends. It needs a 200 and holds no event."""

    __slots__ = ()

    comes_unsigned = True

    def unsigned(self, delivery: Delivery, keys: Sequence[Key]) -> Reply | None:
        """Answer 200 without calling a handler; None for any other body."""
        return Reply(200) if delivery.method == "POST" and _PING.fullmatch(delivery.body) else None


WOOCOMMERCE = Preset(
    name="woocommerce",
    title="WooCommerce",
    scheme=HmacScheme(signature=SignatureHeader("X-WC-Webhook-Signature", "{base64}")),
    # The id is the webhook's number and the second: two deliveries in one second share it, and it is not signed.
    event_id=InHeader("X-WC-Webhook-Delivery-ID"),
    event_type=InHeader("X-WC-Webhook-Topic"),
    identity="id+content",
    challenge=Ping(),
    facts=Facts(
        schedule=_SENDER.says("never: each delivery is sent once"),
        horizon=_SENDER.says(0.0),
        resigned=_SENDER.silent(None),
        stable_body=_SENDER.silent(None),
        stable_id=_SENDER.silent(None),
        largest_body=_SENDER.silent(None),
        timeout=_SENDER.says(MINUTE),
        statuses=_SENDER.says("200 to 302 succeed; more than five failures in a row disable the webhook"),
        # Each shop is its own sender.
        networks=_SENDER.silent(None),
    ),
    proof=("vector",),
    docs="https://woocommerce.com/document/webhooks/",
    note=(
        "WooCommerce never retries: a delivery that fails is lost, so answer quickly. A secret with & ' \" < or > signs in"
        " its plain form."
    ),
)
