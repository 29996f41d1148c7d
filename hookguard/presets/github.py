"""GitHub, and GitHub Enterprise Server."""

from hookguard.facts import MIB, Facts, Source
from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["GITHUB"]

_FAILED = Source("https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries", "2026-11-25")
_BY_HAND = Source("https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks", "2026-11-25")
_PRACTICES = Source("https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks", "2026-11-25")
_PAYLOADS = Source("https://docs.github.com/en/webhooks/webhook-events-and-payloads", "2026-11-30")
_IPS = Source(
    "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-githubs-ip-addresses", "2026-11-24"
)

GITHUB = Preset(
    name="github",
    title="GitHub",
    not_secrets=(
        ("gh[pousr]_", "an access token"),
        ("github_pat_", "an access token"),
    ),
    # Only the SHA-256 header. X-Hub-Signature (SHA-1) comes with it and is never used instead.
    scheme=HmacScheme(signature=SignatureHeader("X-Hub-Signature-256", "sha256={hex}")),
    event_id=InHeader("X-GitHub-Delivery"),
    event_type=InHeader("X-GitHub-Event"),
    # The signature covers the body alone, and two honest bodies can be equal: dispatches, memberships and authorizations have
    # no time and no id. A redelivery keeps the id.
    identity="id+content",
    json_field="payload",
    facts=Facts(
        schedule=_BY_HAND.says("never automatically; by hand or through the API, for three days"),
        horizon=_FAILED.says(0.0),
        resigned=_FAILED.silent(None),
        stable_body=_FAILED.silent(None),
        stable_id=_PRACTICES.says(True),
        largest_body=_PAYLOADS.says(25 * MIB),
        timeout=_FAILED.says(10.0),
        statuses=_PRACTICES.says("2xx succeeds; anything else is recorded as failed"),
        networks=_IPS.says("https://api.github.com/meta"),
    ),
    networks_field="hooks",
    proof=("vector",),
    docs="https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
    note=(
        "GitHub does not retry a failed delivery: redeliver it by hand or through the API. Enterprise Server waits 30 s for"
        " the answer and can redeliver for seven days. The networks are in the list's field hooks. A form is longer than the"
        " JSON in it: choose application/json, or raise max_body for very large events."
    ),
)
