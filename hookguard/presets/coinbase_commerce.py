"""Coinbase Commerce."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["COINBASE_COMMERCE"]

_DOCS = Source("https://docs.cdp.coinbase.com/commerce/docs/webhooks", "2026-11-24")

COINBASE_COMMERCE = Preset(
    name="coinbase-commerce",
    title="Coinbase Commerce",
    scheme=HmacScheme(signature=SignatureHeader("X-CC-Webhook-Signature", "{hex}")),
    # The outer id and attempt_number are of the delivery; the event's own id stays the same.
    event_id=InBody("event.id"),
    event_type=InBody("event.type"),
    facts=Facts(
        schedule=_DOCS.says("for up to three days, with exponential backoff of at most an hour"),
        horizon=_DOCS.says(3 * DAY),
        # The body counts the attempts, so each attempt is signed again.
        resigned=_DOCS.silent(True),
        stable_body=_DOCS.silent(False),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("200 succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://docs.cdp.coinbase.com/commerce/docs/webhooks-security",
    note="The secret looks like a UUID but is used as text. Coinbase's newer products sign in another way: preset coinbase-cdp.",
)
