"""Vonage."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.jwt import BodyHash, JwtScheme

__all__ = ["VONAGE"]

_SDK = Source("https://github.com/Vonage/vonage-python-sdk/tree/main/jwt", "2026-11-25")
_DOCS = Source("https://developer.vonage.com/en/getting-started/concepts/webhooks", "2026-11-25")
_SMS = Source(
    "https://github.com/Nexmo/nexmo-developer/blob/main/_documentation/en/messaging/sms/guides/inbound-sms.md", "2026-11-25"
)
_VOICE = Source(
    "https://github.com/Nexmo/nexmo-developer/blob/main/_documentation/en/voice/voice-api/webhook-reference.md", "2026-11-25"
)

VONAGE = Preset(
    name="vonage",
    title="Vonage",
    scheme=JwtScheme(algorithm="HS256", prefix="Bearer ", claims={"payload_hash": BodyHash()}),
    # No id is common to all products. Bodies carry the message or call, its status and the time.
    event_id=None,
    event_type=InBody("status"),
    identity="content",
    facts=Facts(
        # The documentation's source, as archived in 2021.
        schedule=_SMS.says("incoming messages: for 24 hours, or until 200 or 204"),
        horizon=_SMS.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(3.0),
        statuses=_VOICE.says(
            "voice answers: once after 429, 503, 504, a timeout or a lost connection, then twice at the fallback URL"
        ),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks",
    note=(
        "The secret is the account's signature secret. A webhook sent with GET has no body for the token to cover, and is"
        " rejected: set the method to POST."
    ),
    doubt="the official package checks the token alone; receivers report that payload_hash is the SHA-256 of the body",
)
