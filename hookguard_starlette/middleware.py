"""The guard as pure ASGI middleware. Knows no framework: the ASGI specification is all it speaks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from hookguard import AsyncGuard, ConfigurationError, Reply
from hookguard.errors import MalformedDelivery
from hookguard_starlette.delivery import App, Receive, Scope, Send, send_reply
from hookguard_starlette.exchange import EXCHANGE, Exchange, serve
from hookguard_starlette.lifespan import fail_startup, pass_lifespan
from hookguard_starlette.paths import GuardedPaths

__all__ = ["Misconfigured", "WebhookMiddleware", "wrapped_apps"]

_log = logging.getLogger("hookguard.starlette")

#: The key in the scope of a lifespan that shows that the doctor has reported.
_REPORTED = "hookguard.reported"


class WebhookMiddleware:
    """Guards an application, or the paths of it that are named.

    With ``guard`` every HTTP request is a delivery. With ``paths`` (path, to guard) only those whose path ends in one of these
    are. Any other request passes. FastAPI's dependency ``hooks.event(…)`` may guard its handler later on: this middleware then
    settles what the dependency opened, unless there are ``paths`` and no ``dependencies``. A websocket that would be guarded is
    closed with 403. The stores of ``others`` are checked when the server starts, as those of its own guards are. ``report`` is
    called then with the application.
    """

    def __init__(
        self,
        app: App,
        *,
        guard: AsyncGuard | None = None,
        paths: Mapping[str, AsyncGuard] | None = None,
        others: Iterable[AsyncGuard] = (),
        dependencies: Collection[Any] = (),
        report: Callable[[Any], None] | None = None,
    ) -> None:
        self.app = app
        self._report = report
        self._others = others
        self._dependencies = dependencies
        self._guard = guard
        self._paths = GuardedPaths(paths or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = scope["type"]
        if kind == "lifespan":
            if self._paths:
                _log.info("webhooks are guarded at %s", ", ".join(sorted(self._paths)))
            await pass_lifespan(self.app, scope, receive, send, partial(self._check, scope, scope.get("app", self)))
            return
        try:
            guard = self._guard or self._paths.guard_for(scope)
        except MalformedDelivery as error:
            await _reject_connection(scope, send, Reply.problem(error.status), str(error))
            return
        if guard is None and kind == "http" and (self._dependencies or not self._paths):
            exchange = Exchange(send, receive, outer=scope.get(EXCHANGE))
            await exchange.run(self.app, scope, exchange.count)
        elif guard is None:
            await self.app(scope, receive, send)
        elif kind == "http":
            await serve(guard, self.app, scope, receive, send)
        else:
            await _reject_connection(
                scope, send, Reply.problem(403), f"a {kind} connection to {guard.endpoint.name!r} carries no webhook"
            )

    async def _check(self, scope: Scope, app: Any) -> None:
        for guard in (*self._paths.guards, *((self._guard,) if self._guard else ()), *self._others):
            await guard.start()
        # Of several middleware around one application, one reports.
        if self._report is not None and not scope.get(_REPORTED):
            scope[_REPORTED] = True
            self._report(app)


class Misconfigured:
    """Stands where a guard could not be made: keeps the server from starting, and serves nothing if it starts all the same."""

    def __init__(self, error: ConfigurationError) -> None:
        self.error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raise what is wrong."""
        if scope["type"] == "lifespan":
            await fail_startup(self.error, receive, send)
        raise self.error.with_traceback(None)  # it would grow by each request


async def _reject_connection(scope: Scope, send: Send, reply: Reply, why: str) -> None:
    """Answer a connection that no guard takes, and that must not reach the application."""
    _log.warning("rejected: %s", why)
    if scope["type"] == "http":
        await send_reply(send, reply)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the server answers 403
    else:
        raise RuntimeError(f"hookguard cannot guard a connection of type {scope['type']!r}")


def wrapped_apps(app: Any) -> Iterator[Any]:
    """Yield an application and what it wraps, from the outside in: middleware keeps it as ``app``. A circle is followed once."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        yield app
        app = getattr(app, "app", None)
