"""MailerSend."""

from hookguard.challenge import Fixed
from hookguard.facts import HOUR, MIB, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.reply import Reply
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["MAILERSEND"]

_DOCS = Source("https://developers.mailersend.com/api/v1/webhooks.html", "2026-11-25")

MAILERSEND = Preset(
    name="mailersend",
    title="MailerSend",
    # The header's name is from the documentation; an example in the Node package has another.
    scheme=HmacScheme(signature=SignatureHeader("Signature", "{hex}")),
    # data.id is the activity's id. Bodies carry it and the time.
    event_id=InBody("data.id"),
    event_type=InBody("type"),
    # No page says whether the id is the activity's or the message's: the content counts too.
    identity="id+content",
    # The test is signed with a secret from the documentation, so anyone can send it. MailerSend creates the webhook only if the
    # URL accepts the test.
    challenge=Fixed(Reply(200), when={InBody("type"): "webhook.test"}, comes_unsigned=True),
    facts=Facts(
        schedule=_DOCS.says("twice, after 10 and 100 seconds"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        # Inbound mail comes with its attachments, in base64.
        largest_body=_DOCS.silent(35 * MIB),
        timeout=_DOCS.says(3.0),
        statuses=_DOCS.says("2xx succeeds; 20 failures within 24 hours pause the webhook"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://developers.mailersend.com/api/v1/webhooks.html#security",
    note="The test of a URL (webhook.test) is answered but never handled: it is signed with a secret that everyone knows.",
)
