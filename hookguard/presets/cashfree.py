"""Cashfree Payments."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["CASHFREE"]

_DOCS = Source("https://www.cashfree.com/docs/payments/online/webhooks/overview", "2026-11-25")
_SIGNATURE = "https://www.cashfree.com/docs/payments/online/webhooks/signature-verification"

CASHFREE = Preset(
    name="cashfree",
    title="Cashfree Payments",
    # The page shows a dot between the two. Its samples and the official packages sign without one.
    scheme=HmacScheme(
        signature=SignatureHeader("x-webhook-signature", "{base64}"),
        timestamp=InHeader("x-webhook-timestamp"),
        timestamp_unit="ms",
        signed="{timestamp}{body}",
    ),
    # Events have no id; a body holds event_time.
    event_id=None,
    event_type=InBody("type"),
    identity="content",
    facts=Facts(
        schedule=_DOCS.silent("as set in the dashboard; by default three times within an hour"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is retried"),
        networks=_DOCS.says("https://www.cashfree.com/docs/payments/online/webhooks/overview"),
    ),
    proof=("sdk",),
    docs=_SIGNATURE,
    note="The secret is the account's client secret. For partners' webhooks it is the partner API key.",
)
