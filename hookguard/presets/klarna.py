"""Klarna's webhooks."""

from hookguard.facts import HOUR, MINUTE, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["KLARNA"]

_DOCS = Source(
    "https://docs.klarna.com/klarna-network-distribution/setup-your-integration/connection-configuration/setup-your-webhooks/",
    "2026-11-25",
)

KLARNA = Preset(
    name="klarna",
    title="Klarna",
    scheme=HmacScheme(signature=SignatureHeader("Klarna-Signature", "{hex}")),
    event_id=InBody("metadata.event_id"),
    event_type=InBody("metadata.event_type"),
    facts=Facts(
        schedule=_DOCS.says("after 10 seconds, 2 minutes, 15 minutes, 3 hours, 6 hours and 12 hours"),
        horizon=_DOCS.says(21 * HOUR + 17 * MINUTE + 10),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("200, 201, 202 and 204 succeed; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    docs="https://docs.klarna.com/klarna-network-distribution/acquiring-partner-setup/webhooks",
    note=(
        "The header Klarna-Signing-Key-Id names the signing key. It is not needed, because every configured key is tried. The"
        " older push callbacks of Klarna Payments and Checkout are not signed."
    ),
    doubt="no page states how the signature and the signing key are encoded; lower-case hex and text are assumed",
)
