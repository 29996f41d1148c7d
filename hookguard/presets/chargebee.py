"""Chargebee."""

from hookguard.facts import DAY, HOUR, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.token import TokenScheme

__all__ = ["CHARGEBEE"]

_DOCS = Source("https://www.chargebee.com/docs/billing/2.0/site-configuration/webhook_settings", "2026-11-25")
_SUPPORT = Source("https://support.chargebee.com/support/solutions/articles/215220", "2026-11-25")

CHARGEBEE = Preset(
    name="chargebee",
    title="Chargebee",
    scheme=TokenScheme(form="basic"),
    event_id=InBody("id"),
    event_type=InBody("event_type"),
    # Nothing is signed, so a sender can choose the id. The provider says that the id identifies events.
    identity="id",
    facts=Facts(
        # Other sources report seven times, from two minutes to two days apart, which takes a little longer.
        schedule=_SUPPORT.says("for three days, with growing gaps"),
        horizon=_DOCS.silent(3 * DAY + 7 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(60.0),
        statuses=_SUPPORT.says("200 succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    docs=_DOCS.address,
    note=(
        "Nothing is signed. Turn on HTTP Basic authentication in the webhook's settings; the secret is user:password. Do not"
        " put a key into the URL instead: access logs would hold it."
    ),
)
