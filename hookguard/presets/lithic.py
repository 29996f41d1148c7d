"""Lithic: Standard Webhooks."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme
from hookguard.profile import HOUR, MINUTE, Profile, Source

__all__ = ["LITHIC"]

_DOCS = Source("https://docs.lithic.com/docs/events-api", "2026-11-25")

LITHIC = Preset(
    name="lithic",
    title="Lithic",
    scheme=standard_scheme("webhook"),
    event_id=InHeader("webhook-id"),
    event_type=InBody("event_type"),
    profile=Profile(
        # Its deliveries are Svix's, whose schedule this is.
        schedule=_DOCS.silent("after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h"),
        horizon=_DOCS.silent(27 * HOUR + 35 * MINUTE + 5),
        resigned=_DOCS.silent(True),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(15.0),
        statuses=_DOCS.silent("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://docs.lithic.com/docs/events-api#webhook-verification",
    note="Authorization stream access has a key of its own and is not an event: it wants a decision at once.",
)
