"""ElevenLabs."""

from hookguard.facts import MIB, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["ELEVENLABS"]

_SDK = Source("https://github.com/elevenlabs/elevenlabs-python/blob/main/src/elevenlabs/webhooks_custom.py", "2026-11-25")
_DOCS = Source("https://elevenlabs.io/docs/eleven-api/resources/webhooks", "2026-11-25")
_AUDIO = Source("https://elevenlabs.io/docs/eleven-agents/workflows/post-call-webhooks", "2026-11-30")

ELEVENLABS = Preset(
    name="elevenlabs",
    title="ElevenLabs",
    secret_shape="wsec_[0-9a-f]{32,}",
    not_secrets=(("sk_", "an API key"),),
    scheme=HmacScheme(signature=SignatureHeader("ElevenLabs-Signature", "t={timestamp},v0={hex}"), signed="{timestamp}.{body}"),
    # Events have no id. Bodies name the conversation and the event's time.
    event_id=None,
    event_type=InBody("type"),
    identity="content",
    facts=Facts(
        schedule=_DOCS.says(
            "only transcriptions of calls, and only if retries are turned on:"
            " after 30 seconds, 2, 8 and 30 minutes, each at most a tenth later"
        ),
        # 40.5 minutes and a tenth.
        horizon=_DOCS.says(2673.0),
        resigned=_SDK.silent(None),
        stable_body=_SDK.silent(None),
        stable_id=_SDK.silent(None),
        # The audio of a whole call, in base64.
        largest_body=_AUDIO.silent(25 * MIB),
        timeout=_SDK.silent(None),
        statuses=_DOCS.says(
            "408, 429 and 5xx are retried, other 4xx are not;"
            " ten failures in a row disable a webhook that had no success in seven days"
        ),
        networks=_SDK.silent(None),
    ),
    proof=("sdk",),
    docs="https://elevenlabs.io/docs/eleven-api/resources/webhooks",
)
