"""Webflow."""

from hookguard.facts import MINUTE, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
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
    # Events have no id. Bodies carry the time of the event.
    event_id=None,
    event_type=InBody("triggerType"),
    identity="content",
    facts=Facts(
        schedule=_LIMITS.says("three times, ten minutes apart"),
        horizon=_LIMITS.says(30 * MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_ERRORS.says(
            "200 succeeds; anything else, 3xx included, is retried; a webhook that keeps failing is deactivated"
        ),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.webflow.com/data/docs/working-with-webhooks",
    note=(
        "Webhooks created in the dashboard are not signed. An OAuth app's webhooks are signed with the app's client secret. A"
        " webhook created with a site token has its own secret."
    ),
)
