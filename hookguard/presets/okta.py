"""Okta's event hooks."""

from hookguard.batch import Batch
from hookguard.challenge import Echo
from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody, InHeader
from hookguard.preset import Preset
from hookguard.schemes.token import TokenScheme

__all__ = ["OKTA"]

_DOCS = Source("https://developer.okta.com/docs/concepts/event-hooks/", "2026-11-25")

OKTA = Preset(
    name="okta",
    title="Okta event hooks",
    scheme=TokenScheme(token=InHeader("Authorization")),
    batch=Batch("data.events", largest=_DOCS.silent(None)),
    event_id=InBody("uuid"),
    event_type=InBody("eventType"),
    # Nothing is signed, so anyone with the token can send anything. The id is the event's own.
    identity="id",
    challenge=Echo(InHeader("X-Okta-Verification-Challenge"), method="GET", comes_unsigned=True, as_field="verification"),
    facts=Facts(
        schedule=_DOCS.says("once"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.says(3.0),
        statuses=_DOCS.says("200 and 204 succeed; 4xx is not retried"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developer.okta.com/docs/concepts/event-hooks/",
    note="The secret is the value of the authentication field. Okta sends it unchanged in the Authorization header.",
)
