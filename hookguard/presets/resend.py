"""Resend, which sends through Svix."""

from hookguard.facts import HOUR, MINUTE, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme

__all__ = ["RESEND"]

_DOCS = Source("https://resend.com/docs/webhooks/verify-webhooks-requests", "2026-11-24")
_RETRIES = Source("https://resend.com/docs/webhooks/retries-and-replays", "2026-11-25")
_IPS = Source("https://resend.com/docs/webhooks/introduction", "2026-11-25")
_SVIX = Source("https://docs.svix.com/retries", "2026-11-25")
_SENDER = Source("https://github.com/svix/svix-webhooks/blob/main/server/svix-server/src/worker.rs", "2026-11-25")

RESEND = Preset(
    name="resend",
    title="Resend",
    secret_shape="whsec_[A-Za-z0-9+/=]{24,}",
    not_secrets=(("re_[A-Za-z0-9]", "an API key"),),
    scheme=standard_scheme("svix"),
    event_id=InHeader("svix-id"),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_RETRIES.says("after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h"),
        horizon=_RETRIES.says(27 * HOUR + 35 * MINUTE + 5),
        resigned=_SENDER.says(True),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_SVIX.says(15.0),
        statuses=_SVIX.says("2xx succeeds, 3xx fails; anything else is retried"),
        networks=_IPS.says("https://resend.com/docs/webhooks/introduction"),
    ),
    proof=("vector", "sdk"),
    docs="https://resend.com/docs/webhooks/verify-webhooks-requests",
    note="Svix sends for Resend, so these are Svix's retry times.",
)
