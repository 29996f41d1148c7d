"""Flutterwave: v4 signs the body, v3 sends a token."""

from hookguard.place import FirstOf, InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, MINUTE, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader
from hookguard.schemes.token import TokenScheme

__all__ = ["FLUTTERWAVE", "FLUTTERWAVE_V3"]

_DOCS = Source("https://developer.flutterwave.com/docs/webhooks", "2026-11-25")
_V3 = Source("https://developer.flutterwave.com/v3.0.0/docs/webhooks", "2026-11-25")

_PROFILE = Profile(
    schedule=_DOCS.says("only where retries are switched on: three times, 30 minutes apart"),
    horizon=_DOCS.says(90 * MINUTE),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    timeout=_DOCS.says(60.0),
    statuses=_DOCS.says("200 succeeds; anything else, 3xx included, is tried again where retries are switched on"),
    networks=_DOCS.silent(None),
)

FLUTTERWAVE = Preset(
    name="flutterwave",
    title="Flutterwave (v4)",
    scheme=HmacScheme(signature=SignatureHeader("flutterwave-signature", "{base64}")),
    event_id=FirstOf(InBody("webhook_id"), InBody("id")),
    event_type=InBody("type"),
    # Not every body seen has an id of its own.
    identity="content",
    profile=_PROFILE,
    docs="https://developer.flutterwave.com/docs/webhooks",
    note="The secret is the secret hash of the webhook settings. Ask for the transaction by its id before you give value.",
    doubt=(
        "an older text of the official page has the secret hash itself in this header; that it is a base64 HMAC of the body is"
        " what public receivers agree on"
    ),
)

FLUTTERWAVE_V3 = Preset(
    name="flutterwave-v3",
    title="Flutterwave (v3, secret hash)",
    scheme=TokenScheme(token=InHeader("verif-hash")),
    event_id=InBody("data.id"),
    event_type=InBody("event"),
    # data.id is the transaction's, and nothing is signed.
    identity="content",
    # Its own page was not read; the newer one's habits are assumed.
    profile=Profile(
        schedule=_V3.silent("only where retries are switched on: three times, 30 minutes apart"),
        horizon=_V3.silent(DAY),
        resigned=_V3.silent(None),
        stable_body=_V3.silent(None),
        timeout=_V3.silent(60.0),
        statuses=_V3.silent("200 succeeds; anything else is tried again where retries are switched on"),
        networks=_V3.silent(None),
    ),
    docs=_V3.address,
    note="The secret hash is sent in clear and signs nothing: ask for the transaction by its id before you give value.",
)
