"""Access Worldpay."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["WORLDPAY"]

_DOCS = Source("https://docs.worldpay.com/access/products/events", "2026-11-24")
_SIGNATURE = "https://developer.worldpay.com/products/access/events/signature"

WORLDPAY = Preset(
    name="worldpay",
    title="Access Worldpay",
    # keyId counts the secrets. It is not needed, because every configured secret is tried.
    scheme=HmacScheme(signature=SignatureHeader("Event-Signature", "{key}/SHA256/{hex}", separator=",")),
    event_id=InBody("eventId"),
    event_type=InBody("eventDetails.type"),
    facts=Facts(
        schedule=_DOCS.says("for a week, from every 15 minutes to every two hours"),
        horizon=_DOCS.says(7 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.says("200 succeeds; an unacknowledged event delays the events behind it"),
        networks=_DOCS.says("https://docs.worldpay.com/access/products/events"),
    ),
    docs=_SIGNATURE,
    note="Ask your implementation manager to turn on the signature and to send you the secret.",
    doubt="the page does not state how the signature and the secret are encoded; lower-case hex and text are assumed",
)
