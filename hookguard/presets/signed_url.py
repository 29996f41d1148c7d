"""Callback URLs that hookguard signs, for senders that sign nothing."""

from hookguard.preset import Preset
from hookguard.profile import DAY
from hookguard.schemes.callback import CallbackScheme

__all__ = ["SIGNED_URL"]

SIGNED_URL = Preset(
    name="signed-url",
    title="Signed callback URL",
    scheme=CallbackScheme(),
    # Senders of this kind have no common id; give a preset of your own where yours has one.
    event_id=None,
    identity="content",
    tolerance=30 * DAY,
    docs="https://itsdangerous.palletsprojects.com/",
    note="Authenticates the URL, not the body: whoever learns the URL can send anything to it.",
)
