"""Calendly."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["CALENDLY"]

_ERRORS = Source("https://developer.calendly.com/api-docs/overview/webhooks/webhook-errors", "2026-11-25")
_TIMEOUTS = Source("https://developer.calendly.com/api-docs/overview/webhooks/webhook-timeouts", "2026-11-25")
_DOCS = Source("https://developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures", "2026-11-25")

CALENDLY = Preset(
    name="calendly",
    title="Calendly",
    not_secrets=((r"eyJ[A-Za-z0-9_-]+\.", "an access token"),),
    scheme=HmacScheme(
        signature=SignatureHeader("Calendly-Webhook-Signature", "t={timestamp},v1={hex}"), signed="{timestamp}.{body}"
    ),
    # Events have no id. Bodies carry the time and the URI of the booking, so no two honest ones are equal.
    event_id=None,
    event_type=InBody("event"),
    identity="content",
    facts=Facts(
        schedule=_ERRORS.says("for 24 hours with growing gaps, or until 24 hours after the booked event"),
        horizon=_ERRORS.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_TIMEOUTS.says(15.0),
        statuses=_ERRORS.says("2xx succeeds; 3xx, 4xx and 5xx are retried; after 24 hours of failures the webhook is disabled"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures",
)
