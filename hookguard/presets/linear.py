"""Linear."""

from hookguard.facts import HOUR, MINUTE, Facts, Source
from hookguard.place import FirstOf, InBody, Joined
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["LINEAR"]

_DOCS = Source("https://linear.app/developers/webhooks", "2026-11-25")
# A receiver reported that all its retries were stale: each was equal to the first attempt, byte for byte.
_RETRIED = Source("https://github.com/vercel/eve/issues/1570", "2026-11-30")

LINEAR = Preset(
    name="linear",
    title="Linear",
    secret_shape="lin_wh_[A-Za-z0-9]{32,}",
    not_secrets=(("lin_(?:api|oauth)_", "an API key"),),
    # The timestamp in the body counts, because the header Linear-Timestamp is not signed.
    scheme=HmacScheme(
        signature=SignatureHeader("Linear-Signature", "{hex}"), timestamp=InBody("webhookTimestamp"), timestamp_unit="ms"
    ),
    # The header Linear-Delivery is not signed, and webhookTimestamp is the time of sending. The action, the object and the time
    # of the change are signed, and a retry has the same.
    event_id=FirstOf(
        Joined(InBody("webhookId"), InBody("type"), InBody("action"), InBody("createdAt"), InBody("data.id")),
        Joined(InBody("webhookId"), InBody("type"), InBody("action"), InBody("createdAt")),
        Joined(InBody("webhookId"), InBody("webhookTimestamp")),
    ),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_DOCS.says("three times: after a minute, an hour and six hours"),
        horizon=_DOCS.says(7 * HOUR + MINUTE),
        resigned=_RETRIED.silent(False),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(5.0),
        statuses=_DOCS.says("200 succeeds; a webhook that keeps failing is disabled"),
        networks=_DOCS.silent(None),
    ),
    docs="https://linear.app/developers/webhooks#securing-webhooks",
    note="The body's action says what was done (create, update, remove).",
)
