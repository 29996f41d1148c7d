"""Cashfree Payments."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["CASHFREE"]

_DOCS = Source("https://www.cashfree.com/docs/payments/online/webhooks/overview", "2026-11-25")
_SIGNATURE = "https://www.cashfree.com/docs/payments/online/webhooks/signature-verification"

CASHFREE = Preset(
    name="cashfree",
    title="Cashfree Payments",
    # The page writes a dot between the two; its samples and the official packages sign without one.
    scheme=HmacScheme(
        signature=SignatureHeader("x-webhook-signature", "{base64}"),
        timestamp=InHeader("x-webhook-timestamp"),
        timestamp_unit="ms",
        signed="{timestamp}{body}",
    ),
    # There is none; a body holds event_time.
    event_id=None,
    event_type=InBody("type"),
    identity="content",
    # No page says whether a retry is signed anew, and a retry that is refused for its age would be lost.
    tolerance=DAY,
    profile=Profile(
        schedule=_DOCS.silent("as set in the dashboard; by default three times within an hour"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is tried again"),
        networks=_DOCS.says("https://www.cashfree.com/docs/payments/online/webhooks/overview"),
    ),
    proof=("sdk",),
    docs=_SIGNATURE,
    note="The secret is the account's client secret, for partners' webhooks the partner API key.",
)
