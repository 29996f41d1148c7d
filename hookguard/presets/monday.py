"""monday.com."""

from hookguard.challenge import Echo
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import MINUTE, Profile, Source
from hookguard.schemes.jwt import JwtScheme, UrlItself

__all__ = ["MONDAY"]

_DOCS = Source("https://developer.monday.com/api-reference/reference/webhooks", "2026-11-24")
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
        schedule=_DOCS.silent("every minute for half an hour"),
        horizon=_DOCS.silent(30 * MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("200 succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developer.monday.com/apps/docs/integration-authorization",
    note=(
        "The secret is the app's signing secret (for webhooks about the app's life, its client secret), and the URL the one the"
        " token names. The token does not vouch for the body. Webhooks made without an app carry none and are refused."
    ),
)
