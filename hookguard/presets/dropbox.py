"""Dropbox."""

from hookguard.challenge import Echo
from hookguard.facts import HOUR, Facts, Source
from hookguard.place import EachDelivery, InQuery
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["DROPBOX"]

_DOCS = Source("https://www.dropbox.com/developers/reference/webhooks", "2026-11-25")

DROPBOX = Preset(
    name="dropbox",
    title="Dropbox",
    not_secrets=((r"sl\.", "an access token"),),
    scheme=HmacScheme(signature=SignatureHeader("X-Dropbox-Signature", "{hex}")),
    # A body says only whose files changed, not when or what. A later change has an equal body, so each delivery is handled,
    # retries too.
    event_id=EachDelivery(),
    identity="id",
    challenge=Echo(InQuery("challenge"), method="GET", comes_unsigned=True),
    facts=Facts(
        schedule=_DOCS.silent("with growing gaps"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.silent("200 succeeds; an app that fails for days is disabled"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs=_DOCS.address,
    note=(
        "Two changes of one account have equal bodies, so no delivery is treated as a duplicate. Fetch the changes from your"
        " last cursor (list_folder/continue). A replayed delivery only makes you fetch once more."
    ),
)
