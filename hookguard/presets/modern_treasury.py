"""Modern Treasury."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["MODERN_TREASURY"]

_DOCS = Source("https://docs.moderntreasury.com/platform/docs/webhooks-overview", "2026-11-25")

MODERN_TREASURY = Preset(
    name="modern-treasury",
    title="Modern Treasury",
    scheme=HmacScheme(signature=SignatureHeader("X-Signature", "{hex}")),
    event_id=InHeader("X-Webhook-ID"),
    event_type=InBody("event"),
    # The id is not signed, and no page read names its header; a body holds when its object was changed.
    identity="content",
    profile=Profile(
        schedule=_DOCS.silent("for some days, with exponential backoff"),
        horizon=_DOCS.silent(4 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://docs.moderntreasury.com/platform/docs/webhooks-overview",
    note="The secret is the webhook key of the developer settings, not an API key.",
)
