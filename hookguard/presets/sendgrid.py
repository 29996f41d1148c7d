"""Twilio SendGrid's event webhook."""

from hookguard.batch import Batch
from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import SignatureHeader
from hookguard.schemes.public_key import PublicKeyScheme

__all__ = ["SENDGRID"]

_SDK = Source("https://github.com/sendgrid/sendgrid-python/tree/main/sendgrid/helpers/eventwebhook", "2026-11-24")
_DOCS = Source(
    "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
    "2026-11-24",
)
_TROUBLE = Source(
    "https://github.com/sendgrid/docs/blob/develop/content/docs/for-developers/tracking-events/troubleshooting.md", "2026-11-25"
)

SENDGRID = Preset(
    name="sendgrid",
    title="Twilio SendGrid",
    not_secrets=((r"SG\.", "an API key"),),
    scheme=PublicKeyScheme(
        signature=SignatureHeader("X-Twilio-Email-Event-Webhook-Signature", "{base64}"),
        algorithm="ecdsa-p256-sha256",
        timestamp=InHeader("X-Twilio-Email-Event-Webhook-Timestamp"),
        signed="{timestamp}{body}",
    ),
    batch=Batch(most=10_000, largest=_DOCS.silent(None)),
    event_id=InBody("sg_event_id"),
    event_type=InBody("event"),
    facts=Facts(
        schedule=_TROUBLE.says("with growing gaps, for up to 24 hours after the event"),
        horizon=_TROUBLE.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(10.0),
        statuses=_TROUBLE.says("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
    note=(
        "Turn on signing in the webhook's settings: the key is the verification key shown there. The body ends with a line"
        " break, which is signed too."
    ),
)
