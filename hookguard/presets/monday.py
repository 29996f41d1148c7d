"""monday.com."""

from hookguard.challenge import Echo
from hookguard.facts import MINUTE, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
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
    # One change may trigger several webhooks of a board.
    event_id=InBody("event.triggerUuid"),
    id_scope=(InBody("event.subscriptionId"),),
    event_type=InBody("event.type"),
    # The token does not cover the body: anyone with a token can send anything until it expires.
    identity="id",
    # Sent when a webhook is created.
    challenge=Echo(InBody("challenge"), alone=True, comes_unsigned=True, as_field="challenge"),
    facts=Facts(
        schedule=_RETRIES.says("every minute for half an hour"),
        horizon=_RETRIES.says(30 * MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_TIMEOUT.says(3 * MINUTE),
        statuses=_RETRIES.says("200 succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developer.monday.com/apps/docs/integration-authorization",
    note=(
        "The secret is the app's signing secret (for app lifecycle webhooks, its client secret). The token names the URL but"
        " does not cover the body. Webhooks created without an app carry no token and are rejected."
    ),
)
