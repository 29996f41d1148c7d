"""Viber's REST bot interface."""

from hookguard.place import InBody, Joined
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["VIBER"]

_DOCS = Source("https://developers.viber.com/docs/api/rest-bot-api/", "2026-11-25")
_FAQ = Source("https://developers.viber.com/docs/faq/", "2026-11-25")

VIBER = Preset(
    name="viber",
    title="Viber",
    scheme=HmacScheme(signature=SignatureHeader("X-Viber-Content-Signature", "{hex}")),
    # message_token is the message's: one message is delivered, then seen.
    event_id=Joined(InBody("event"), InBody("message_token")),
    event_type=InBody("event"),
    profile=Profile(
        schedule=_FAQ.says("several times for an hour"),
        horizon=_FAQ.says(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_FAQ.says("200 succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://developers.viber.com/docs/api/rest-bot-api/#callbacks",
    note="The secret is the bot's authentication token. Setting the webhook sends the signed event webhook at once.",
)
