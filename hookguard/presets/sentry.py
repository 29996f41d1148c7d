"""Sentry's integration platform."""

from hookguard.facts import MIB, MINUTE, Facts, Source
from hookguard.place import FirstOf, InBody, InHeader, Joined
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["SENTRY"]

_DOCS = Source("https://docs.sentry.io/organization/integrations/integration-platform/webhooks/", "2026-11-25")
_TASKS = Source("https://github.com/getsentry/sentry/blob/master/src/sentry/sentry_apps/tasks/sentry_apps.py", "2026-11-25")
_SIZES = Source("https://docs.sentry.io/concepts/data-management/size-limits", "2026-11-30")

SENTRY = Preset(
    name="sentry",
    title="Sentry",
    secret_shape="[0-9a-f]{64}",
    not_secrets=(
        ("sntr(?:ys|yu|ya)_", "an access token"),
        ("https?://[0-9a-f]{32}@", "a DSN"),
    ),
    scheme=HmacScheme(signature=SignatureHeader("Sentry-Hook-Signature", "{hex}")),
    # Each attempt has a new Request-ID. An error is reported once; other bodies hold no event id.
    event_id=FirstOf(
        Joined(InBody("installation.uuid"), InBody("action"), InBody("data.error.event_id")), InHeader("Request-ID")
    ),
    event_type=InHeader("Sentry-Hook-Resource"),
    # No header is signed, not even the timestamp's, and an issue that is resolved twice can have equal bodies.
    identity="id+content",
    facts=Facts(
        schedule=_TASKS.says(
            "published apps: after 5xx and timeouts up to three times, five minutes apart; other apps, also internal ones: never"
        ),
        horizon=_TASKS.says(15 * MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        # An event of up to 1 MB, and the text around it.
        largest_body=_SIZES.silent(2 * MIB),
        timeout=_DOCS.says(1.0),
        statuses=_DOCS.says("2xx succeeds; a thousand timeouts within 24 hours end the subscription"),
        networks=_DOCS.silent(None),
    ),
    docs="https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
    note=(
        "The secret is the integration's client secret. Sentry waits one second: put slow work in a queue. Only errors have"
        " an id. A published app's retry has a new Request-ID and runs like a new event, because an equal body may be another"
        " event."
    ),
)
