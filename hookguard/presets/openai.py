"""OpenAI."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme
from hookguard.profile import DAY, Profile, Source

__all__ = ["OPENAI"]

_DOCS = Source("https://platform.openai.com/docs/guides/webhooks", "2026-11-25")

OPENAI = Preset(
    name="openai",
    title="OpenAI",
    scheme=standard_scheme("webhook"),
    event_id=InHeader("webhook-id"),
    event_type=InBody("type"),
    profile=Profile(
        schedule=_DOCS.says("for up to 72 hours, with exponential backoff"),
        horizon=_DOCS.says(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("2xx succeeds, 3xx fails; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://platform.openai.com/docs/guides/webhooks",
    note="OpenAI asks for an answer within a few seconds: hand slow work to a queue.",
)
