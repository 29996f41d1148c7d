"""Webflow."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import MINUTE, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["WEBFLOW"]

_DOCS = Source("https://developers.webflow.com/data/docs/working-with-webhooks", "2026-11-24")
_LIMITS = Source("https://developers.webflow.com/data/v1.0.0/docs/limits-and-retries", "2026-11-25")
_ERRORS = Source("https://developers.webflow.com/data/reference/error-handling", "2026-11-25")

WEBFLOW = Preset(
    name="webflow",
    title="Webflow",
    scheme=HmacScheme(
        signature=SignatureHeader("x-webflow-signature", "{hex}"),
        timestamp=InHeader("x-webflow-timestamp"),
        timestamp_unit="ms",
        signed="{timestamp}:{body}",
    ),
    # There is none. What is sent carries the time it was made.
    event_id=None,
    event_type=InBody("triggerType"),
    identity="content",
    profile=Profile(
        schedule=_LIMITS.says("three times, ten minutes apart"),
        horizon=_LIMITS.says(30 * MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_ERRORS.says(
            "200 succeeds; anything else, 3xx included, is tried again; a webhook that keeps failing is deactivated"
        ),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.webflow.com/data/docs/working-with-webhooks",
    note=(
        "Webhooks made in the dashboard are not signed. Those of an OAuth app are signed with the app's client secret, those"
        " made with a site token with a secret of their own."
    ),
)
