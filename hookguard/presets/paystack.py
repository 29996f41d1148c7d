"""Paystack."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["PAYSTACK"]

_DOCS = Source("https://paystack.com/docs/payments/webhooks/", "2026-11-25")

PAYSTACK = Preset(
    name="paystack",
    title="Paystack",
    scheme=HmacScheme(signature=SignatureHeader("x-paystack-signature", "{hex}"), digest="sha512"),
    # There is none: data.id is the object's, and the same object can see the same kind of event twice.
    event_id=None,
    event_type=InBody("event"),
    identity="content",
    profile=Profile(
        schedule=_DOCS.says("live: every 3 minutes for the first 4 tries, then hourly for 72 hours"),
        horizon=_DOCS.says(73 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        # Stated for the test mode.
        timeout=_DOCS.silent(30.0),
        statuses=_DOCS.says("200 succeeds; anything else is tried again"),
        networks=_DOCS.says("https://paystack.com/docs/payments/webhooks/"),
    ),
    docs="https://paystack.com/docs/payments/webhooks/",
    note=(
        "The secret is the API's secret key (sk_live_…, sk_test_…): when that changes, this changes. Samples that hash the JSON"
        " written again fail on slashes and signs beyond ASCII."
    ),
)
