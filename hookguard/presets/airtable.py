"""Airtable."""

from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["AIRTABLE"]

_DOCS = Source("https://airtable.com/developers/web/api/webhooks-overview", "2026-11-25")

AIRTABLE = Preset(
    name="airtable",
    title="Airtable",
    scheme=HmacScheme(signature=SignatureHeader("X-Airtable-Content-MAC", "hmac-sha256={hex}"), secret_format="base64"),
    # There is none: the body says which base changed, and when, to the millisecond.
    event_id=None,
    identity="content",
    profile=Profile(
        schedule=_DOCS.silent("with growing gaps"),
        horizon=_DOCS.silent(7 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(25.0),
        statuses=_DOCS.says("200 and 204 with an empty body succeed"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://airtable.com/developers/web/api/webhooks-overview",
    note=(
        "The secret is the macSecretBase64 that creating the webhook answers, once. The body holds no data: fetch the payloads"
        " from where you stopped. A webhook expires after seven days unless it is refreshed."
    ),
)
