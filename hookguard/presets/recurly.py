"""Recurly's JSON webhooks (the XML ones are not signed)."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody, Joined
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["RECURLY"]

_DOCS = Source("https://docs.recurly.com/recurly-subscriptions/docs/automatic-retries", "2026-11-25")

RECURLY = Preset(
    name="recurly",
    title="Recurly",
    # Sixty-four digits that look like hex, used as text.
    scheme=HmacScheme(
        signature=SignatureHeader("recurly-signature", "{timestamp},{hex}"),
        signed="{timestamp}.{body}",
        timestamp_unit="ms",
    ),
    # Events have no id: the body's id is its object's. A body holds event_time in seconds and the kind of change.
    event_id=None,
    event_type=Joined(InBody("object_type"), InBody("event_type")),
    identity="content",
    facts=Facts(
        schedule=_DOCS.says("ten times, with gaps that grow from ten seconds to about 41 hours"),
        # The sum of the page's formula, 10 + x * 2^(x+5) seconds before attempt x, for x from 0 to 9.
        horizon=_DOCS.says(73 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.says("2xx succeeds; anything else is retried"),
        networks=_DOCS.says("https://docs.recurly.com/recurly-subscriptions/docs/ip-allowlist"),
    ),
    proof=("vector",),
    docs="https://docs.recurly.com/recurly-subscriptions/docs/signature-verification",
    note="The secret looks like hex but is used as text. Only JSON webhooks are signed; XML ones are rejected here.",
)
