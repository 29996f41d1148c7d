"""Callback URLs that hookguard signs, for senders that sign nothing."""

from hookguard.facts import DAY
from hookguard.preset import Preset
from hookguard.schemes.callback import CallbackScheme

__all__ = ["SIGNED_URL"]

SIGNED_URL = Preset(
    name="signed-url",
    title="Signed callback URL",
    scheme=CallbackScheme(),
    # Such senders have no common id. If yours has one, write your own preset.
    event_id=None,
    identity="content",
    tolerance=30 * DAY,
    docs="https://itsdangerous.palletsprojects.com/",
    note="The token authenticates the URL, not the body: anyone who learns the URL can send anything to it.",
)
