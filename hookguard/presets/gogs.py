"""Gogs."""

from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.profile import Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["GOGS"]

_DOCS = Source("https://gogs.io/docs/features/webhook", "2026-11-24")
_SENDER = Source("https://github.com/gogs/gogs/blob/main/internal/database/webhook.go", "2026-11-25")
_SETTINGS = Source("https://github.com/gogs/gogs/blob/main/conf/app.ini", "2026-11-25")

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
        schedule=_SENDER.says("never by itself; by hand from the list of deliveries"),
        horizon=_SENDER.says(0.0),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        # Unless the instance is set otherwise.
        timeout=_SETTINGS.says(15.0),
        statuses=_SENDER.says("2xx succeeds; redirects are refused; anything else is recorded as failed"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://gogs.io/docs/features/webhook",
    note="Old versions also write the secret into the body.",
)
