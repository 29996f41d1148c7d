"""Figma."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.token import TokenScheme

__all__ = ["FIGMA"]

_DOCS = Source("https://developers.figma.com/docs/rest-api/webhooks-security/", "2026-11-24")
_SPEC = Source("https://github.com/figma/rest-api-spec/blob/main/openapi/openapi.yaml", "2026-11-25")

FIGMA = Preset(
    name="figma",
    title="Figma",
    not_secrets=(("figd_", "an access token"),),
    scheme=TokenScheme(token=InBody("passcode")),
    # Events have no id. Bodies carry the webhook's id and the time.
    event_id=None,
    event_type=InBody("event_type"),
    identity="content",
    facts=Facts(
        # Other sources report 5 minutes, 30 minutes and 3 hours.
        schedule=_SPEC.says("three times, with exponential backoff"),
        horizon=_DOCS.silent(4 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_SPEC.says("200 succeeds; anything else, or a late answer, is retried"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.figma.com/docs/rest-api/webhooks-security/",
    note="The passcode is sent in plain text in the body and signs nothing. A new webhook first sends an event PING.",
)
