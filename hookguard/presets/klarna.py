"""Klarna's webhooks."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import HOUR, MINUTE, Profile, Source
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
    profile=Profile(
        schedule=_DOCS.says("after 10 seconds, 2 minutes, 15 minutes, 3 hours, 6 hours and 12 hours"),
        horizon=_DOCS.says(21 * HOUR + 17 * MINUTE + 10),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("200, 201, 202 and 204 succeed; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    docs="https://docs.klarna.com/klarna-network-distribution/acquiring-partner-setup/webhooks",
    note=(
        "Klarna-Signing-Key-Id says which signing key was used; it is not needed here, as every configured key is tried. The"
        " older push callbacks of Klarna Payments and Checkout are not signed."
    ),
    doubt="no page read says how the signature and the signing key are written; lower-case hex and text are assumed",
)
