"""Modern Treasury."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["MODERN_TREASURY"]

_DOCS = Source("https://docs.moderntreasury.com/platform/docs/webhooks-overview", "2026-11-25")
_REFERENCE = Source("https://docs.moderntreasury.com/platform/reference/webhooks", "2026-11-25")

MODERN_TREASURY = Preset(
    name="modern-treasury",
    title="Modern Treasury",
    scheme=HmacScheme(signature=SignatureHeader("X-Signature", "{hex}")),
    event_id=InHeader("X-Webhook-ID"),
    event_type=InBody("event"),
    # The id is not signed, and no page names its header. The content identifies a delivery without it.
    identity="id+content",
    facts=Facts(
        schedule=_REFERENCE.says("later, with exponential backoff; no page says for how long"),
        horizon=_DOCS.silent(4 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_REFERENCE.says(5.0),
        statuses=_REFERENCE.says("2xx succeeds; anything else is retried"),
        # This page links to the list.
        networks=_REFERENCE.says("https://docs.moderntreasury.com/platform/reference/webhooks"),
    ),
    proof=("sdk",),
    docs="https://docs.moderntreasury.com/platform/docs/webhooks-overview",
    note="The secret is the webhook key of the developer settings, not an API key.",
)
