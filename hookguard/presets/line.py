"""LINE's Messaging API."""

from hookguard.batch import Batch
from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["LINE"]

_DOCS = Source("https://developers.line.biz/en/docs/messaging-api/receiving-messages/", "2026-11-25")

LINE = Preset(
    name="line",
    title="LINE",
    secret_shape="[0-9a-f]{32}",
    not_secrets=(
        (r"eyJ[A-Za-z0-9_-]+\.", "a channel access token"),
        (r"[A-Za-z0-9+/]{100,}={0,2}\Z", "a channel access token"),
    ),
    scheme=HmacScheme(signature=SignatureHeader("X-Line-Signature", "{base64}")),
    # The Verify button in LINE's console sends a list without events.
    batch=Batch("events", largest=_DOCS.silent(None)),
    event_id=InBody("webhookEventId"),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_DOCS.silent("several times for a while, if redelivery is turned on in the console; otherwise never"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(2.0),
        statuses=_DOCS.says("2xx succeeds; a server that fails for long is sent nothing more"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/",
    note="The secret is the channel secret. A redelivered event has deliveryContext.isRedelivery set.",
)
