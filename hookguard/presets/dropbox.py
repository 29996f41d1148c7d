"""Dropbox."""

from hookguard.challenge import Echo
from hookguard.place import EachDelivery, InQuery
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["DROPBOX"]

_DOCS = Source("https://www.dropbox.com/developers/reference/webhooks", "2026-11-25")

DROPBOX = Preset(
    name="dropbox",
    title="Dropbox",
    scheme=HmacScheme(signature=SignatureHeader("X-Dropbox-Signature", "{hex}")),
    # A body says whose files changed and nothing else, neither when nor what: a later change is the very same body. So each
    # delivery is handled, retries too.
    event_id=EachDelivery(),
    identity="id",
    challenge=Echo(InQuery("challenge"), method="GET", comes_unsigned=True),
    profile=Profile(
        schedule=_DOCS.silent("with growing gaps"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.silent("200 succeeds; an app that fails for days is disabled"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs=_DOCS.address,
    note=(
        "No two changes of one account can be told apart, so nothing is ever a duplicate: fetch what changed from where you"
        " stopped (list_folder/continue). A captured delivery that is sent again makes you look again, and no more."
    ),
)
