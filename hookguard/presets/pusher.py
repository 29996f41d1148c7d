"""Pusher Channels."""

from hookguard.batch import Batch
from hookguard.facts import MINUTE, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["PUSHER"]

_DOCS = Source("https://pusher.com/docs/channels/server_api/webhooks/", "2026-11-24")
_RETRIES = Source("https://docs.bird.com/pusher/channels/channels/webhooks/channels-webhook-timeouts-and-retries", "2026-11-25")
_BATCHES = Source(
    "https://docs.bird.com/pusher/channels/channels/webhooks/what-is-the-batch-size-and-batch-window-for-channels-webhooks",
    "2026-11-30",
)

PUSHER = Preset(
    name="pusher",
    title="Pusher Channels",
    scheme=HmacScheme(signature=SignatureHeader("X-Pusher-Signature", "{hex}"), timestamp=InBody("time_ms"), timestamp_unit="ms"),
    # An event does not say when it happened. Its content and the delivery's time in milliseconds identify it.
    batch=Batch("events", in_place=True, largest=_BATCHES.says(20)),
    event_id=None,
    event_type=InBody("events.0.name"),
    identity="content",
    facts=Facts(
        schedule=_RETRIES.says("for five minutes, with exponential backoff"),
        horizon=_RETRIES.says(5 * MINUTE),
        resigned=_RETRIES.silent(None),
        stable_body=_RETRIES.silent(None),
        stable_id=_RETRIES.silent(None),
        largest_body=_RETRIES.silent(None),
        timeout=_RETRIES.says(4.0),
        statuses=_RETRIES.says("2xx succeeds; anything else is retried"),
        networks=_RETRIES.silent(None),
    ),
    proof=("sdk",),
    docs="https://pusher.com/docs/channels/server_api/webhooks/#authentication",
    note=(
        "The header X-Pusher-Key names an app key, and that key's secret signs: give one secret for each key in use."
        " event.json() has time_ms and a list of events with this one alone. Events have no id. Their content and time_ms"
        " identify them: a retry with the same time_ms runs only the unfinished events."
    ),
)
