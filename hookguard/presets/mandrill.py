"""Mailchimp Transactional, also called Mandrill."""

from hookguard.batch import Batch
from hookguard.challenge import Fixed
from hookguard.facts import DAY, MIB, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
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
    stand_ins=(("secret", "test-webhook"),),
    scheme=FormScheme("X-Mandrill-Signature", digest="sha1", json_field="mandrill_events"),
    # An event's _id is its message's id: one message is sent, opened and clicked. Events carry the time.
    batch=Batch(largest=_BATCHES.silent(1_000)),
    event_id=None,
    event_type=InBody("event"),
    identity="content",
    json_field="mandrill_events",
    # Mandrill checks that the URL exists before it creates a webhook.
    challenge=Fixed(Reply(200), method="HEAD", comes_unsigned=True),
    facts=Facts(
        schedule=_BATCHES.says("a failed batch is retried automatically, unless you cancel it by hand; no page says when"),
        horizon=_DOCS.silent(3 * DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        # Inbound mail comes with its attachments, in base64 and in a form.
        largest_body=_DOCS.silent(40 * MIB),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("200 succeeds; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector",),
    docs=_SIGNING.address,
    note=(
        "The URL is signed exactly as you entered it. Each webhook has its own key. The test before a webhook is created is"
        " signed with the key test-webhook, and is rejected."
    ),
)
