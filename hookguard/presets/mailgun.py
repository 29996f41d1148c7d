"""Mailgun."""

from hookguard.facts import HOUR, Facts, Source
from hookguard.place import FirstOf, InBody, InForm
from hookguard.preset import Preset
from hookguard.schemes.fields import FieldsScheme

__all__ = ["MAILGUN"]

_DOCS = Source("https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks", "2026-11-24")
_RETRIES = Source("https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-retries", "2026-11-25")

# In JSON for events, in form fields for mail that routes forward.
_TIMESTAMP = FirstOf(InBody("signature.timestamp"), InForm("timestamp"))
_TOKEN = FirstOf(InBody("signature.token"), InForm("token"))

MAILGUN = Preset(
    name="mailgun",
    title="Mailgun",
    not_secrets=(("pubkey-", "the public validation key"),),
    scheme=FieldsScheme(
        signature=FirstOf(InBody("signature.signature"), InForm("signature")),
        signed=(_TIMESTAMP, _TOKEN),
        timestamp=_TIMESTAMP,
    ),
    # The event's id (event-data.id) is not signed: anyone with one signature could use it with any id. The token is signed and
    # counts once, so a captured delivery is a duplicate.
    event_id=_TOKEN,
    event_type=InBody("event-data.event"),
    facts=Facts(
        schedule=_RETRIES.says("after 5, 10 and 15 minutes, 1, 2 and 4 hours; 8 hours in all"),
        horizon=_RETRIES.says(8 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_RETRIES.silent(None),
        statuses=_RETRIES.says("200 succeeds; 406 is final; anything else is retried"),
        networks=_DOCS.silent(None),
    ),
    proof=("vector", "sdk"),
    docs="https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
    note=(
        "The signature covers only a time and a token, not the event: treat the content as a hint, and ask Mailgun's API if"
        " it matters. The secret is the HTTP webhook signing key. Mail with attachments is multipart, which is not supported."
    ),
)
