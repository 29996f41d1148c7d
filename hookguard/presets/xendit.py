"""Xendit."""

from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
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
    # Nothing is signed: who can send at all can choose the id. The provider says that it is the one to tell events by.
    identity="id",
    profile=Profile(
        schedule=_DOCS.says("up to six times, with exponential backoff"),
        horizon=_DOCS.silent(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(30.0),
        statuses=_RETRIES.says("2xx succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    docs="https://docs.xendit.co/docs/handling-webhooks",
    note=(
        "The token is the account's, is sent in clear and signs nothing: ask for the payment before you give value. Older"
        " products name the event by the URL and leave the type empty."
    ),
)
