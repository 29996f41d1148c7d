"""Clerk, which sends through Svix."""

from hookguard.facts import HOUR, MINUTE, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme

__all__ = ["CLERK"]

_DOCS = Source("https://clerk.com/docs/guides/development/webhooks/overview", "2026-11-24")
_SVIX = Source("https://docs.svix.com/retries", "2026-11-25")
_IPS = Source("https://docs.svix.com/receiving/source-ips", "2026-11-25")
_SENDER = Source("https://github.com/svix/svix-webhooks/blob/main/server/svix-server/src/worker.rs", "2026-11-25")

CLERK = Preset(
    name="clerk",
    title="Clerk",
    secret_shape="whsec_[A-Za-z0-9+/=]{24,}",
    not_secrets=(("[sp]k_(?:live|test)_", "an API key"),),
    scheme=standard_scheme("svix"),
    event_id=InHeader("svix-id"),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_SVIX.says("after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h"),
        horizon=_SVIX.says(27 * HOUR + 35 * MINUTE + 5),
        resigned=_SENDER.says(True),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_SVIX.says(15.0),
        statuses=_SVIX.says("2xx succeeds, 3xx fails; five days of failures disable the endpoint"),
        networks=_IPS.says("https://docs.svix.com/receiving/source-ips"),
    ),
    proof=("sdk",),
    docs="https://clerk.com/docs/guides/development/webhooks/overview",
    note="Svix sends for Clerk, so these are Svix's retry times.",
)
