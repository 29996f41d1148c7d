"""Upstash QStash."""

from hookguard.facts import DAY, MIB, Facts, Source
from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.schemes.jwt import BodyHash, Equals, JwtScheme, UrlItself

__all__ = ["QSTASH"]

_SDK = Source("https://github.com/upstash/qstash-py/blob/main/qstash/receiver.py", "2026-11-25")
_DOCS = Source("https://upstash.com/docs/qstash/howto/signature", "2026-11-25")
_RETRIES = Source("https://upstash.com/docs/qstash/features/retry", "2026-11-25")
_PRICES = Source("https://upstash.com/pricing/qstash", "2026-11-30")

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
    # The application itself sent the body, and a schedule sends equal bodies.
    identity="id+content",
    facts=Facts(
        schedule=_RETRIES.says(
            "three times, or as the message says: after 12 seconds, 2.5 minutes, 30 minutes, 6 hours, then a day each;"
            " or as Retry-After says"
        ),
        horizon=_RETRIES.silent(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_PRICES.says(50 * MIB),
        timeout=_RETRIES.silent(None),
        statuses=_RETRIES.says("2xx succeeds; 489 with Upstash-NonRetryable-Error: true is final; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("sdk",),
    docs="https://upstash.com/docs/qstash/howto/signature",
    note="Give both signing keys, the current and the next one. The URL is signed exactly as in the message's destination.",
)
