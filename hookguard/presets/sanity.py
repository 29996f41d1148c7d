"""Sanity."""

from hookguard.facts import MINUTE, Facts, Source
from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["SANITY"]

_DOCS = Source("https://www.sanity.io/docs/content-lake/webhooks", "2026-11-24")
_RETRIES = Source("https://www.sanity.io/docs/changelog/50ec6abf-fe0c-475b-ae72-314148860132", "2026-11-25")

SANITY = Preset(
    name="sanity",
    title="Sanity",
    scheme=HmacScheme(
        signature=SignatureHeader("sanity-webhook-signature", "t={timestamp},v1={base64url-nopad}"),
        timestamp_unit="ms",
        signed="{timestamp}.{body}",
    ),
    event_id=InHeader("idempotency-key"),
    event_type=InHeader("sanity-operation"),
    # The headers are not signed, and the webhook's owner chooses the body's content.
    identity="id+content",
    facts=Facts(
        schedule=_RETRIES.says("twice, 30 seconds apart (API version v2021-10-04)"),
        horizon=_RETRIES.says(MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(30.0),
        statuses=_RETRIES.says("2xx succeeds; 429 and 5xx are retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://www.sanity.io/docs/content-lake/webhooks",
)
