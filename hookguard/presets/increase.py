"""Increase: Standard Webhooks now, its own header before."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["INCREASE", "INCREASE_OLDER"]

_DOCS = Source("https://increase.com/documentation/webhooks", "2026-11-25")

_PROFILE = Facts(
    schedule=_DOCS.silent("up to seven times, with exponential backoff; real-time decisions never"),
    horizon=_DOCS.silent(3 * DAY),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    stable_id=_DOCS.silent(True),
    largest_body=_DOCS.silent(None),
    timeout=_DOCS.silent(None),
    statuses=_DOCS.silent("2xx succeeds; anything else is retried"),
    networks=_DOCS.silent(None),
)

INCREASE = Preset(
    name="increase",
    title="Increase",
    scheme=standard_scheme("webhook", "text"),
    event_id=InHeader("webhook-id"),
    event_type=InBody("category"),
    facts=_PROFILE,
    proof=("sdk",),
    docs="https://increase.com/documentation/webhooks",
    note="You may choose the shared secret. Its text is the key: it is not decoded.",
    doubt=(
        "the official Python package uses the secret's text as the key, but Standard Webhooks decodes it from base64;"
        " no page states which the sender does"
    ),
)

INCREASE_OLDER = Preset(
    name="increase-older",
    title="Increase (Increase-Webhook-Signature)",
    scheme=HmacScheme(
        signature=SignatureHeader("Increase-Webhook-Signature", "t={timestamp},v1={hex}"),
        signed="{timestamp}.{body}",
        timestamp_unit="rfc3339",
    ),
    event_id=InBody("id"),
    event_type=InBody("category"),
    facts=_PROFILE,
    proof=("vector",),
    docs="https://increase.com/documentation/webhooks",
    note=(
        "Use this for deliveries with the header Increase-Webhook-Signature. Current packages support only the newer scheme"
        " (preset increase)."
    ),
)
