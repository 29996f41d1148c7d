"""Sentry's integration platform."""

from hookguard.place import InHeader
from hookguard.preset import Preset
from hookguard.profile import MINUTE, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["SENTRY"]

_DOCS = Source("https://docs.sentry.io/organization/integrations/integration-platform/webhooks/", "2026-11-25")
_TASKS = Source("https://github.com/getsentry/sentry/blob/master/src/sentry/sentry_apps/tasks/sentry_apps.py", "2026-11-25")

SENTRY = Preset(
    name="sentry",
    title="Sentry",
    scheme=HmacScheme(signature=SignatureHeader("Sentry-Hook-Signature", "{hex}")),
    event_id=InHeader("Request-ID"),
    event_type=InHeader("Sentry-Hook-Resource"),
    # No header is signed, the timestamp's neither, and an issue resolved twice can be the same body.
    identity="id+content",
    profile=Profile(
        schedule=_TASKS.says(
            "published apps: after 5xx and timeouts up to three times, five minutes apart; others, internal ones included: never"
        ),
        horizon=_TASKS.says(15 * MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.says(1.0),
        statuses=_DOCS.says("2xx succeeds; a thousand timeouts within 24 hours end the subscription"),
        networks=_DOCS.silent(None),
    ),
    docs="https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
    note=(
        "The secret is the integration's client secret. Sentry waits one second: hand slow work to a queue. A published app's"
        " retry has a new Request-ID and runs like a new event, as an equal body may be another one."
    ),
)
