"""Gitee: the signing key, and the older password."""

from hookguard.facts import Facts, Source
from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader
from hookguard.schemes.token import TokenScheme

__all__ = ["GITEE", "GITEE_PASSWORD"]

_DOCS = Source("https://help.gitee.com/webhook/how-to-verify-webhook-keys", "2026-11-24")

_PROFILE = Facts(
    schedule=_DOCS.silent("never automatically"),
    horizon=_DOCS.silent(0.0),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    stable_id=_DOCS.silent(None),
    largest_body=_DOCS.silent(None),
    timeout=_DOCS.silent(None),
    statuses=_DOCS.silent("2xx succeeds"),
    networks=_DOCS.silent(None),
)

GITEE = Preset(
    name="gitee",
    title="Gitee (signing key)",
    scheme=HmacScheme(
        signature=SignatureHeader("X-Gitee-Token", "{base64}"),
        timestamp=InHeader("X-Gitee-Timestamp"),
        timestamp_unit="ms",
        signed="{timestamp}\n{secret}",
    ),
    # Events have no id, and the body is not signed.
    event_id=None,
    event_type=InHeader("X-Gitee-Event"),
    identity="content",
    facts=_PROFILE,
    proof=("vector",),
    docs="https://help.gitee.com/webhook/how-to-verify-webhook-keys",
    note=(
        "The signature covers the time only: anyone who sees one delivery can send any body with its headers for five minutes"
        " (Gitee's page accepts them for an hour). Use HTTPS and restrict the networks."
    ),
)

GITEE_PASSWORD = Preset(
    name="gitee-password",
    title="Gitee (password)",
    scheme=TokenScheme(token=InHeader("X-Gitee-Token")),
    event_id=None,
    event_type=InHeader("X-Gitee-Event"),
    identity="content",
    facts=_PROFILE,
    docs="https://help.gitee.com/webhook/how-to-verify-webhook-keys",
    note="The password is sent in plain text and signs nothing. Prefer the signing key (preset gitee).",
)
