"""Xendit."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.token import TokenScheme

__all__ = ["XENDIT"]

_DOCS = Source("https://docs.xendit.co/docs/handling-webhooks", "2026-11-25")
_RETRIES = Source("https://docs.xendit.co/webhook/delivery-attempts-and-retries/", "2026-11-25")

XENDIT = Preset(
    name="xendit",
    title="Xendit",
    scheme=TokenScheme(token=InHeader("x-callback-token")),
    event_id=InHeader("webhook-id"),
    event_type=InBody("event"),
    # Nothing is signed, so a sender can choose the id. The provider says that the id identifies events.
    identity="id",
    facts=Facts(
        schedule=_DOCS.says("up to six times, with exponential backoff"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(30.0),
        statuses=_RETRIES.says("2xx succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    docs="https://docs.xendit.co/docs/handling-webhooks",
    note=(
        "The token is the account's. It is sent in plain text and signs nothing: query the payment before you deliver goods."
        " Older products name the event by the URL and leave the type empty."
    ),
)
