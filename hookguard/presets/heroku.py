"""Heroku."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import FirstOf, InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["HEROKU"]

_DOCS = Source("https://devcenter.heroku.com/articles/app-webhooks", "2026-11-24")
_PARTNERS = Source("https://github.com/heroku/webhooks-docs", "2026-11-25")

HEROKU = Preset(
    name="heroku",
    title="Heroku",
    not_secrets=(("HRKU-", "an API key"),),
    scheme=HmacScheme(signature=SignatureHeader("Heroku-Webhook-Hmac-SHA256", "{base64}")),
    # The body counts the attempts of a delivery.
    event_id=FirstOf(InBody("webhook_metadata.delivery.id"), InBody("id")),
    event_type=InBody("webhook_metadata.event.include"),
    facts=Facts(
        schedule=_PARTNERS.says("level sync: 180 times, with gaps that grow to an hour; level notify: never"),
        horizon=_PARTNERS.says(7 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is retried (level sync)"),
        networks=_DOCS.silent(None),
    ),
    docs="https://devcenter.heroku.com/articles/app-webhooks#securing-webhook-requests",
    note="Without a secret Heroku sends no signature.",
)
