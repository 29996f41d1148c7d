"""Okta's event hooks."""

from hookguard.batch import Batch
from hookguard.challenge import Echo
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.token import TokenScheme

__all__ = ["OKTA"]

_DOCS = Source("https://developer.okta.com/docs/concepts/event-hooks/", "2026-11-25")

OKTA = Preset(
    name="okta",
    title="Okta event hooks",
    scheme=TokenScheme(token=InHeader("Authorization")),
    batch=Batch("data.events"),
    event_id=InBody("uuid"),
    event_type=InBody("eventType"),
    # Nothing is signed, so whoever has the token can send anything; the id is the event's own.
    identity="id",
    challenge=Echo(InHeader("X-Okta-Verification-Challenge"), method="GET", comes_unsigned=True, as_field="verification"),
    profile=Profile(
        schedule=_DOCS.says("once"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.says(3.0),
        statuses=_DOCS.says("200 and 204 succeed; 4xx is not tried again"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developer.okta.com/docs/concepts/event-hooks/",
    note="The secret is the value of the authentication field, which is sent in the Authorization header as it stands.",
)
