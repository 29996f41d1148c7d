"""MailerSend."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["MAILERSEND"]

_DOCS = Source("https://developers.mailersend.com/api/v1/webhooks.html", "2026-11-25")

MAILERSEND = Preset(
    name="mailersend",
    title="MailerSend",
    scheme=HmacScheme(signature=SignatureHeader("Signature", "{hex}")),
    # data.id is the activity's. Bodies carry it and the time.
    event_id=InBody("data.id"),
    event_type=InBody("type"),
    identity="content",
    profile=Profile(
        schedule=_DOCS.silent("twice, after 10 and 100 seconds"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(3.0),
        statuses=_DOCS.silent("2xx succeeds; a webhook that keeps failing is disabled"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.mailersend.com/api/v1/webhooks.html#security",
    doubt="the page on signatures could not be read and the official package has no verifier; the scheme is as receivers have it",
)
