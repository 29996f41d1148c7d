"""The inbox: verified events are stored, answered 2xx, and handled later by a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookguard.errors import ConfigurationError

if TYPE_CHECKING:
    from hookguard.inbox.settings import InboxSettings

__all__ = ["inbox_settings"]


def inbox_settings(given: object, endpoint: str, *, store_reply: bool, on_outage: str) -> InboxSettings | None:
    """Read an endpoint's setting ``inbox``; None for an endpoint without one, which loads nothing of this package."""
    if given is None or given is False:
        return None
    from hookguard.inbox.settings import InboxSettings  # noqa: PLC0415 - most applications have none

    try:
        return InboxSettings.beside(given, store_reply=store_reply, on_outage=on_outage)
    except ConfigurationError as error:
        raise ConfigurationError(f"endpoint {endpoint!r}: {error}") from None
