"""ElevenLabs."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["ELEVENLABS"]

_SDK = Source("https://github.com/elevenlabs/elevenlabs-python/blob/main/src/elevenlabs/webhooks_custom.py", "2026-11-25")
_DOCS = Source("https://elevenlabs.io/docs/eleven-api/resources/webhooks", "2026-11-25")

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
        schedule=_DOCS.says(
            "only transcriptions of calls, and only where retries are switched on:"
            " after 30 seconds, 2, 8 and 30 minutes, a tenth later at most"
        ),
        # 40.5 minutes and a tenth.
        horizon=_DOCS.says(2673.0),
        resigned=_SDK.silent(None),
        stable_body=_SDK.silent(None),
        timeout=_SDK.silent(None),
        statuses=_DOCS.says(
            "408, 429 and 5xx are tried again, other 4xx never;"
            " ten failures in a row disable a webhook without a success in seven days"
        ),
        networks=_SDK.silent(None),
    ),
    proof=("sdk",),
    docs="https://elevenlabs.io/docs/eleven-api/resources/webhooks",
)
