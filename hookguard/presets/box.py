"""Box."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["BOX"]

_DOCS = Source("https://developer.box.com/guides/webhooks/v2/signatures-v2/", "2026-11-25")
_RETRIES = Source("https://developer.box.com/guides/webhooks/v2/", "2026-11-25")

BOX = Preset(
    name="box",
    title="Box",
    # Two keys that can be changed one after the other; each signs its own header, and either may match.
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
    event_type=InBody("trigger"),
    # As the official package has it.
    tolerance=600.0,
    profile=Profile(
        schedule=_RETRIES.says("up to twelve times within two hours"),
        horizon=_RETRIES.says(2 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_RETRIES.says(30.0),
        statuses=_RETRIES.says("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://developer.box.com/guides/webhooks/v2/signatures-v2/",
    note="Give both keys, the primary one first.",
)
