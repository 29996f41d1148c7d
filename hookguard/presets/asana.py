"""Asana."""

from hookguard.batch import Batch
from hookguard.challenge import NewSecret
from hookguard.place import InBody, InHeader, Joined
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["ASANA"]

_DOCS = Source("https://developers.asana.com/docs/webhooks-guide", "2026-11-25")

ASANA = Preset(
    name="asana",
    title="Asana",
    scheme=HmacScheme(signature=SignatureHeader("X-Hook-Signature", "{hex}")),
    # Empty lists come every eight hours to see who is there.
    batch=Batch("events"),
    # There is none. Each change carries its time in milliseconds.
    event_id=None,
    event_type=Joined(InBody("resource.resource_type"), InBody("action")),
    identity="content",
    challenge=NewSecret(InHeader("X-Hook-Secret"), as_header="X-Hook-Secret"),
    profile=Profile(
        schedule=_DOCS.says("for up to 24 hours, then it is given up"),
        horizon=_DOCS.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.silent("200 and 204 succeed; a webhook that fails for 24 hours is deleted"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.asana.com/docs/webhooks-guide",
    note=(
        "The secret comes once, in the header X-Hook-Secret of the first request, while the call that makes the webhook is"
        " still open. Whoever can reach the URL can send such a request: take it with accept_secret, and only then."
        " Events have no id and are known by what they say, their time included; none of it names the webhook, so give each"
        " webhook an endpoint of its own where several may tell of one task."
    ),
)
