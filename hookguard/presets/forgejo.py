"""Forgejo, which sends Gitea's headers and its own."""

from hookguard.facts import Facts, Source
from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["FORGEJO"]

_DOCS = Source("https://forgejo.org/docs/latest/user/webhooks/", "2026-11-24")
_SENDER = Source("https://codeberg.org/forgejo/forgejo/src/branch/forgejo/services/webhook/deliver.go", "2026-11-25")

FORGEJO = Preset(
    name="forgejo",
    title="Forgejo",
    scheme=HmacScheme(signature=SignatureHeader("X-Forgejo-Signature", "{hex}")),
    event_id=InHeader("X-Forgejo-Delivery"),
    event_type=InHeader("X-Forgejo-Event"),
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
        timeout=_DOCS.silent(5.0),
        statuses=_SENDER.says("2xx succeeds; anything else is recorded as failed"),
        networks=_DOCS.silent(None),
    ),
    docs="https://forgejo.org/docs/latest/user/webhooks/",
    note=(
        "Deliveries also carry Gitea's, Gogs' and GitHub's headers. Only Forgejo's own is checked. Without a secret the"
        " signature is empty."
    ),
)
