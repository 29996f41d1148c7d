"""The event being handled, for code that has no request at hand."""

from __future__ import annotations

from contextvars import ContextVar
from typing import cast

from django.http import HttpRequest

from hookguard import Event
from hookguard.event import EventProxy

__all__ = ["WebhookRequest", "current_webhook", "get_current_webhook", "handling"]

_current: ContextVar[Event] = ContextVar("hookguard_event")


class WebhookRequest(HttpRequest):
    """A request whose ``webhook`` is the verified event; for annotations."""

    webhook: Event


def get_current_webhook() -> Event:
    """Return the event itself, to pass it on; RuntimeError outside of a guarded view."""
    event = _current.get(None)
    if event is None:
        raise RuntimeError("no webhook is being handled here: decorate the view with @webhook(name), or name its path in PATHS")
    return event


class handling:  # noqa: N801 - used as a function
    """Make an event the request's own, and the current one inside of the block."""

    # A class, because the generator of @contextmanager takes twice the time.
    __slots__ = ("_event", "_token")

    def __init__(self, request: HttpRequest, event: Event) -> None:
        cast("WebhookRequest", request).webhook = self._event = event

    def __enter__(self) -> None:
        self._token = _current.set(self._event)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


#: The event being handled. A proxy: inside a guarded view it behaves as the Event.
current_webhook: Event = cast("Event", EventProxy(get_current_webhook))
