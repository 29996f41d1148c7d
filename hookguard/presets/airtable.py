"""Airtable."""

from hookguard.facts import DAY, Facts, Source
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["AIRTABLE"]

_DOCS = Source("https://airtable.com/developers/web/api/webhooks-overview", "2026-11-25")

AIRTABLE = Preset(
    name="airtable",
    title="Airtable",
    not_secrets=((r"pat[A-Za-z0-9]{14}\.", "an access token"),),
    scheme=HmacScheme(signature=SignatureHeader("X-Airtable-Content-MAC", "hmac-sha256={hex}"), secret_format="base64"),
    # Events have no id. The body says which base changed, and when, in milliseconds.
    event_id=None,
    identity="content",
    facts=Facts(
        schedule=_DOCS.silent("with growing gaps"),
        horizon=_DOCS.silent(7 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(25.0),
        statuses=_DOCS.says("200 and 204 with an empty body succeed"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://airtable.com/developers/web/api/webhooks-overview",
    note=(
        "The secret is macSecretBase64. Airtable shows it once, in the answer to the call that creates the webhook. The body"
        " holds no data: fetch the payloads from your last cursor. A webhook expires after seven days unless you refresh it."
    ),
)
