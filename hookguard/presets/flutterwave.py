"""Flutterwave: v4 signs the body, v3 sends a token."""

from hookguard.facts import DAY, MINUTE, Facts, Source
from hookguard.place import Content, FirstOf, InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader
from hookguard.schemes.token import TokenScheme

__all__ = ["FLUTTERWAVE", "FLUTTERWAVE_V3"]

_DOCS = Source("https://developer.flutterwave.com/docs/webhooks", "2026-11-25")
_V3 = Source("https://developer.flutterwave.com/v3.0.0/docs/webhooks", "2026-11-25")

_PROFILE = Facts(
    schedule=_DOCS.says("only if retries are turned on: three times, 30 minutes apart"),
    horizon=_DOCS.says(90 * MINUTE),
    resigned=_DOCS.silent(None),
    stable_body=_DOCS.silent(None),
    stable_id=_DOCS.silent(True),
    largest_body=_DOCS.silent(None),
    timeout=_DOCS.says(60.0),
    statuses=_DOCS.says("200 succeeds; anything else, 3xx included, is retried if retries are turned on"),
    networks=_DOCS.silent(None),
)

FLUTTERWAVE = Preset(
    name="flutterwave",
    title="Flutterwave (v4)",
    scheme=HmacScheme(signature=SignatureHeader("flutterwave-signature", "{base64}")),
    # Some bodies have no id, and no page says that the id is the event's: the content counts too.
    event_id=FirstOf(InBody("webhook_id"), InBody("id"), Content()),
    event_type=InBody("type"),
    identity="id+content",
    facts=_PROFILE,
    docs="https://developer.flutterwave.com/docs/webhooks",
    note="The secret is the secret hash of the webhook settings. Query the transaction by its id before you deliver goods.",
    doubt=(
        "an older official page has the secret hash itself in this header; public receivers agree that it is a base64 HMAC of"
        " the body"
    ),
)

FLUTTERWAVE_V3 = Preset(
    name="flutterwave-v3",
    title="Flutterwave (v3, secret hash)",
    scheme=TokenScheme(token=InHeader("verif-hash")),
    event_id=InBody("data.id"),
    event_type=InBody("event"),
    # data.id is the transaction's, and a transaction has several events. Its state is in the content.
    identity="id+content",
    # The page on v3 was not read; v4's rules are assumed.
    facts=Facts(
        schedule=_V3.silent("only if retries are turned on: three times, 30 minutes apart"),
        horizon=_V3.silent(DAY),
        resigned=_V3.silent(None),
        stable_body=_V3.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_V3.silent(None),
        timeout=_V3.silent(60.0),
        statuses=_V3.silent("200 succeeds; anything else is retried if retries are turned on"),
        networks=_V3.silent(None),
    ),
    docs=_V3.address,
    note="The secret hash is sent in plain text and signs nothing: query the transaction by its id before you deliver goods.",
)
