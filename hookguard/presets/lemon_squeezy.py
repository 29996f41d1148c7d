"""Lemon Squeezy."""

from hookguard.facts import Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["LEMON_SQUEEZY"]

_DOCS = Source("https://docs.lemonsqueezy.com/help/webhooks/webhook-requests", "2026-11-25")

LEMON_SQUEEZY = Preset(
    name="lemon-squeezy",
    title="Lemon Squeezy",
    not_secrets=((r"eyJ[A-Za-z0-9_-]+\.", "an API key"),),
    scheme=HmacScheme(signature=SignatureHeader("X-Signature", "{hex}")),
    # Events have no id. A body holds the time its object was changed, so two events' bodies differ.
    event_id=None,
    event_type=InBody("meta.event_name"),
    identity="content",
    facts=Facts(
        schedule=_DOCS.says("three times: after 5, 25 and 125 seconds"),
        horizon=_DOCS.says(155.0),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("200 succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://docs.lemonsqueezy.com/help/webhooks/signing-requests",
    note="Answer 200: Lemon Squeezy does not promise to accept another 2xx.",
)
