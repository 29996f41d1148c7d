"""Trello."""

from hookguard.challenge import Fixed
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.profile import HOUR, Profile, Source
from hookguard.reply import Reply
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["TRELLO"]

_DOCS = Source("https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/", "2026-11-24")

TRELLO = Preset(
    name="trello",
    title="Trello",
    # Letters beyond ASCII are signed as the UTF-8 they are sent in. Until 2016 they were not, says a change of Trello's own
    # documentation (pull request 26 of github.com/trello-archive/api-docs).
    scheme=HmacScheme(signature=SignatureHeader("X-Trello-Webhook", "{base64}"), digest="sha1", signed="{body}{url}"),
    event_id=InBody("action.id"),
    event_type=InBody("action.type"),
    # Asked before a webhook is made.
    challenge=Fixed(Reply(200), method="HEAD", comes_unsigned=True),
    profile=Profile(
        schedule=_DOCS.silent("three times, after 30, 60 and 120 seconds"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; 410 deletes the webhook; failing for 30 days disables it"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/",
    note=(
        "The secret is the application's secret, and the URL is the callbackURL just as it was given when the webhook was made."
    ),
)
