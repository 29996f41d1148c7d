"""PagerDuty, webhooks of version 3."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["PAGERDUTY"]

_DOCS = Source("https://developer.pagerduty.com/docs/webhooks-overview", "2026-11-25")
_IPS = Source("https://developer.pagerduty.com/docs/webhook-ips", "2026-11-25")

PAGERDUTY = Preset(
    name="pagerduty",
    title="PagerDuty",
    not_secrets=((r"u\+", "an API key"),),
    # One signature for each active secret. The secret looks like base64 and is not decoded.
    scheme=HmacScheme(signature=SignatureHeader("X-PagerDuty-Signature", "v1={hex}", separator=",")),
    event_id=InBody("event.id"),
    event_type=InBody("event.event_type"),
    facts=Facts(
        schedule=_DOCS.says("for up to 48 hours; later events wait behind the failed one"),
        horizon=_DOCS.says(2 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(5.0),
        statuses=_DOCS.says(
            "2xx succeeds; 5xx, 429 and timeouts are retried; any other 4xx drops the event;"
            " three dropped events in a row disable the subscription for a day"
        ),
        networks=_IPS.says("https://developer.pagerduty.com/docs/webhook-ips"),
    ),
    proof=("vector",),
    docs="https://developer.pagerduty.com/docs/verifying-signatures",
    note="PagerDuty never retries an event that was rejected with a 4xx: keep the old secret while you change it.",
)
