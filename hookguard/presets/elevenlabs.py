"""ElevenLabs."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["ELEVENLABS"]

_SDK = Source("https://github.com/elevenlabs/elevenlabs-python/blob/main/src/elevenlabs/webhooks_custom.py", "2026-11-25")

ELEVENLABS = Preset(
    name="elevenlabs",
    title="ElevenLabs",
    scheme=HmacScheme(signature=SignatureHeader("ElevenLabs-Signature", "t={timestamp},v0={hex}"), signed="{timestamp}.{body}"),
    # There is none. Bodies name the conversation and the event's time.
    event_id=None,
    event_type=InBody("type"),
    identity="content",
    # As the official package has it.
    tolerance=1800.0,
    profile=Profile(
        schedule=_SDK.silent("not said; other receivers report none for most events"),
        horizon=_SDK.silent(DAY),
        resigned=_SDK.silent(None),
        stable_body=_SDK.silent(None),
        timeout=_SDK.silent(None),
        statuses=_SDK.silent("200 succeeds; failures in a row disable the webhook"),
        networks=_SDK.silent(None),
    ),
    proof=("sdk",),
    docs="https://elevenlabs.io/docs/eleven-api/resources/webhooks",
)
