"""OpenAI."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme

__all__ = ["OPENAI"]

_DOCS = Source("https://platform.openai.com/docs/guides/webhooks", "2026-11-25")

OPENAI = Preset(
    name="openai",
    title="OpenAI",
    secret_shape="whsec_[A-Za-z0-9+/=]{24,}",
    not_secrets=(("sk-", "an API key"),),
    scheme=standard_scheme("webhook"),
    event_id=InHeader("webhook-id"),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_DOCS.says("for up to 72 hours, with exponential backoff"),
        horizon=_DOCS.says(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("2xx succeeds, 3xx fails; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://platform.openai.com/docs/guides/webhooks",
    note="OpenAI expects an answer within a few seconds: put slow work in a queue.",
)
