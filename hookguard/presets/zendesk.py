"""Zendesk."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["ZENDESK"]

_DOCS = Source("https://developer.zendesk.com/documentation/webhooks/verifying/", "2026-11-24")

ZENDESK = Preset(
    name="zendesk",
    title="Zendesk",
    # No text separates timestamp and body. The secret looks like base64 but is not decoded.
    scheme=HmacScheme(
        signature=SignatureHeader("X-Zendesk-Webhook-Signature", "{base64}"),
        timestamp=InHeader("X-Zendesk-Webhook-Signature-Timestamp"),
        timestamp_unit="rfc3339",
        signed="{timestamp}{body}",
    ),
    event_id=InHeader("X-Zendesk-Webhook-Invocation-Id"),
    # Only event webhooks say what happened. A trigger's author chooses its body, so two bodies can be equal.
    event_type=InBody("type"),
    identity="id+content",
    methods=frozenset({"POST", "PUT", "PATCH"}),
    facts=Facts(
        schedule=_DOCS.silent(
            "up to five times; after 409 three times; after 429 and 503 as Retry-After says, if under a minute"
        ),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(12.0),
        statuses=_DOCS.silent("2xx succeeds; a webhook that fails too often pauses"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://developer.zendesk.com/documentation/webhooks/verifying/",
)
