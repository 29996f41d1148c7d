"""Notion."""

from hookguard.challenge import NewSecret
from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["NOTION"]

_DOCS = Source("https://developers.notion.com/reference/webhooks", "2026-11-24")
_DELIVERY = Source("https://developers.notion.com/reference/webhooks-events-delivery", "2026-11-25")

NOTION = Preset(
    name="notion",
    title="Notion",
    secret_shape="secret_[A-Za-z0-9]{32,}",
    not_secrets=(("ntn_", "an API key"),),
    scheme=HmacScheme(signature=SignatureHeader("X-Notion-Signature", "sha256={hex}")),
    event_id=InBody("id"),
    id_scope=(InBody("subscription_id"),),
    event_type=InBody("type"),
    # The first delivery brings the token that you enter in Notion. It signs every later delivery.
    challenge=NewSecret(InBody("verification_token"), alone=True),
    facts=Facts(
        schedule=_DELIVERY.says("up to eight times with growing gaps, the last about 24 hours after the event"),
        horizon=_DELIVERY.says(DAY),
        resigned=_DOCS.silent(None),
        # The body counts the attempts.
        stable_body=_DELIVERY.says(False),
        stable_id=_DELIVERY.silent(True),
        largest_body=_DELIVERY.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://developers.notion.com/reference/webhooks",
    note=(
        "The secret is the verification token. Notion sends it once, in its own delivery, when you create the subscription:"
        " accept it with accept_secret, enter it in Notion, and configure it here."
    ),
)
