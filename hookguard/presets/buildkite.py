"""Buildkite: signed webhooks, and those that carry a token."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader
from hookguard.schemes.token import TokenScheme

__all__ = ["BUILDKITE", "BUILDKITE_TOKEN"]

_DOCS = Source("https://buildkite.com/docs/apis/webhooks", "2026-11-24")
_META = Source("https://buildkite.com/docs/apis/rest-api/meta", "2026-11-25")

_PROFILE = Facts(
    schedule=_DOCS.silent("a few times"),
    horizon=_DOCS.silent(DAY),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    stable_id=_DOCS.silent(None),
    largest_body=_DOCS.silent(None),
    timeout=_DOCS.silent(10.0),
    statuses=_DOCS.silent("2xx succeeds"),
    networks=_META.says("https://api.buildkite.com/v2/meta"),
)

BUILDKITE = Preset(
    name="buildkite",
    title="Buildkite",
    scheme=HmacScheme(
        signature=SignatureHeader("X-Buildkite-Signature", "timestamp={timestamp},signature={hex}"),
        signed="{timestamp}.{body}",
    ),
    # Events have no id. Bodies carry the build, its state and its times.
    event_id=None,
    event_type=InBody("event"),
    identity="content",
    facts=_PROFILE,
    proof=("vector",),
    docs="https://buildkite.com/docs/apis/webhooks#webhook-signature",
)

BUILDKITE_TOKEN = Preset(
    name="buildkite-token",
    title="Buildkite (token)",
    scheme=TokenScheme(token=InHeader("X-Buildkite-Token")),
    event_id=None,
    event_type=InBody("event"),
    identity="content",
    facts=_PROFILE,
    docs="https://buildkite.com/docs/apis/webhooks",
    note="The token is sent in plain text and signs nothing. Use the signature (preset buildkite) if you can.",
)
