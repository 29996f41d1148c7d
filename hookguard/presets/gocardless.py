"""GoCardless."""

from hookguard.batch import Batch
from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, Joined
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["GOCARDLESS"]

_DOCS = Source("https://developer.gocardless.com/getting-started/staying-up-to-date-with-webhooks/", "2026-11-24")

GOCARDLESS = Preset(
    name="gocardless",
    title="GoCardless",
    scheme=HmacScheme(signature=SignatureHeader("Webhook-Signature", "{hex}")),
    event_id=InBody("id"),
    event_type=Joined(InBody("resource_type"), InBody("action")),
    batch=Batch("events", largest=_DOCS.silent(250)),
    facts=Facts(
        # Receivers report this.
        schedule=_DOCS.silent("up to eight times, with growing gaps"),
        horizon=_DOCS.silent(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(10.0),
        statuses=_DOCS.silent("2xx succeeds; the provider suggests 498 for a bad signature"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://developer.gocardless.com/api-reference/#webhooks-overview",
    note="One delivery carries up to 250 events. The secret looks like a UUID but is used as text.",
)
