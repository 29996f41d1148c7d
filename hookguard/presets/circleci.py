"""CircleCI."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["CIRCLECI"]

_DOCS = Source("https://circleci.com/docs/guides/integration/outbound-webhooks/", "2026-11-25")

CIRCLECI = Preset(
    name="circleci",
    title="CircleCI",
    not_secrets=(("CC(?:IPAT|IPRJ)_", "an API token"),),
    # A list of versions. Only v1, the newest known one, counts; others are ignored.
    scheme=HmacScheme(signature=SignatureHeader("circleci-signature", "v1={hex}", separator=",")),
    event_id=InBody("id"),
    id_scope=(InBody("webhook.id"),),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_DOCS.says("later; no page says when and how often"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.says("2xx succeeds; anything else is retried later"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://circleci.com/docs/guides/integration/outbound-webhooks/",
)
