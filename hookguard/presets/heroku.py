"""Heroku."""

from hookguard.place import FirstOf, InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["HEROKU"]

_DOCS = Source("https://devcenter.heroku.com/articles/app-webhooks", "2026-11-24")
_PARTNERS = Source("https://github.com/heroku/webhooks-docs", "2026-11-25")

HEROKU = Preset(
    name="heroku",
    title="Heroku",
    scheme=HmacScheme(signature=SignatureHeader("Heroku-Webhook-Hmac-SHA256", "{base64}")),
    # One delivery is tried several times, and the body says which try it is.
    event_id=FirstOf(InBody("webhook_metadata.delivery.id"), InBody("id")),
    event_type=InBody("webhook_metadata.event.include"),
    profile=Profile(
        schedule=_PARTNERS.says("level sync: 180 times, ever less often and in the end hourly; level notify: never"),
        horizon=_PARTNERS.says(7 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is tried again (level sync)"),
        networks=_DOCS.silent(None),
    ),
    docs="https://devcenter.heroku.com/articles/app-webhooks#securing-webhook-requests",
    note="Without a secret Heroku sends no signature.",
)
