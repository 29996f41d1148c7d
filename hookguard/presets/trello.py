"""Trello."""

from hookguard.challenge import Fixed
from hookguard.facts import HOUR, Facts, Source
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.reply import Reply
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

__all__ = ["TRELLO"]

_DOCS = Source("https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/", "2026-11-24")

TRELLO = Preset(
    name="trello",
    title="Trello",
    # Non-ASCII letters are signed as the UTF-8 that is sent. A change in Trello's own documentation says that this was not so
    # until 2016 (pull request 26 of github.com/trello-archive/api-docs).
    scheme=HmacScheme(signature=SignatureHeader("X-Trello-Webhook", "{base64}"), digest="sha1", signed="{body}{url}"),
    # An action reaches the webhook of its card, of its list and of its board.
    event_id=InBody("action.id"),
    id_scope=(InBody("model.id"),),
    event_type=InBody("action.type"),
    # Trello checks the URL before it creates a webhook.
    challenge=Fixed(Reply(200), method="HEAD", comes_unsigned=True),
    facts=Facts(
        schedule=_DOCS.silent("three times, after 30, 60 and 120 seconds"),
        horizon=_DOCS.silent(HOUR),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_DOCS.silent(None),
        statuses=_DOCS.silent("2xx succeeds; 410 deletes the webhook; failing for 30 days disables it"),
        networks=_DOCS.silent(None),
    ),
    docs="https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/",
    note=(
        "The secret is the application's secret. The URL is signed exactly as the callbackURL of the call that created the"
        " webhook."
    ),
)
