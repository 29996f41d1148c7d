"""Zoom."""

from hookguard.challenge import Computed
from hookguard.facts import MINUTE, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.reply import Reply
from hookguard.schemes.base import Key
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["ZOOM"]

_DOCS = Source("https://developers.zoom.us/docs/api/webhooks/", "2026-11-24")
_DELAYS = Source("https://developers.zoom.us/blog/webhook-delays/", "2026-11-25")


def _validate(token: str, key: Key) -> Reply:
    return Reply.json(200, {"plainToken": token, "encryptedToken": key.prepared.digest(token.encode()).hex()})


ZOOM = Preset(
    name="zoom",
    title="Zoom",
    not_secrets=((r"eyJ[A-Za-z0-9_-]+\.", "an access token"),),
    scheme=HmacScheme(
        signature=SignatureHeader("x-zm-signature", "v0={hex}"),
        timestamp=InHeader("x-zm-request-timestamp"),
        signed="v0:{timestamp}:{body}",
    ),
    # Events have no id. Bodies carry event_ts, in milliseconds.
    event_id=None,
    event_type=InBody("event"),
    identity="content",
    # Zoom sends it first, and then every 72 hours; it is signed. A token has no colon, so it cannot equal a signed text.
    challenge=Computed(InBody("payload.plainToken"), answer=_validate, when={InBody("event"): "endpoint.url_validation"}),
    facts=Facts(
        schedule=_DELAYS.says("three times: after 5 minutes, 20 more and 60 more"),
        horizon=_DELAYS.says(85 * MINUTE),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DELAYS.says(3.0),
        statuses=_DOCS.silent("200 and 204 succeed; a URL that fails its validation six times is disabled"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.zoom.us/docs/api/webhooks/#verify-with-zooms-header",
    note="The secret is the app's secret token. The older verification token in the Authorization header is ignored.",
)
