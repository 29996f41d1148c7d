"""Telegram's Bot API."""

from hookguard.facts import DAY, Facts, Source
from hookguard.place import InBody, InHeader, MatchedSecret, Place, Readable
from hookguard.preset import Preset
from hookguard.schemes.token import TokenScheme

__all__ = ["TELEGRAM", "UpdateKind"]

_DOCS = Source("https://core.telegram.org/bots/api#setwebhook", "2026-11-25")
_GUIDE = Source("https://core.telegram.org/bots/webhooks", "2026-11-24")
_SERVER = Source("https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/WebhookActor.cpp", "2026-11-25")


class UpdateKind(Place):
    """The kind of an update, the field beside its number: ``message``, ``callback_query`` and others."""

    __slots__ = ()

    parts = frozenset({"body"})

    def find(self, event: Readable) -> str | None:
        """Return the name of the only other field, or None without one."""
        document = event.document()
        if not isinstance(document, dict):
            return None
        return next((name for name in document if name != "update_id"), None)

    def __repr__(self) -> str:
        return "UpdateKind()"


TELEGRAM = Preset(
    name="telegram",
    title="Telegram",
    secret_shape="[A-Za-z0-9_-]{1,256}",
    not_secrets=((r"[0-9]{6,12}:[A-Za-z0-9_-]{30,}\Z", "a bot token"),),
    scheme=TokenScheme(token=InHeader("X-Telegram-Bot-Api-Secret-Token")),
    # Each bot counts its own updates, and an update does not name its bot.
    event_id=InBody("update_id"),
    id_scope=(MatchedSecret(),),
    event_type=UpdateKind(),
    # Nothing is signed, so anyone with the token can send anything. The number is the update's own.
    identity="id",
    facts=Facts(
        schedule=_SERVER.says(
            "immediately, after 2 seconds, then each wait is twice as long, up to a minute or two,"
            " or as Retry-After says (an hour at most), until the update is 24 hours old"
        ),
        horizon=_DOCS.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(True),
        largest_body=_DOCS.silent(None),
        timeout=_SERVER.says(60.0),
        statuses=_SERVER.says("2xx succeeds; anything else is retried; 410 for 23 hours ends the webhook"),
        networks=_GUIDE.silent("https://core.telegram.org/bots/webhooks"),
    ),
    docs="https://core.telegram.org/bots/api#setwebhook",
    note="The secret is the secret_token that you give to setWebhook. It is sent in plain text and signs nothing.",
)
