"""GitHub, and GitHub Enterprise Server."""

from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.profile import Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["GITHUB"]

_FAILED = Source("https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries", "2026-11-25")
_BY_HAND = Source("https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks", "2026-11-25")
_PRACTICES = Source("https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks", "2026-11-25")
_IPS = Source(
    "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-githubs-ip-addresses", "2026-11-24"
)

GITHUB = Preset(
    name="github",
    title="GitHub",
    # Only the SHA-256 header: X-Hub-Signature (SHA-1) comes with it and is never a substitute.
    scheme=HmacScheme(signature=SignatureHeader("X-Hub-Signature-256", "sha256={hex}")),
    event_id=InHeader("X-GitHub-Delivery"),
    event_type=InHeader("X-GitHub-Event"),
    # The signature covers the body alone. Bodies carry times and ids, so that no two honest ones are equal.
    identity="content",
    json_field="payload",
    profile=Profile(
        schedule=_BY_HAND.says("never by itself; by hand or through the API, for three days"),
        horizon=_FAILED.says(0.0),
        resigned=_FAILED.silent(None),
        stable_body=_FAILED.silent(None),
        timeout=_FAILED.says(10.0),
        statuses=_PRACTICES.says("2xx succeeds; anything else is recorded as failed"),
        networks=_IPS.says("https://api.github.com/meta"),
    ),
    proof=("vector",),
    docs="https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
    note=(
        "A failed delivery is not retried by itself: redeliver it by hand or through the API. Enterprise Server waits 30 s for"
        " the answer and can redeliver for seven days. The networks are in the list's field hooks."
    ),
)
