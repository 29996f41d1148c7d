"""Linear."""

from hookguard.place import FirstOf, InBody, Joined
from hookguard.preset import Preset
from hookguard.profile import HOUR, MINUTE, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["LINEAR"]

_DOCS = Source("https://linear.app/developers/webhooks", "2026-11-25")

LINEAR = Preset(
    name="linear",
    title="Linear",
    # The timestamp that counts is the one in the body: the header Linear-Timestamp is not signed.
    scheme=HmacScheme(
        signature=SignatureHeader("Linear-Signature", "{hex}"), timestamp=InBody("webhookTimestamp"), timestamp_unit="ms"
    ),
    # The header Linear-Delivery is not signed, and webhookTimestamp tells when a delivery was sent. What happened, to which
    # object and when is signed, and stays the same.
    event_id=FirstOf(
        Joined(InBody("webhookId"), InBody("type"), InBody("action"), InBody("createdAt"), InBody("data.id")),
        Joined(InBody("webhookId"), InBody("type"), InBody("action"), InBody("createdAt")),
        Joined(InBody("webhookId"), InBody("webhookTimestamp")),
    ),
    event_type=InBody("type"),
    # As the official package has it.
    tolerance=60.0,
    profile=Profile(
        schedule=_DOCS.says("three times: after a minute, an hour and six hours"),
        horizon=_DOCS.says(7 * HOUR + MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.says(5.0),
        statuses=_DOCS.says("200 succeeds; a webhook that keeps failing is disabled"),
        networks=_DOCS.silent(None),
    ),
    docs="https://linear.app/developers/webhooks#securing-webhooks",
    note="What was done (create, update, remove) is the body's action.",
)
