"""Adyen's webhooks of the balance platform, transfers, management and the like (payments: preset adyen)."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.presets.adyen import ADYEN_FACTS
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["ADYEN_PLATFORM"]

ADYEN_PLATFORM = Preset(
    name="adyen-platform",
    title="Adyen (platform, transfers, management)",
    scheme=HmacScheme(signature=SignatureHeader("HmacSignature", "{base64}"), secret_format="hex"),
    # data.id is the resource's, which changes many times; a body holds the moment.
    event_id=None,
    event_type=InBody("type"),
    identity="content",
    facts=ADYEN_FACTS,
    proof=("vector", "sdk"),
    docs="https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures",
    note="The HMAC key is hex and is decoded. Payments' webhooks carry the signature in the body: preset adyen.",
)
