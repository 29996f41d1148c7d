"""Resend, which sends through Svix."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme
from hookguard.profile import HOUR, MINUTE, Profile, Source

__all__ = ["RESEND"]

_DOCS = Source("https://resend.com/docs/webhooks/verify-webhooks-requests", "2026-11-24")
_RETRIES = Source("https://resend.com/docs/webhooks/retries-and-replays", "2026-11-25")
_IPS = Source("https://resend.com/docs/webhooks/introduction", "2026-11-25")
_SVIX = Source("https://docs.svix.com/retries", "2026-11-25")
_SENDER = Source("https://github.com/svix/svix-webhooks/blob/main/server/svix-server/src/worker.rs", "2026-11-25")

RESEND = Preset(
    name="resend",
    title="Resend",
    scheme=standard_scheme("svix"),
    event_id=InHeader("svix-id"),
    event_type=InBody("type"),
    profile=Profile(
        schedule=_RETRIES.says("after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h"),
        horizon=_RETRIES.says(27 * HOUR + 35 * MINUTE + 5),
        resigned=_SENDER.says(True),
        stable_body=_DOCS.silent(None),
        timeout=_SVIX.says(15.0),
        statuses=_SVIX.says("2xx succeeds, 3xx fails; anything else is tried again"),
        networks=_IPS.says("https://resend.com/docs/webhooks/introduction"),
    ),
    proof=("vector", "sdk"),
    docs="https://resend.com/docs/webhooks/verify-webhooks-requests",
    note="The times are those of Svix, which sends for Resend.",
)
