"""Intercom."""

from hookguard.challenge import Fixed
from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.reply import Reply
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["INTERCOM"]

_DOCS = Source("https://developers.intercom.com/docs/webhooks/webhook-notifications", "2026-11-25")

INTERCOM = Preset(
    name="intercom",
    title="Intercom",
    not_secrets=(("dG9r", "an access token"),),
    scheme=HmacScheme(signature=SignatureHeader("X-Hub-Signature", "sha1={hex}"), digest="sha1"),
    event_id=InBody("id"),
    event_type=InBody("topic"),
    # Intercom sends this when you enter the URL. It also sends a signed event ping.
    challenge=Fixed(Reply(200), method="HEAD", comes_unsigned=True),
    facts=Facts(
        schedule=_DOCS.says("if no 200 comes in time, but no page says when; after 429 with waits of a minute to two hours"),
        # Stated for deliveries answered with 429; nothing is stated for others.
        horizon=_DOCS.says(2 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(5.0),
        statuses=_DOCS.says(
            "200 succeeds; 429 slows deliveries down;"
            " 1,000 failures in 15 minutes pause them; seven days of failures end them for private apps"
        ),
        networks=_DOCS.says("https://developers.intercom.com/docs/webhooks/webhook-notifications"),
    ),
    docs="https://developers.intercom.com/docs/webhooks/webhook-notifications",
    note="The secret is the app's client secret. Intercom signs with SHA-1 only.",
)
