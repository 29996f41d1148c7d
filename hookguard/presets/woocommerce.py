"""WooCommerce."""

from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.profile import MINUTE, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["WOOCOMMERCE"]

_SENDER = Source(
    "https://github.com/woocommerce/woocommerce/blob/trunk/plugins/woocommerce/includes/class-wc-webhook.php", "2026-11-24"
)

WOOCOMMERCE = Preset(
    name="woocommerce",
    title="WooCommerce",
    scheme=HmacScheme(signature=SignatureHeader("X-WC-Webhook-Signature", "{base64}")),
    # Made of the webhook's number and the second: two deliveries in one second share it, and it is not signed.
    event_id=InHeader("X-WC-Webhook-Delivery-ID"),
    event_type=InHeader("X-WC-Webhook-Topic"),
    identity="id+content",
    profile=Profile(
        schedule=_SENDER.says("never: each delivery is sent once"),
        horizon=_SENDER.says(0.0),
        resigned=_SENDER.silent(None),
        stable_body=_SENDER.silent(None),
        timeout=_SENDER.says(MINUTE),
        statuses=_SENDER.says("200 to 302 succeed; more than five failures in a row disable the webhook"),
        # Each shop is its own sender.
        networks=_SENDER.silent(None),
    ),
    docs="https://woocommerce.com/document/webhooks/",
    note=(
        "Nothing is tried again: what fails here is lost at once, so complete quickly. A secret with & ' \" < or > is signed in"
        " its plain form."
    ),
)
