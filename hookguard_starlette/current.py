"""The event being handled, for handlers and what they call."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol, cast

from hookguard import Event
from hookguard.event import EventProxy

__all__ = ["HANDLED", "Handled", "current_webhook", "get_current_webhook"]


class Handled(Protocol):
    """An object that knows the event of a request, if there is one."""

    @property
    def event(self) -> Event | None:
        """The event; None before a dependency has verified it."""


#: The request and not its event: a dependency fills that in later, and what a task inherits is the reference.
HANDLED: ContextVar[Handled] = ContextVar("hookguard_handled")


def get_current_webhook() -> Event:
    """Return the event itself, to pass it on; RuntimeError where no guard stands before the handler."""
    handled = HANDLED.get(None)
    event = handled.event if handled is not None else None
    if event is None:
        raise RuntimeError(
            "no webhook is being handled here: guard this route, for example with Route(…, middleware=[hooks.middleware(name)])"
        )
    return event


#: The event being handled. A proxy: inside a guarded handler it behaves as the Event.
current_webhook: Event = cast("Event", EventProxy(get_current_webhook))
