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
        schedule=_DOCS.silent("once, after a minute"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(5.0),
        statuses=_DOCS.says(
            "2xx succeeds; 1,000 failures in 15 minutes pause deliveries, seven days of them end those of private apps"
        ),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.intercom.com/docs/webhooks/webhook-notifications",
    note="The secret is the app's client secret. SHA-1 is all that Intercom signs with.",
)
