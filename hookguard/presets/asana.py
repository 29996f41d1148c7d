"""Asana."""

from hookguard.batch import Batch
from hookguard.challenge import NewSecret
from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader, Joined, MatchedSecret
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["ASANA"]

_DOCS = Source("https://developers.asana.com/docs/webhooks-guide", "2026-11-25")

ASANA = Preset(
    name="asana",
    title="Asana",
    not_secrets=(("[0-9]/[0-9]{10,}", "an access token"),),
    scheme=HmacScheme(signature=SignatureHeader("X-Hook-Signature", "{hex}")),
    # An empty list comes every eight hours, to check that the receiver answers.
    batch=Batch("events", largest=_DOCS.silent(None)),
    # Events have no id. Each change carries its time in milliseconds.
    event_id=None,
    # Two webhooks may report one task in equal bodies. Each webhook has its own secret.
    id_scope=(MatchedSecret(),),
    event_type=Joined(InBody("resource.resource_type"), InBody("action")),
    identity="content",
    challenge=NewSecret(InHeader("X-Hook-Secret"), as_header="X-Hook-Secret"),
    facts=Facts(
        schedule=_DOCS.says("for up to 24 hours, then the event is dropped"),
        horizon=_DOCS.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(10.0),
        statuses=_DOCS.silent("200 and 204 succeed; a webhook that fails for 24 hours is deleted"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.asana.com/docs/webhooks-guide",
    note=(
        "Asana sends the secret once, in the header X-Hook-Secret of the first request, while the call that creates the"
        " webhook is still open. Anyone who can reach the URL can send such a request: accept it with accept_secret, and only"
        " during that call. Events have no id. Their content (with its time) and the webhook's secret identify them."
    ),
)
