"""Lithic: Standard Webhooks."""

from hookguard.facts import HOUR, MINUTE, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme

__all__ = ["LITHIC"]

_DOCS = Source("https://docs.lithic.com/docs/events-api", "2026-11-25")

LITHIC = Preset(
    name="lithic",
    title="Lithic",
    scheme=standard_scheme("webhook"),
    event_id=InHeader("webhook-id"),
    event_type=InBody("event_type"),
    facts=Facts(
        # Svix sends for Lithic; this is Svix's schedule.
        schedule=_DOCS.silent("after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h"),
        horizon=_DOCS.silent(27 * HOUR + 35 * MINUTE + 5),
        resigned=_DOCS.silent(True),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(15.0),
        statuses=_DOCS.silent("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://docs.lithic.com/docs/events-api#webhook-verification",
    note="Authorization stream access is not an event: it has its own key and needs an immediate decision.",
)
