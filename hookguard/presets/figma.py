"""Figma."""

from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.schemes.token import TokenScheme

__all__ = ["FIGMA"]

_DOCS = Source("https://developers.figma.com/docs/rest-api/webhooks-security/", "2026-11-24")

FIGMA = Preset(
    name="figma",
    title="Figma",
    scheme=TokenScheme(token=InBody("passcode")),
    # There is none. Bodies carry the webhook's id and the time.
    event_id=None,
    event_type=InBody("event_type"),
    identity="content",
    profile=Profile(
        schedule=_DOCS.silent("three times: after 5 minutes, 30 minutes and 3 hours"),
        horizon=_DOCS.silent(4 * HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("200 succeeds; 400 stops the webhook at once"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developers.figma.com/docs/rest-api/webhooks-security/",
    note="The passcode is sent in clear, in the body, and signs nothing. A webhook begins with an event PING.",
)
