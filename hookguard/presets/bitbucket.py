"""Bitbucket Cloud, and Bitbucket Data Center (once called Server)."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["BITBUCKET", "BITBUCKET_SERVER"]

_DOCS = Source("https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/", "2026-11-24")
_SERVER = Source("https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html", "2026-11-24")
_SIZE = Source("https://confluence.atlassian.com/bbkb/troubleshoot-webhooks-1167729092.html", "2026-11-25")
_TROUBLE = Source("https://support.atlassian.com/bitbucket-cloud/docs/troubleshoot-webhooks/", "2026-11-25")
_SIZES = Source("https://confluence.atlassian.com/bbkb/troubleshoot-webhooks-1167729092.html", "2026-11-30")

# The header that GitHub uses for SHA-1 carries SHA-256 here.
_SCHEME = HmacScheme(signature=SignatureHeader("X-Hub-Signature", "sha256={hex}"))

BITBUCKET = Preset(
    name="bitbucket",
    title="Bitbucket Cloud",
    scheme=_SCHEME,
    event_id=InHeader("X-Request-UUID"),
    event_type=InHeader("X-Event-Key"),
    # Pushing back to an earlier commit and forward again gives the same body twice.
    identity="id+content",
    facts=Facts(
        schedule=_TROUBLE.says("up to twice more, after 5xx"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_SIZES.says(256 << 10),
        timeout=_TROUBLE.says(10.0),
        statuses=_TROUBLE.says("5xx is retried"),
        networks=_DOCS.silent("https://ip-ranges.atlassian.com/"),
    ),
    proof=("vector",),
    docs="https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
    note=(
        "Without a secret Bitbucket sends no signature. A body of more than 256 KB is never sent, and Bitbucket does not"
        " report it."
    ),
)

BITBUCKET_SERVER = Preset(
    name="bitbucket-server",
    title="Bitbucket Data Center",
    scheme=_SCHEME,
    event_id=InHeader("X-Request-Id"),
    event_type=InHeader("X-Event-Key"),
    # The signature covers the body alone. Bodies carry a date in whole seconds; those of the connection test are equal.
    identity="id+content",
    facts=Facts(
        schedule=_SERVER.silent("never automatically"),
        horizon=_SERVER.silent(0.0),
        resigned=_SERVER.silent(None),
        stable_body=_SERVER.silent(None),
        stable_id=_SERVER.silent(None),
        largest_body=_SERVER.silent(None),
        timeout=_SERVER.silent(20.0),
        statuses=_SERVER.silent("2xx succeeds; a webhook that keeps failing is skipped for a while"),
        networks=_SERVER.silent(None),
    ),
    proof=("vector",),
    docs="https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html",
    note="The connection test sends the event diagnostics:ping. It is signed like any other event if a secret is set.",
)
