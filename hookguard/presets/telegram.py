"""Telegram's Bot API."""

from hookguard.place import InBody, InHeader, Readable
from hookguard.preset import Preset
from hookguard.profile import DAY, Profile, Source
from hookguard.schemes.token import TokenScheme

__all__ = ["TELEGRAM", "UpdateKind"]

_DOCS = Source("https://core.telegram.org/bots/api#setwebhook", "2026-11-25")
_GUIDE = Source("https://core.telegram.org/bots/webhooks", "2026-11-24")
_SERVER = Source("https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/WebhookActor.cpp", "2026-11-25")


class UpdateKind:
    """What an update holds besides its number: ``message``, ``callback_query`` and others."""

    __slots__ = ()

    parts = frozenset({"body"})

    def find(self, event: Readable) -> str | None:
        """Return the name of the only other field; None where there is none."""
        document = event.document()
        if not isinstance(document, dict):
            return None
        return next((name for name in document if name != "update_id"), None)

    def __repr__(self) -> str:
        return "UpdateKind()"


TELEGRAM = Preset(
    name="telegram",
    title="Telegram",
    scheme=TokenScheme(token=InHeader("X-Telegram-Bot-Api-Secret-Token")),
    event_id=InBody("update_id"),
    event_type=UpdateKind(),
    # Nothing is signed, so whoever has the token can send anything; the number is the update's own.
    identity="id",
    profile=Profile(
        schedule=_SERVER.says(
            "at once, after 2 seconds, then twice as long each time up to a minute or two,"
            " or as Retry-After says (an hour at most), until the update is 24 hours old"
        ),
        horizon=_DOCS.says(DAY),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_SERVER.says(60.0),
        statuses=_SERVER.says("2xx succeeds; anything else is tried again; 410 for 23 hours ends the webhook"),
        networks=_GUIDE.silent("https://core.telegram.org/bots/webhooks"),
    ),
    docs="https://core.telegram.org/bots/api#setwebhook",
    note="The secret is the secret_token given to setWebhook. It is sent in clear and signs nothing.",
)
