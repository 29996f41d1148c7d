"""Square."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["SQUARE"]

_DOCS = Source("https://developer.squareup.com/docs/webhooks/troubleshooting", "2026-11-25")

SQUARE = Preset(
    name="square",
    title="Square",
    not_secrets=(("(?:EAAA|sq0)", "an access token or an application id"),),
    scheme=HmacScheme(signature=SignatureHeader("x-square-hmacsha256-signature", "{base64}"), signed="{url}{body}"),
    event_id=InBody("event_id"),
    event_type=InBody("type"),
    facts=Facts(
        schedule=_DOCS.says("for up to 24 hours, then the event is dropped"),
        horizon=_DOCS.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        # An older copy of the documentation states this.
        timeout=_DOCS.silent(10.0),
        statuses=_DOCS.says("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://developer.squareup.com/docs/webhooks/step3validate",
    note=(
        "The URL is signed exactly as in the subscription, with query and trailing slash. Two subscriptions to one URL have"
        " two signature keys: give both."
    ),
)
