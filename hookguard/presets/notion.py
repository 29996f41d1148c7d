"""Notion."""

from hookguard.challenge import NewSecret
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["NOTION"]

_DOCS = Source("https://developers.notion.com/reference/webhooks", "2026-11-24")
_DELIVERY = Source("https://developers.notion.com/reference/webhooks-events-delivery", "2026-11-25")

NOTION = Preset(
    name="notion",
    title="Notion",
    scheme=HmacScheme(signature=SignatureHeader("X-Notion-Signature", "sha256={hex}")),
    event_id=InBody("id"),
    event_type=InBody("type"),
    # The first delivery brings the token that is to be entered in Notion and that signs every later one.
    challenge=NewSecret(InBody("verification_token"), alone=True),
    profile=Profile(
        schedule=_DELIVERY.says("up to eight times, ever less often, the last about 24 hours after the event"),
        horizon=_DELIVERY.says(DAY),
        resigned=_DOCS.silent(None),
        # The body counts the attempts.
        stable_body=_DELIVERY.says(False),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://developers.notion.com/reference/webhooks",
    note=(
        "The secret is the verification token, which comes once as a delivery of its own when the subscription is made: take it"
        " with accept_secret, enter it in Notion, and configure it here."
    ),
)
