"""Gitea."""

from hookguard.facts import Facts, Source
from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["GITEA"]

_DOCS = Source("https://docs.gitea.com/usage/webhooks", "2026-11-24")
_SENDER = Source("https://github.com/go-gitea/gitea/blob/main/services/webhook/deliver.go", "2026-11-25")
_SETTINGS = Source("https://github.com/go-gitea/gitea/blob/main/modules/setting/webhook.go", "2026-11-25")

GITEA = Preset(
    name="gitea",
    title="Gitea",
    scheme=HmacScheme(signature=SignatureHeader("X-Gitea-Signature", "{hex}")),
    event_id=InHeader("X-Gitea-Delivery"),
    event_type=InHeader("X-Gitea-Event"),
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
        timeout=_SETTINGS.says(5.0),
        statuses=_SENDER.says("2xx succeeds; anything else is recorded as failed"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://docs.gitea.com/usage/webhooks",
    note=(
        "Gitea signs several headers with the same secret, also X-Hub-Signature with SHA-1. Only this one is checked. Without"
        " a secret it sends an empty signature."
    ),
)
