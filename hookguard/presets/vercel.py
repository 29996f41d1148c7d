"""Vercel."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["VERCEL"]

_DOCS = Source("https://vercel.com/docs/webhooks", "2026-11-25")

VERCEL = Preset(
    name="vercel",
    title="Vercel",
    not_secrets=(("vc[a-z]_", "an access token"),),
    scheme=HmacScheme(signature=SignatureHeader("x-vercel-signature", "{hex}"), digest="sha1"),
    event_id=InBody("id"),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_DOCS.silent("for up to 24 hours, with exponential backoff"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://vercel.com/docs/webhooks/webhooks-api",
    note=(
        "An account webhook has its own secret, which is shown once. An integration's webhook is signed with the"
        " integration's client secret."
    ),
)
