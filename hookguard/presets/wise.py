"""Wise."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.public_key import PublicKeyScheme
from hookguard.schemes.template import SignatureHeader

__all__ = ["WISE"]

_DOCS = Source("https://docs.wise.com/guides/developer/webhooks/event-handling", "2026-11-25")

WISE = Preset(
    name="wise",
    title="Wise",
    scheme=PublicKeyScheme(signature=SignatureHeader("X-Signature-SHA256", "{base64}"), algorithm="rsa-sha256"),
    # The header is not signed; a body holds its subscription, its resource and the moment.
    event_id=InHeader("X-Delivery-Id"),
    event_type=InBody("event_type"),
    identity="content",
    profile=Profile(
        schedule=_DOCS.says("up to 25 times over two weeks, at growing distances"),
        horizon=_DOCS.says(14 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.says(5.0),
        statuses=_DOCS.says("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs=_DOCS.address,
    note="The secret is Wise's public key from that page. The sandbox has a key of its own: never configure it in production.",
)
