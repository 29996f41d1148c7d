"""Gogs."""

from hookguard.facts import Facts, Source
from hookguard.place import InHeader
from hookguard.preset import Preset
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
    # The headers are not signed, and honest bodies can be equal: a branch is created, deleted and created again.
    identity="id+content",
    json_field="payload",
    facts=Facts(
        schedule=_SENDER.says("never automatically; by hand from the list of deliveries"),
        horizon=_SENDER.says(0.0),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        # The default; an instance's settings may change it.
        timeout=_SETTINGS.says(15.0),
        statuses=_SENDER.says("2xx succeeds; redirects are rejected; anything else is recorded as failed"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://gogs.io/docs/features/webhook",
    note="Old versions also write the secret into the body.",
)
