"""Checkout.com."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["CHECKOUT_COM"]

_DOCS = Source(
    "https://www.checkout.com/docs/developer-resources/webhooks/manage-webhooks/set-up-your-webhook-receiver", "2026-11-25"
)

CHECKOUT_COM = Preset(
    name="checkout-com",
    title="Checkout.com",
    scheme=HmacScheme(signature=SignatureHeader("Cko-Signature", "{hex}")),
    event_id=InBody("id"),
    event_type=InBody("type"),
    facts=Facts(
        # The page on the previous version of the API states this.
        schedule=_DOCS.silent("after 5, 10, 15, 30, 60, 240 and 720 minutes"),
        horizon=_DOCS.silent(18 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(10.0),
        statuses=_DOCS.silent("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    docs=_DOCS.address,
    note=(
        "The secret is the webhook's signature key, not the key of its Authorization header. Some bodies hold numbers and"
        " characters that change when JSON is written again: verify the raw bytes."
    ),
)
