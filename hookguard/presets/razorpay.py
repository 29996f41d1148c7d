"""Razorpay."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["RAZORPAY"]

_PRACTICES = Source("https://razorpay.com/docs/webhooks/best-practices", "2026-11-25")
_REPLAY = Source("https://razorpay.com/docs/webhooks/replay-events", "2026-11-25")
_FAQS = Source("https://razorpay.com/docs/webhooks/faqs", "2026-11-25")
_IPS = Source("https://razorpay.com/docs/security/whitelists", "2026-11-25")

RAZORPAY = Preset(
    name="razorpay",
    title="Razorpay",
    not_secrets=(("rzp_(?:test|live)_", "an API key"),),
    scheme=HmacScheme(signature=SignatureHeader("X-Razorpay-Signature", "{hex}")),
    event_id=InHeader("x-razorpay-event-id"),
    event_type=InBody("event"),
    # The id is not signed. Bodies carry the entity and created_at in whole seconds: two can be equal.
    identity="id+content",
    facts=Facts(
        schedule=_REPLAY.says("for 24 hours; unacknowledged events by hand for seven days, and by support after that"),
        horizon=_PRACTICES.says(DAY),
        # After a change of the secret, retries of older events still carry the old one's signature.
        resigned=_FAQS.says(False),
        # The page states this for manual replays only.
        stable_body=_PRACTICES.silent(None),
        stable_id=_PRACTICES.silent(True),
        largest_body=_PRACTICES.silent(None),
        timeout=_PRACTICES.says(5.0),
        statuses=_PRACTICES.says("2xx succeeds; after 24 hours of failures the webhook is disabled"),
        networks=_IPS.says("https://razorpay.com/docs/security/whitelists"),
    ),
    proof=("vector", "sdk"),
    docs="https://razorpay.com/docs/webhooks/validate-test/",
    note="The secret is the webhook's own, not the API key's; after a change, keep both for a day.",
)
