"""MailerSend."""

from hookguard.challenge import Fixed
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.reply import Reply
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["MAILERSEND"]

_DOCS = Source("https://developers.mailersend.com/api/v1/webhooks.html", "2026-11-25")

MAILERSEND = Preset(
    name="mailersend",
    title="MailerSend",
    # The header's name is that of the documentation; an example of the Node package has another.
    scheme=HmacScheme(signature=SignatureHeader("Signature", "{hex}")),
    # data.id is the activity's. Bodies carry it and the time.
    event_id=InBody("data.id"),
    event_type=InBody("type"),
    identity="content",
    # Signed with a secret that the documentation prints, and so by anyone; a webhook whose URL refuses it is not made.
    challenge=Fixed(Reply(200), when={InBody("type"): "webhook.test"}, comes_unsigned=True),
    profile=Profile(
        schedule=_DOCS.says("twice, after 10 and 100 seconds"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.says(3.0),
        statuses=_DOCS.says("2xx succeeds; 20 failures within 24 hours pause the webhook"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://developers.mailersend.com/api/v1/webhooks.html#security",
    note="The test of a URL (webhook.test) is answered and never handled: it is signed with a secret that everybody knows.",
)
