"""Pusher Channels."""

from hookguard.batch import Batch
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import MINUTE, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["PUSHER"]

_DOCS = Source("https://pusher.com/docs/channels/server_api/webhooks/", "2026-11-24")
_RETRIES = Source("https://docs.bird.com/pusher/channels/channels/webhooks/channels-webhook-timeouts-and-retries", "2026-11-25")

PUSHER = Preset(
    name="pusher",
    title="Pusher Channels",
    scheme=HmacScheme(signature=SignatureHeader("X-Pusher-Signature", "{hex}"), timestamp=InBody("time_ms"), timestamp_unit="ms"),
    # An event says what happened and where, and never when: it is known by that and the time of the delivery, in milliseconds.
    batch=Batch("events", in_place=True),
    event_id=None,
    event_type=InBody("events.0.name"),
    identity="content",
    # Twice what the official package has, which would refuse the last retries.
    tolerance=600.0,
    profile=Profile(
        schedule=_RETRIES.says("for five minutes, with exponential backoff"),
        horizon=_RETRIES.says(5 * MINUTE),
        resigned=_RETRIES.silent(None),
        stable_body=_RETRIES.silent(None),
        timeout=_RETRIES.says(4.0),
        statuses=_RETRIES.says("2xx succeeds; anything else is tried again"),
        networks=_RETRIES.silent(None),
    ),
    proof=("sdk",),
    docs="https://pusher.com/docs/channels/server_api/webhooks/#authentication",
    note=(
        "The secret is that of the app key which the header X-Pusher-Key names: give one for each key in use."
        " event.json() has time_ms and a list of events with this one alone. Events have no id and are known by what they say"
        " and time_ms: a retry with the same time_ms runs what is not done."
    ),
)
