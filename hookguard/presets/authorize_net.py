"""Authorize.Net."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["AUTHORIZE_NET"]

_DOCS = Source("https://developer.authorize.net/api/reference/features/webhooks.html", "2026-11-24")

AUTHORIZE_NET = Preset(
    name="authorize-net",
    title="Authorize.Net",
    # The signature key is 128 hexadecimal digits and is used as that text; the published vector fails with the bytes.
    scheme=HmacScheme(signature=SignatureHeader("X-ANET-Signature", "sha512={HEX}", ignore_case=True), digest="sha512"),
    event_id=InBody("notificationId"),
    event_type=InBody("eventType"),
    facts=Facts(
        # The provider's community reports this.
        schedule=_DOCS.silent("up to ten times: three at 3 minutes, three at 8 hours, four at 2 days"),
        horizon=_DOCS.silent(10 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("200 succeeds; a webhook is deactivated if all retries fail"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://developer.authorize.net/api/reference/features/webhooks.html",
    note=(
        "The signature key looks like hex but is used as text. The old key may still sign for 24 hours after you create a new"
        " one: keep both. Verify the raw bytes: writing the JSON again changes amounts such as 10.00."
    ),
)
