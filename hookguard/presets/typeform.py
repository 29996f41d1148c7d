"""Typeform."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["TYPEFORM"]

_DOCS = Source("https://www.typeform.com/developers/webhooks/", "2026-11-25")

TYPEFORM = Preset(
    name="typeform",
    title="Typeform",
    not_secrets=(("tfp_", "an access token"),),
    # Base64, behind a prefix that other providers use before hex.
    scheme=HmacScheme(signature=SignatureHeader("Typeform-Signature", "sha256={base64}")),
    event_id=InBody("event_id"),
    event_type=InBody("event_type"),
    facts=Facts(
        schedule=_DOCS.says(
            "after 408, 423, 429 and 503 every 2 to 3 minutes for 10 hours; after other errors a few times, with growing gaps"
        ),
        horizon=_DOCS.says(10 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(30.0),
        statuses=_DOCS.says("2xx succeeds; 404 and 410 disable the webhook immediately; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    docs="https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
)
