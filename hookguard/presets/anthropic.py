"""Anthropic."""

from hookguard.facts import HOUR, MINUTE, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme

__all__ = ["ANTHROPIC"]

_SDK = Source("https://github.com/anthropics/anthropic-sdk-python", "2026-11-24")
_SPEC = Source("https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md", "2026-11-24")

ANTHROPIC = Preset(
    name="anthropic",
    title="Anthropic",
    secret_shape="whsec_[A-Za-z0-9+/=]{24,}",
    not_secrets=(("sk-ant-", "an API key"),),
    scheme=standard_scheme("webhook"),
    event_id=InHeader("webhook-id"),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_SDK.silent("not stated; the specification suggests nine times over 75 hours and 35 minutes"),
        horizon=_SPEC.silent(75 * HOUR + 35 * MINUTE + 5),
        resigned=_SDK.silent(None),
        stable_body=_SDK.silent(None),
        stable_id=_SDK.silent(True),
        largest_body=_SDK.silent(None),
        timeout=_SPEC.silent(30.0),
        statuses=_SPEC.silent("2xx succeeds, 3xx fails; 410 disables the endpoint"),
        networks=_SDK.silent(None),
    ),
    proof=("sdk",),
    docs="https://github.com/anthropics/anthropic-sdk-python",
    note="This is a beta at Anthropic. The official package verifies with the Standard Webhooks library.",
)
