"""LINE's Messaging API."""

from hookguard.batch import Batch
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["LINE"]

_DOCS = Source("https://developers.line.biz/en/docs/messaging-api/receiving-messages/", "2026-11-25")

LINE = Preset(
    name="line",
    title="LINE",
    scheme=HmacScheme(signature=SignatureHeader("X-Line-Signature", "{base64}")),
    # The button Verify in LINE's console sends a list without events.
    batch=Batch("events"),
    event_id=InBody("webhookEventId"),
    event_type=InBody("type"),
    profile=Profile(
        schedule=_DOCS.silent("some times for a while, where redelivery is switched on in the console; else never"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(2.0),
        statuses=_DOCS.says("2xx succeeds; a server that fails for long is sent nothing more"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/",
    note="The secret is the channel secret. An event that comes again says so in deliveryContext.isRedelivery.",
)
