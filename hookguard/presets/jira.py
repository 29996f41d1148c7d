"""Jira Cloud and Data Center, and other Atlassian products with the same webhooks."""

from hookguard.facts import MIB, MINUTE, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["JIRA"]

_DOCS = Source("https://developer.atlassian.com/cloud/jira/platform/webhooks/", "2026-11-24")
_RETRIES = Source("https://community.developer.atlassian.com/t/new-jira-cloud-webhook-retry-policy/30554", "2026-11-25")

JIRA = Preset(
    name="jira",
    title="Jira",
    scheme=HmacScheme(signature=SignatureHeader("X-Hub-Signature", "sha256={hex}")),
    event_id=InHeader("X-Atlassian-Webhook-Identifier"),
    event_type=InBody("webhookEvent"),
    # The signature covers the body alone. A retry keeps the id.
    identity="id+content",
    facts=Facts(
        schedule=_DOCS.silent("up to five times, 5 to 15 minutes apart"),
        horizon=_DOCS.silent(75 * MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        # An issue comes with its comments.
        largest_body=_DOCS.silent(5 * MIB),
        timeout=_DOCS.silent(None),
        statuses=_RETRIES.says("408, 409, 425, 429, 5xx, failed connections and timeouts are retried"),
        networks=_DOCS.silent("https://ip-ranges.atlassian.com/"),
    ),
    proof=("vector",),
    docs="https://developer.atlassian.com/cloud/jira/platform/webhooks/",
    note=(
        "Without a secret Jira sends no signature (Data Center signs since version 10). Webhooks of Connect and Forge apps"
        " carry a token in the Authorization header instead, which this preset does not read."
    ),
)
