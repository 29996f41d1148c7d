"""Paystack."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["PAYSTACK"]

_DOCS = Source("https://paystack.com/docs/payments/webhooks/", "2026-11-25")

PAYSTACK = Preset(
    name="paystack",
    title="Paystack",
    scheme=HmacScheme(signature=SignatureHeader("x-paystack-signature", "{hex}"), digest="sha512"),
    # Events have no id. data.id is the object's, and one object can have the same kind of event twice.
    event_id=None,
    event_type=InBody("event"),
    identity="content",
    facts=Facts(
        schedule=_DOCS.says("live: every 3 minutes for the first 4 tries, then hourly for 72 hours"),
        horizon=_DOCS.says(73 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        # The page states this for the test mode.
        timeout=_DOCS.silent(30.0),
        statuses=_DOCS.says("200 succeeds; anything else is retried"),
        networks=_DOCS.says("https://paystack.com/docs/payments/webhooks/"),
    ),
    docs="https://paystack.com/docs/payments/webhooks/",
    test_shape="sk_test_",
    note=(
        "The secret is the API's secret key (sk_live_…, sk_test_…): change both together. Verify the raw bytes: samples that"
        " write the JSON again before they hash it fail on slashes and non-ASCII characters."
    ),
)
