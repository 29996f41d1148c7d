"""Hookdeck, as the gateway in front of the application."""

from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, MINUTE, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["HOOKDECK"]

_RETRIES = Source("https://hookdeck.com/docs/retries", "2026-11-25")
_CODES = Source("https://hookdeck.com/docs/codes", "2026-11-24")

HOOKDECK = Preset(
    name="hookdeck",
    title="Hookdeck",
    # The second header is there while a rotated secret is in its grace period; either may match.
    scheme=HmacScheme(
        signature=(
            SignatureHeader("x-hookdeck-signature", "{base64}"),
            SignatureHeader("x-hookdeck-signature-2", "{base64}"),
        ),
    ),
    event_id=InHeader("x-hookdeck-eventid"),
    # What passes through may well be equal twice (an empty ping), so the id must count too.
    identity="id+content",
    profile=Profile(
        schedule=_RETRIES.says("as the connection's retry rule says, up to 50 times; by hand as often as you like"),
        horizon=_RETRIES.silent(7 * DAY),
        resigned=_RETRIES.silent(None),
        stable_body=_RETRIES.silent(None),
        timeout=_CODES.says(MINUTE),
        statuses=_CODES.silent("2xx succeeds; anything else is a failed attempt"),
        networks=_RETRIES.silent(None),
    ),
    docs="https://hookdeck.com/docs/authentication#hookdeck-webhook-signature-verification",
    note="The event's type is the original provider's: read it from the body or its own header.",
)
