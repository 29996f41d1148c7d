"""Gitea."""

from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.profile import Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["GITEA"]

_DOCS = Source("https://docs.gitea.com/usage/webhooks", "2026-11-24")

GITEA = Preset(
    name="gitea",
    title="Gitea",
    scheme=HmacScheme(signature=SignatureHeader("X-Gitea-Signature", "{hex}")),
    event_id=InHeader("X-Gitea-Delivery"),
    event_type=InHeader("X-Gitea-Event"),
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
    docs="https://docs.gitea.com/usage/webhooks",
    note=(
        "Gitea signs several headers with the same secret, also X-Hub-Signature with SHA-1:"
        " only this one counts. Without a secret it sends an empty signature."
    ),
)
