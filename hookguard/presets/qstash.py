"""Upstash QStash."""

from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.jwt import BodyHash, Equals, JwtScheme, UrlItself

__all__ = ["QSTASH"]

_SDK = Source("https://github.com/upstash/qstash-py/blob/main/qstash/receiver.py", "2026-11-25")
_DOCS = Source("https://upstash.com/docs/qstash/howto/signature", "2026-11-25")
_RETRIES = Source("https://upstash.com/docs/qstash/features/retry", "2026-11-25")

QSTASH = Preset(
    name="qstash",
    title="Upstash QStash",
    scheme=JwtScheme(
        algorithm="HS256",
        token=InHeader("Upstash-Signature"),
        claims={"iss": Equals("Upstash"), "sub": UrlItself(), "body": BodyHash("base64url")},
        timestamp="nbf",
        required=("nbf", "exp"),
    ),
    event_id=InHeader("Upstash-Message-Id"),
    # What comes is what the application itself has sent, and a schedule sends the same again and again.
    identity="id+content",
    profile=Profile(
        schedule=_RETRIES.says(
            "three times or as the message says: after 12 seconds, 2.5 minutes, 30 minutes, 6 hours, then a day each;"
            " or as Retry-After says"
        ),
        horizon=_RETRIES.silent(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_RETRIES.silent(None),
        statuses=_RETRIES.says("2xx succeeds; 489 with Upstash-NonRetryable-Error: true is final; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://upstash.com/docs/qstash/howto/signature",
    note="Give both signing keys, the current and the next. The URL is signed just as the message was sent to.",
)
