"""Gogs."""

from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.profile import Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["GOGS"]

_DOCS = Source("https://gogs.io/docs/features/webhook", "2026-11-24")

GOGS = Preset(
    name="gogs",
    title="Gogs",
    scheme=HmacScheme(signature=SignatureHeader("X-Gogs-Signature", "{hex}")),
    event_id=InHeader("X-Gogs-Delivery"),
    event_type=InHeader("X-Gogs-Event"),
    # Neither header is signed, and honest bodies can be equal: a branch made, deleted and made again.
    identity="id+content",
    json_field="payload",
    profile=Profile(
        schedule=_DOCS.silent("never by itself; by hand from the list of deliveries"),
        horizon=_DOCS.silent(0.0),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(5.0),
        statuses=_DOCS.silent("2xx succeeds; anything else is recorded as failed"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://gogs.io/docs/features/webhook",
    note="Old versions also write the secret into the body.",
)
