"""The event being handled, for views."""

from __future__ import annotations

from typing import cast

from flask import Request, has_request_context, request

from hookguard import Event
from hookguard.event import EventProxy

__all__ = ["current_webhook", "get_current_webhook", "set_current_webhook"]

# In the environ, not in g: g outlives the request where an app context was pushed around it, as tests like to do.
_KEY = "hookguard.event"


def get_current_webhook() -> Event:
    """Return the event itself, for passing on; RuntimeError where no guard stands before the view."""
    event = request.environ.get(_KEY) if has_request_context() else None
    if event is None:
        raise RuntimeError("no webhook is being handled here: put @hooks.guard(name) under the route, or hooks.protect() it")
    return cast("Event", event)


def set_current_webhook(came: Request, event: Event) -> None:
    """Make an event the request's own."""
    came.environ[_KEY] = event


#: The event being handled. A proxy: inside a guarded view it behaves as the Event.
current_webhook: Event = cast("Event", EventProxy(get_current_webhook))
