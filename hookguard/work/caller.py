"""Calls an application of either kind: WSGI in a thread, ASGI on the event loop, with its lifespan around the work."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from hookguard.work.asgi import call_asgi, lifespan
from hookguard.work.calling import Answer, Call, is_asgi
from hookguard.work.threads import Threads
from hookguard.work.wsgi import call_wsgi

__all__ = ["Caller"]


class Caller:
    """Calls one application. Raises ConfigurationError if it is not one."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._state: dict[str, Any] = {}
        self.is_asgi = is_asgi(app)
        self._threads = Threads(_thread, "hookguard-run")

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """Run the lifespan of an ASGI application around the work; ConfigurationError if the application does not start."""
        if not self.is_asgi:
            yield
            return
        async with lifespan(self._app) as self._state:
            yield

    async def call(self, call: Call) -> Answer:
        """Call the application; CancelledError only if the caller is cancelled."""
        if self.is_asgi:
            return await call_asgi(self._app, call, self._state)
        return await self._threads.run(lambda: call_wsgi(self._app, call))


def _thread(run: Callable[[], None], name: str) -> threading.Thread:
    # Not an OwnThread: the application's code runs here, as in a server's thread.
    return threading.Thread(target=run, name=name, daemon=True)
