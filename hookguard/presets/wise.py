"""Wise."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.public_key import PublicKeyScheme
from hookguard.schemes.template import SignatureHeader

__all__ = ["WISE"]

_DOCS = Source("https://docs.wise.com/guides/developer/webhooks/event-handling", "2026-11-25")

WISE = Preset(
    name="wise",
    title="Wise",
    scheme=PublicKeyScheme(signature=SignatureHeader("X-Signature-SHA256", "{base64}"), algorithm="rsa-sha256"),
    event_id=InHeader("X-Delivery-Id"),
    event_type=InBody("event_type"),
    # The header is not signed. Each subscription sends its own delivery of an event.
    identity="id+content",
    facts=Facts(
        schedule=_DOCS.says("up to 25 times over two weeks, with growing gaps"),
        horizon=_DOCS.says(14 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(5.0),
        statuses=_DOCS.says("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs=_DOCS.address,
    note="The secret is Wise's public key from that page. The sandbox has its own key: never configure it in production.",
)
