"""Postmark."""

from hookguard.facts import HOUR, MIB, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.token import TokenScheme

__all__ = ["POSTMARK"]

_DOCS = Source("https://postmarkapp.com/developer/webhooks/webhooks-overview", "2026-11-25")
_INBOUND = Source("https://postmarkapp.com/support/article/understanding-inbound-webhook-retries-in-postmark", "2026-11-25")
_SIZES = Source("https://postmarkapp.com/support/article/1056-what-are-the-attachment-and-email-size-limits", "2026-11-30")

POSTMARK = Preset(
    name="postmark",
    title="Postmark",
    scheme=TokenScheme(form="basic"),
    # No id is common to all kinds. Bodies carry the message's id and the time.
    event_id=None,
    event_type=InBody("RecordType"),
    identity="content",
    facts=Facts(
        schedule=_INBOUND.says(
            "inbound mail: ten times within about 10.5 hours, with growing gaps; other kinds for a shorter time"
        ),
        horizon=_INBOUND.says(10.5 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        # 35 MB of attachments, each in base64, plus the text and the headers.
        largest_body=_SIZES.silent(50 * MIB),
        timeout=_DOCS.silent(120.0),
        statuses=_INBOUND.says("200 succeeds; 403 stops retries; anything else is retried"),
        networks=_DOCS.says("https://postmarkapp.com/support/article/800-ips-for-firewalls"),
    ),
    docs="https://postmarkapp.com/developer/webhooks/webhooks-overview",
    note=(
        "Postmark signs nothing. The secret is user:password, as in the webhook's URL (https://user:password@host/…), and is"
        " sent in plain text: restrict the networks too. Inbound mail has no type. Each request holds one event, so there is"
        " no batch."
    ),
)
