"""Mailgun."""

from hookguard.place import FirstOf, InBody, InForm
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.fields import FieldsScheme

__all__ = ["MAILGUN"]

_DOCS = Source("https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks", "2026-11-24")
_RETRIES = Source("https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-retries", "2026-11-25")

# In JSON for events, in form fields for the mail that routes hand over.
_TIMESTAMP = FirstOf(InBody("signature.timestamp"), InForm("timestamp"))
_TOKEN = FirstOf(InBody("signature.token"), InForm("token"))

MAILGUN = Preset(
    name="mailgun",
    title="Mailgun",
    scheme=FieldsScheme(
        signature=FirstOf(InBody("signature.signature"), InForm("signature")),
        signed=(_TIMESTAMP, _TOKEN),
        timestamp=_TIMESTAMP,
    ),
    # The event's own id (event-data.id) is not signed: whoever has one signature could put it under any. The token is, and
    # works once, so that one which was captured is a duplicate.
    event_id=_TOKEN,
    event_type=InBody("event-data.event"),
    # Nobody says that a retry is signed anew, and they go on for eight hours.
    tolerance=12 * HOUR,
    profile=Profile(
        schedule=_RETRIES.says("after 5, 10 and 15 minutes, 1, 2 and 4 hours; for 8 hours in all"),
        horizon=_RETRIES.says(8 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_RETRIES.silent(None),
        statuses=_RETRIES.says("200 succeeds; 406 is final; anything else is tried again"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
    note=(
        "The signature covers a time and a token, and nothing of the event: treat what it says as a hint and ask Mailgun's API"
        " where it matters. The secret is the HTTP webhook signing key. Mail with attachments is multipart, which is not read."
    ),
)
