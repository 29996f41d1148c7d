"""The project's application and the lanes of its inbox, for a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.servers.basehttp import get_internal_wsgi_application
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils.module_loading import import_string

from hookguard.guard.bridge import ThreadRunner, call_inline
from hookguard.work import lanes
from hookguard.work.handed import Handed
from hookguard.work.lanes import OpenLane
from hookguard_django.conf import Once, endpoints

__all__ = [
    "application",
    "asgi_application",
    "handed",
    "handed_on_loop",
    "keep_connections",
    "open_lanes",
    "wsgi_application",
]


def application(*, asgi: bool = False) -> Callable[..., Any]:
    """Return the application that a server would run: ASGI if ASGI_APPLICATION is set or ``asgi`` says it, otherwise WSGI."""
    named: str | None = getattr(settings, "ASGI_APPLICATION", None)
    if named is not None:
        found: Callable[..., Any] = import_string(named)
        return found
    return get_asgi_application() if asgi else get_internal_wsgi_application()


def open_lanes(_: object, names: Sequence[str] = (), in_thread: ThreadRunner | None = None) -> list[OpenLane]:
    """Return the lanes of the endpoints with an inbox, or of those named; ConfigurationError if none has one."""
    return lanes.open_lanes(endpoints(), names, in_thread)


@contextmanager
def keep_connections() -> Iterator[None]:
    """Let requests leave the database connections open, as Django's test client does: a test's transaction lives on one."""
    was_connected = [signal for signal in (request_started, request_finished) if signal.disconnect(close_old_connections)]
    try:
        yield
    finally:
        for signal in was_connected:
            signal.connect(close_old_connections)


@Once
def wsgi_application() -> Callable[..., Any]:
    """Return the project's WSGI application, the same one each time."""
    return get_internal_wsgi_application()


@Once
def asgi_application() -> Callable[..., Any]:
    """Return the project's ASGI application, the same one each time."""
    return application(asgi=True)


@Once
def handed() -> Handed:
    """Return what runs handed-off entries in the calling thread."""
    return Handed(open_lanes(None, in_thread=call_inline))


@Once
def handed_on_loop() -> Handed:
    """Return what runs handed-off entries on an event loop."""
    return Handed(open_lanes(None))
