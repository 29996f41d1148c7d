"""Hookdeck, a gateway in front of the application."""

from hookguard.facts import DAY, MINUTE, Facts, Source
from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["HOOKDECK"]

_RETRIES = Source("https://hookdeck.com/docs/retries", "2026-11-25")
_CODES = Source("https://hookdeck.com/docs/codes", "2026-11-24")

HOOKDECK = Preset(
    name="hookdeck",
    title="Hookdeck",
    # The second header comes while a rotated secret is in its grace period. Either may match.
    scheme=HmacScheme(
        signature=(
            SignatureHeader("x-hookdeck-signature", "{base64}"),
            SignatureHeader("x-hookdeck-signature-2", "{base64}"),
        ),
    ),
    event_id=InHeader("x-hookdeck-eventid"),
    # Two different deliveries may have equal bodies (an empty ping), so the id counts too.
    identity="id+content",
    facts=Facts(
        schedule=_RETRIES.says("as the connection's retry rule says, up to 50 times; by hand without limit"),
        horizon=_RETRIES.silent(7 * DAY),
        resigned=_RETRIES.silent(None),
        stable_body=_RETRIES.silent(None),
        stable_id=_RETRIES.silent(True),
        largest_body=_RETRIES.silent(None),
        timeout=_CODES.says(MINUTE),
        statuses=_CODES.silent("2xx succeeds; anything else is a failed attempt"),
        networks=_RETRIES.silent(None),
    ),
    docs="https://hookdeck.com/docs/authentication#hookdeck-webhook-signature-verification",
    note="The event's type is the original provider's: read it from the body or from that provider's header.",
)
