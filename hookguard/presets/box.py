"""Box."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["BOX"]

_DOCS = Source("https://developer.box.com/guides/webhooks/v2/signatures-v2/", "2026-11-25")
_RETRIES = Source("https://developer.box.com/guides/webhooks/v2/", "2026-11-25")

BOX = Preset(
    name="box",
    title="Box",
    # Box has two keys, for rotation. Each signs its own header, and either may match.
    scheme=HmacScheme(
        signature=(
            SignatureHeader("BOX-SIGNATURE-PRIMARY", "{base64}"),
            SignatureHeader("BOX-SIGNATURE-SECONDARY", "{base64}"),
        ),
        timestamp=InHeader("BOX-DELIVERY-TIMESTAMP"),
        timestamp_unit="rfc3339",
        signed="{body}{timestamp}",
    ),
    event_id=InBody("id"),
    id_scope=(InBody("webhook.id"),),
    event_type=InBody("trigger"),
    facts=Facts(
        schedule=_RETRIES.says("up to twelve times within two hours"),
        horizon=_RETRIES.says(2 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_RETRIES.says(True),
        largest_body=_DOCS.silent(None),
        timeout=_RETRIES.says(30.0),
        statuses=_RETRIES.says("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://developer.box.com/guides/webhooks/v2/signatures-v2/",
    note="Give both keys, the primary one first.",
)
