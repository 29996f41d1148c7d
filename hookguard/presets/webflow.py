"""Webflow."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["WEBFLOW"]

_DOCS = Source("https://developers.webflow.com/data/docs/working-with-webhooks", "2026-11-24")

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
        schedule=_DOCS.silent("three times, ten minutes apart"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("200 succeeds"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.webflow.com/data/docs/working-with-webhooks",
    note=(
        "Webhooks made in the dashboard are not signed. Those of an OAuth app are signed with the app's client secret, those"
        " made with a site token with a secret of their own."
    ),
)
