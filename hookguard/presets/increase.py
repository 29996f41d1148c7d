"""Increase: Standard Webhooks today, a header of its own before."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.presets.standard_webhooks import standard_scheme
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["INCREASE", "INCREASE_OLDER"]

_DOCS = Source("https://increase.com/documentation/webhooks", "2026-11-25")

_PROFILE = Profile(
    schedule=_DOCS.silent("up to seven times, with exponential backoff; decisions in real time never"),
    horizon=_DOCS.silent(3 * DAY),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    timeout=_DOCS.silent(None),
    statuses=_DOCS.silent("2xx succeeds; anything else is tried again"),
    networks=_DOCS.silent(None),
)

INCREASE = Preset(
    name="increase",
    title="Increase",
    scheme=standard_scheme("webhook", "text"),
    event_id=InHeader("webhook-id"),
    event_type=InBody("category"),
    profile=_PROFILE,
    proof=("sdk",),
    docs="https://increase.com/documentation/webhooks",
    note="The shared secret is one you may choose, and its text is the key: it is not decoded.",
    doubt=(
        "the official Python package takes the secret's text for the key, which Standard Webhooks would decode from base64;"
        " no page read says which the sender does"
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
    profile=_PROFILE,
    proof=("vector",),
    docs="https://increase.com/documentation/webhooks",
    note="For subscriptions whose deliveries carry Increase-Webhook-Signature; today's packages know the other scheme only.",
)
