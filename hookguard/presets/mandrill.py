"""Mailchimp Transactional, also called Mandrill."""

from hookguard.batch import Batch
from hookguard.challenge import Fixed
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.reply import Reply
from hookguard.schemes.form import FormScheme

__all__ = ["MANDRILL"]

_SIGNING = Source(
    "https://mandrill.zendesk.com/hc/en-us/articles/360039232513-How-to-Authenticate-Webhook-Requests", "2026-11-25"
)
_DOCS = Source("https://mailchimp.com/developer/transactional/docs/webhooks", "2026-11-25")
_BATCHES = Source(
    "https://mandrill.zendesk.com/hc/en-us/articles/205583277-Can-I-stop-a-failed-webhook-batch-from-retrying-", "2026-11-25"
)

MANDRILL = Preset(
    name="mandrill",
    title="Mailchimp Transactional (Mandrill)",
    scheme=FormScheme("X-Mandrill-Signature", digest="sha1", json_field="mandrill_events"),
    # An event's _id is its message's: one message is sent, opened and clicked. Events carry the time.
    batch=Batch(),
    event_id=None,
    event_type=InBody("event"),
    identity="content",
    json_field="mandrill_events",
    # Whether the URL is there is asked before a webhook is made.
    challenge=Fixed(Reply(200), method="HEAD", comes_unsigned=True),
    profile=Profile(
        schedule=_BATCHES.says("a failed batch is tried again by itself, without saying when, unless you give it up by hand"),
        horizon=_DOCS.silent(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("200 succeeds; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs=_SIGNING.address,
    note=(
        "The URL is signed just as it was entered. Each webhook has a key of its own; the test before one is made is signed with"
        " the key test-webhook, and refused."
    ),
)
