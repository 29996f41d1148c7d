"""Authorize.Net."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
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
    profile=Profile(
        # What the provider's community reports.
        schedule=_DOCS.silent("up to ten times: three at 3 minutes, three at 8 hours, four at 2 days"),
        horizon=_DOCS.silent(10 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("200 succeeds; a webhook whose retries all fail is made inactive"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs="https://developer.authorize.net/api/reference/features/webhooks.html",
    note=(
        "The signature key is used as text, although it looks like hex. After a new one is made, the old one may still sign for"
        " 24 hours: keep both. Amounts such as 10.00 do not survive JSON being written again."
    ),
)
