"""Stripe."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["STRIPE"]

_DOCS = Source("https://docs.stripe.com/webhooks", "2026-11-25")
_IPS = Source("https://docs.stripe.com/ips", "2026-11-24")

STRIPE = Preset(
    name="stripe",
    title="Stripe",
    secret_shape="whsec_[A-Za-z0-9]{24,}",
    not_secrets=(
        ("[sr]k_(?:live|test)_", "an API key"),
        ("pk_(?:live|test)_", "a publishable key"),
    ),
    # The prefix whsec_ is part of the key's text. Unlike in Standard Webhooks, the secret is not decoded.
    scheme=HmacScheme(
        signature=SignatureHeader("Stripe-Signature", "t={timestamp},v1={hex}"),
        signed="{timestamp}.{body}",
    ),
    event_id=InBody("id"),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_DOCS.says("live mode: for up to three days, with exponential backoff; sandboxes: three times in a few hours"),
        horizon=_DOCS.says(3 * DAY),
        resigned=_DOCS.says(True),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("2xx succeeds; anything else, 3xx included, is retried"),
        networks=_IPS.says("https://stripe.com/files/ips/ips_webhooks.json"),
    ),
    networks_field="WEBHOOKS",
    proof=("vector", "sdk"),
    docs="https://docs.stripe.com/webhooks/signature",
    note="Each endpoint has its own secret, and the command-line listener has another one.",
)
