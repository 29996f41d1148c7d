"""monday.com."""

from hookguard.challenge import Echo
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import MINUTE, Profile, Source
from hookguard.schemes.jwt import JwtScheme, UrlItself

__all__ = ["MONDAY"]

_DOCS = Source("https://developer.monday.com/api-reference/reference/webhooks", "2026-11-24")
_RETRIES = Source(
    "https://developer.monday.com/apps/changelog/clarification-on-retry-policies-for-webhooks-and-custom-actions", "2026-11-25"
)
_TIMEOUT = Source("https://developer.monday.com/apps/changelog/webhook-integration-new-3-minute-timeout-policy", "2026-11-25")
_TOKEN = Source("https://developer.monday.com/apps/docs/integration-authorization", "2026-11-24")

MONDAY = Preset(
    name="monday",
    title="monday.com",
    scheme=JwtScheme(algorithm="HS256", claims={"aud": UrlItself()}, required=("exp",)),
    event_id=InBody("event.triggerUuid"),
    event_type=InBody("event.type"),
    # The token says nothing of the body: whoever has one can send anything until it expires.
    identity="id",
    # When a webhook is made.
    challenge=Echo(InBody("challenge"), alone=True, comes_unsigned=True, as_field="challenge"),
    profile=Profile(
        schedule=_RETRIES.says("every minute for half an hour"),
        horizon=_RETRIES.says(30 * MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_TIMEOUT.says(3 * MINUTE),
        statuses=_RETRIES.says("200 succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developer.monday.com/apps/docs/integration-authorization",
    note=(
        "The secret is the app's signing secret (for webhooks about the app's life, its client secret), and the URL the one the"
        " token names. The token does not vouch for the body. Webhooks made without an app carry none and are refused."
    ),
)
