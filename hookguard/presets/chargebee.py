"""Chargebee."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, HOUR, Profile, Source
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
    # Nothing is signed: who can send at all can choose the id. The provider says that it is the one to tell events by.
    identity="id",
    profile=Profile(
        # Others report seven times, from two minutes to two days apart, which is a little more.
        schedule=_SUPPORT.says("for three days, at growing distances"),
        horizon=_DOCS.silent(3 * DAY + 7 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(60.0),
        statuses=_SUPPORT.says("200 succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    docs=_DOCS.address,
    note=(
        "Nothing is signed. Switch HTTP Basic authentication on in the webhook's settings; the secret is user:password. A key in"
        " the URL instead would end up in access logs."
    ),
)
