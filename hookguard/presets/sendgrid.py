"""Twilio SendGrid's event webhook."""

from hookguard.batch import Batch
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
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
    scheme=PublicKeyScheme(
        signature=SignatureHeader("X-Twilio-Email-Event-Webhook-Signature", "{base64}"),
        algorithm="ecdsa-p256-sha256",
        timestamp=InHeader("X-Twilio-Email-Event-Webhook-Timestamp"),
        signed="{timestamp}{body}",
    ),
    batch=Batch(most=10_000),
    event_id=InBody("sg_event_id"),
    event_type=InBody("event"),
    # Nobody says that a retry is signed anew, and they go on for a day. Each event's id is signed, so that one which was
    # captured is a duplicate for longer than that.
    tolerance=DAY,
    profile=Profile(
        schedule=_TROUBLE.says("at growing distances, for up to 24 hours after the event"),
        horizon=_TROUBLE.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(10.0),
        statuses=_TROUBLE.says("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
    note=(
        "The key is the verification key of the webhook's settings, once signing is switched on there. The body ends with a line"
        " break that is signed as well."
    ),
)
