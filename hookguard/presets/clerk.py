"""Clerk, which sends through Svix."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme
from hookguard.profile import HOUR, MINUTE, Profile, Source

__all__ = ["CLERK"]

_DOCS = Source("https://clerk.com/docs/guides/development/webhooks/overview", "2026-11-24")
_SVIX = Source("https://docs.svix.com/retries", "2026-11-25")
_IPS = Source("https://docs.svix.com/receiving/source-ips", "2026-11-25")
_SENDER = Source("https://github.com/svix/svix-webhooks/blob/main/server/svix-server/src/worker.rs", "2026-11-25")

CLERK = Preset(
    name="clerk",
    title="Clerk",
    scheme=standard_scheme("svix"),
    event_id=InHeader("svix-id"),
    event_type=InBody("type"),
    profile=Profile(
        schedule=_SVIX.says("after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h"),
        horizon=_SVIX.says(27 * HOUR + 35 * MINUTE + 5),
        resigned=_SENDER.says(True),
        stable_body=_DOCS.silent(None),
        timeout=_SVIX.says(15.0),
        statuses=_SVIX.says("2xx succeeds, 3xx fails; five days of failures disable the endpoint"),
        networks=_IPS.says("https://docs.svix.com/receiving/source-ips"),
    ),
    proof=("sdk",),
    docs="https://clerk.com/docs/guides/development/webhooks/overview",
    note="The times are those of Svix, which sends for Clerk.",
)
