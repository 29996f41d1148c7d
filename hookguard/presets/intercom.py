"""Intercom."""

from hookguard.challenge import Fixed
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.reply import Reply
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["INTERCOM"]

_DOCS = Source("https://developers.intercom.com/docs/webhooks/webhook-notifications", "2026-11-25")

INTERCOM = Preset(
    name="intercom",
    title="Intercom",
    scheme=HmacScheme(signature=SignatureHeader("X-Hub-Signature", "sha1={hex}"), digest="sha1"),
    event_id=InBody("id"),
    event_type=InBody("topic"),
    # Sent when the URL is entered. A signed event ping comes as well.
    challenge=Fixed(Reply(200), method="HEAD", comes_unsigned=True),
    profile=Profile(
        schedule=_DOCS.says(
            "again when no 200 comes in time, without saying when; after 429 with waits of a minute to two hours"
        ),
        # Said of what 429 held up; of others nothing is said.
        horizon=_DOCS.says(2 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.says(5.0),
        statuses=_DOCS.says(
            "200 succeeds; 429 slows deliveries down;"
            " 1,000 failures in 15 minutes pause them, seven days of them end those of private apps"
        ),
        networks=_DOCS.says("https://developers.intercom.com/docs/webhooks/webhook-notifications"),
    ),
    docs="https://developers.intercom.com/docs/webhooks/webhook-notifications",
    note="The secret is the app's client secret. SHA-1 is all that Intercom signs with.",
)
