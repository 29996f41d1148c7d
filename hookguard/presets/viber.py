"""Viber's REST bot interface."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import FirstOf, InBody, Joined
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["VIBER"]

_DOCS = Source("https://developers.viber.com/docs/api/rest-bot-api/", "2026-11-25")
_FAQ = Source("https://developers.viber.com/docs/faq/", "2026-11-25")

VIBER = Preset(
    name="viber",
    title="Viber",
    scheme=HmacScheme(signature=SignatureHeader("X-Viber-Content-Signature", "{hex}")),
    # message_token is the message's id: one message is delivered, then seen.
    # The token is the message's: a message has several events, and each reader of a broadcast has its own.
    event_id=Joined(InBody("event"), InBody("message_token")),
    id_scope=(FirstOf(InBody("user_id"), InBody("sender.id"), InBody("user.id")),),
    event_type=InBody("event"),
    facts=Facts(
        schedule=_FAQ.says("several times for an hour"),
        horizon=_FAQ.says(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_FAQ.says("200 succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://developers.viber.com/docs/api/rest-bot-api/#callbacks",
    note=(
        "The secret is the bot's authentication token. When you set the webhook, Viber immediately sends the signed event"
        " webhook."
    ),
)
