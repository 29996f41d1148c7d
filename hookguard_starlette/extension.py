"""The endpoints of an ASGI application, and the ways to put a guard before a handler."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Union, cast

import anyio.to_thread

from hookguard import AsyncGuard, AsyncStore, ConfigurationError, Endpoint, SQLiteStore, Store
from hookguard.awaited import Awaited, at_once, finish
from hookguard.checkup import look_once
from hookguard.config import Settings
from hookguard.outcome import Observer
from hookguard_starlette.asgi import App, Misconfigured, WebhookMiddleware

if TYPE_CHECKING:
    from fastapi.routing import APIRoute
    from starlette.middleware import Middleware

__all__ = ["HookGuard"]

#: What names an endpoint: its name in the settings, an Endpoint, or a guard made by hand.
Named = Union[str, Endpoint, AsyncGuard]


class HookGuard:
    """Reads and checks every endpoint at once; raises ConfigurationError.

    ``endpoints`` maps names to settings. ``store`` is a store or its URL, opened and looked at here; by default the SQLite
    file ``hookguard.sqlite3`` in the working directory, opened when the first guard is made. The other arguments hold for
    every endpoint that does not say otherwise (``max_body``, ``require_https``, ``public_base_url`` …).
    """

    def __init__(
        self,
        endpoints: Mapping[str, Any] | None = None,
        *,
        store: Store | AsyncStore | str | None = None,
        observers: Iterable[Observer] = (),
        **shared: Any,
    ) -> None:
        given = {"endpoints": endpoints or {}, **shared}
        if store is not None:
            given["store"] = store
        self._settings = Settings(
            given, where="HookGuard", default_store=lambda: SQLiteStore("hookguard.sqlite3"), observers=observers
        )
        self._guards: dict[Endpoint, AsyncGuard] = {}
        if self._settings.open_named_store():
            # A store that cannot be opened, or does not fit, shows when the app starts. The default one makes a file, which
            # an import alone should not leave behind.
            for endpoint in self._settings.endpoints.values():
                self.guard(endpoint)

    def guard(self, endpoint: Named) -> AsyncGuard:
        """Return the guard of an endpoint; ConfigurationError when there is none of that name."""
        if isinstance(endpoint, AsyncGuard):
            return endpoint
        if not isinstance(endpoint, Endpoint):
            endpoint = self._settings.endpoint(endpoint)
        if endpoint not in self._guards:
            store = self._settings.store
            self._guards[endpoint] = AsyncGuard(endpoint, store, in_thread=anyio.to_thread.run_sync)
            if not inspect.iscoroutinefunction(store.claim):
                # An asynchronous one belongs to the loop that serves: the middleware looks at it there.
                finish(look_once(store, Awaited(cast("Store", store), at_once)))
        return self._guards[endpoint]

    def methods(self, endpoint: Named) -> list[str]:
        """Return the HTTP methods a route of this endpoint should take, challenges included."""
        return sorted(self.guard(endpoint).endpoint.methods)

    def wrap(self, app: App, endpoint: Named | None = None, *, paths: Mapping[str, Named] | None = None) -> WebhookMiddleware:
        """Return the application behind a guard: all of it for one endpoint, or the paths that are named."""
        return WebhookMiddleware(
            app,
            guard=self.guard(endpoint) if endpoint is not None else None,
            paths={path: self.guard(named) for path, named in (paths or {}).items()},
            others=self._guards.values(),  # what a dependency guards as well, and what is guarded after this
        )

    def middleware(self, endpoint: Named) -> Middleware:
        """Return Starlette's ``Middleware`` for a Route, a Mount or a Router."""
        from starlette.middleware import Middleware  # noqa: PLC0415 - Starlette is not needed for the rest

        return Middleware(WebhookMiddleware, guard=self.guard(endpoint))

    @property
    def Middleware(self) -> Callable[..., App]:  # noqa: N802 - used where a class is expected
        """For ``app.add_middleware(hooks.Middleware, paths={…})``, and Litestar's ``DefineMiddleware``.

        Starlette and FastAPI call it when the server asks for the lifespan: a mistake in ``paths`` keeps it from starting.
        """
        return partial(_wrapped, self)

    def event(self, endpoint: Named) -> Callable[..., Any]:
        """Return a FastAPI dependency that yields the event; needs ``app.add_middleware(hooks.Middleware)``."""
        from hookguard_starlette.fastapi import EventDependency  # noqa: PLC0415 - FastAPI is not needed for the rest

        return EventDependency(self.guard(endpoint))

    def route_class(self, endpoint: Named) -> type[APIRoute]:
        """Return a FastAPI route class whose routes are guarded, for ``APIRouter(route_class=…)`` and typed bodies."""
        from hookguard_starlette.fastapi import guarded_route  # noqa: PLC0415 - FastAPI is not needed for the rest

        return guarded_route(self.guard(endpoint))


def _wrapped(hooks: HookGuard, app: App, endpoint: Named | None = None, paths: Mapping[str, Named] | None = None) -> App:
    try:
        if paths is not None and not isinstance(paths, Mapping):
            raise ConfigurationError(f"paths is {paths!r}: map each path to its endpoint's name")
        return hooks.wrap(app, endpoint, paths=paths)
    except ConfigurationError as error:
        # Starlette stacks its middleware up when the server asks for the lifespan, and servers take an exception there for an
        # application that knows none, and start. Others do so when the app is made, and show the exception.
        if any(caller.function == "build_middleware_stack" for caller in inspect.stack(0)):
            return Misconfigured(error)
        raise
