"""Access Worldpay."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["WORLDPAY"]

_DOCS = Source("https://docs.worldpay.com/access/products/events", "2026-11-24")
_SIGNATURE = "https://developer.worldpay.com/products/access/events/signature"

WORLDPAY = Preset(
    name="worldpay",
    title="Access Worldpay",
    # keyId counts the secrets; every configured secret is tried, so it need not be known.
    scheme=HmacScheme(signature=SignatureHeader("Event-Signature", "{key}/SHA256/{hex}", separator=",")),
    event_id=InBody("eventId"),
    event_type=InBody("eventDetails.type"),
    profile=Profile(
        schedule=_DOCS.says("for a week, from every 15 minutes to every two hours"),
        horizon=_DOCS.says(7 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.says("200 succeeds; what is not acknowledged holds up the events behind it"),
        networks=_DOCS.says("https://docs.worldpay.com/access/products/events"),
    ),
    docs=_SIGNATURE,
    note="The signature must be asked for: the implementation manager switches it on and hands over the secret.",
    doubt="the page says neither how the signature nor how the secret is written; lower-case hex and text are assumed",
)
