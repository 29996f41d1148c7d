"""The endpoints of an ASGI application, and the ways to put a guard before a handler."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Union

import anyio.to_thread

from hookguard import AsyncGuard, AsyncStore, ConfigurationError, Endpoint, SQLiteStore, Store
from hookguard.config import Guards, Settings, check_now
from hookguard.outcome import Observer
from hookguard.record import hides_arguments
from hookguard.relay import NO_VIEW, need_relay
from hookguard_starlette.delivery import App
from hookguard_starlette.limits import say_app_limit
from hookguard_starlette.middleware import Misconfigured, WebhookMiddleware

if TYPE_CHECKING:
    from fastapi.routing import APIRoute
    from starlette.middleware import Middleware

    from hookguard import Outcome
    from hookguard.doctor import Application
    from hookguard.guard.bridge import ThreadRunner
    from hookguard.work.handed import Handed
    from hookguard.work.lanes import OpenLane
    from hookguard_starlette.fastapi import EventDependency
    from hookguard_starlette.page import Allow, PageApp

__all__ = ["STORE_FILE", "HookGuard"]

#: The default store's file in the working directory.
STORE_FILE = "hookguard.sqlite3"

#: The ways to name an endpoint: its name in the settings, an Endpoint, or a guard made by hand.
Named = Union[str, Endpoint, AsyncGuard]


class HookGuard:
    """Reads and checks every endpoint immediately; raises ConfigurationError.

    ``endpoints`` maps names to settings. ``store`` is a store or its URL, opened and checked here; by default the SQLite
    file ``hookguard.sqlite3`` in the working directory, opened when the first guard is made. The other arguments hold for
    every endpoint that does not say otherwise (``max_body``, ``require_https``, ``public_base_url`` …).
    """

    @hides_arguments
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
        settings = Settings(given, where="HookGuard", default_store=lambda: SQLiteStore(STORE_FILE), observers=observers)
        self._guards = Guards(settings, _make_guard)
        self._dependencies: dict[AsyncGuard, EventDependency] = {}
        self._handed: Handed | None = None
        if settings.open_named_store():
            # A store that cannot be opened, or does not fit, shows when the app starts. The default one makes a file, which
            # an import alone should not leave behind.
            for endpoint in settings.endpoints.values():
                self.guard_for(endpoint)

    def guard_for(self, endpoint: Named) -> AsyncGuard:
        """Return the guard of an endpoint; ConfigurationError if no endpoint has that name."""
        return self._guards.guard_for(endpoint)

    def open_lanes(self, _: object, names: Sequence[str] = (), in_thread: ThreadRunner | None = None) -> list[OpenLane]:
        """Return the lanes of the endpoints with an inbox, or of those named; ConfigurationError if no endpoint has one."""
        from hookguard.work.lanes import open_lanes  # noqa: PLC0415 - a web process works on no inbox

        return open_lanes(self._guards.settings, names, in_thread)

    def describe(self, app: object) -> Application:
        """Return the description of an application, for ``hookguard doctor``."""
        from hookguard_starlette.doctor import describe  # noqa: PLC0415 - a web process needs none of it

        return describe(app, self._guards)

    def _report(self, app: object) -> None:
        from hookguard_starlette.startup import report  # noqa: PLC0415 - no request needs the checks

        report(app, self._guards)

    async def run(self, key: str, app: App) -> Outcome | None:
        """Run the inbox entry whose key ``hand_off`` gave to another engine, with this application; for that engine's task.

        Returns the outcome; None if there is nothing to do, because the entry is done, dead, held or unknown. A failure is
        settled and logged as in a worker, and never raised: the inbox tries again, and the engine must not. The application's
        lifespan starts with the first run on an event loop. Raises ConfigurationError if no endpoint has an inbox.
        """
        if self._handed is None:
            from hookguard.work.handed import Handed  # noqa: PLC0415 - a web process runs no entry

            self._handed = Handed(self.open_lanes(app))
        return await self._handed.arun(key, app)

    def page(self, *, allow: Allow | None = None, secret_key: str | bytes | None = None) -> PageApp:
        """Return the page of the inbox as an application: ``Mount("/ops/webhooks", hooks.page(allow=who, secret_key=…))``.

        ``allow`` gets Starlette's Request. It returns None, which is answered 404, or the visitor's name and a set of ``look``,
        ``open``, ``rerun``, ``drop``; it may be a coroutine. ``secret_key`` signs the forms: the same text in each process, of at
        least 16 characters. Raises ConfigurationError.
        """
        from hookguard_starlette.page import PageApp  # noqa: PLC0415 - most applications have none

        return PageApp(self._guards.settings, allow, secret_key)

    def methods(self, endpoint: Named) -> list[str]:
        """Return the HTTP methods a route of this endpoint should take, challenges included."""
        return sorted(self.guard_for(endpoint).endpoint.methods)

    def wrap(self, app: App, endpoint: Named | None = None, *, paths: Mapping[str, Named] | None = None) -> WebhookMiddleware:
        """Return the application behind a guard: all of it for one endpoint, or the paths that are named."""
        whole = self.guard_for(endpoint) if endpoint is not None else None
        guarded = {path: self.guard_for(named) for path, named in (paths or {}).items()}
        for guard in {*guarded.values(), *([whole] if whole else [])}:
            say_app_limit(app, guard.endpoint)
        return WebhookMiddleware(
            app,
            guard=whole,
            paths=guarded,
            # Includes the guards of dependencies, and guards that are made later.
            others=self._guards,
            dependencies=self._dependencies,
            report=self._report,
        )

    def relay(self, endpoint: Named) -> WebhookMiddleware:
        """Return an application for the route of an endpoint whose setting ``relay`` has targets.

        It stores each event, and a worker passes it on: ``Route("/hooks/stripe", hooks.relay("stripe"), methods=["POST"])``.
        """
        guard = self.guard_for(endpoint)
        need_relay(guard.endpoint)

        async def relayed(*_: Any) -> None:
            raise RuntimeError(f"endpoint {guard.endpoint.name!r} passes nothing on: {NO_VIEW}")

        return self.wrap(relayed, guard)

    def middleware(self, endpoint: Named) -> Middleware:
        """Return Starlette's ``Middleware`` for a Route, a Mount or a Router."""
        from starlette.middleware import Middleware  # noqa: PLC0415 - Starlette is not needed for the rest

        if "fastapi" in sys.modules:
            from hookguard_starlette.routers import check_routers  # noqa: PLC0415 - FastAPI is not needed for the rest

            check_routers()
        return Middleware(WebhookMiddleware, guard=self.guard_for(endpoint))

    @property
    def Middleware(self) -> Callable[..., App]:  # noqa: N802 - used where a class is expected
        """For ``app.add_middleware(hooks.Middleware, paths={…})``, and Litestar's ``DefineMiddleware``.

        Starlette and FastAPI call it when the server asks for the lifespan: a mistake in ``paths`` keeps it from starting.
        """
        return partial(_wrapped, self)

    @property
    def event(self) -> EventFor:
        """``Depends(hooks.event("stripe"))``: the event, in FastAPI; needs ``app.add_middleware(hooks.Middleware)``."""
        return EventFor(self._event)

    def _event(self, endpoint: Named) -> EventDependency:
        from hookguard_starlette.fastapi import dependency_of  # noqa: PLC0415 - FastAPI is not needed for the rest

        guard = self.guard_for(endpoint)
        if guard not in self._dependencies:
            # The same object each time, so that app.dependency_overrides[hooks.event(name)] finds it.
            self._dependencies[guard] = dependency_of(guard)
        return self._dependencies[guard]

    def route_class(self, endpoint: Named) -> type[APIRoute]:
        """Return a FastAPI route class whose routes are guarded, for ``APIRouter(route_class=…)`` and typed bodies."""
        from hookguard_starlette.fastapi import guarded_route  # noqa: PLC0415 - FastAPI is not needed for the rest

        return guarded_route(self.guard_for(endpoint))


def _make_guard(endpoint: Endpoint, store: Store | AsyncStore) -> AsyncGuard:
    guard = AsyncGuard(endpoint, store, in_thread=anyio.to_thread.run_sync)
    check_now(store)  # an asynchronous one is checked by the middleware, on the loop that serves
    return guard


class EventFor:
    """The type of ``hooks.event``: returns the dependency of an endpoint, the same object each time."""

    def __init__(self, make: Callable[[Named], EventDependency]) -> None:
        self._make = make

    def __call__(self, endpoint: Named) -> EventDependency:
        """Return the dependency that is the endpoint's event; ConfigurationError if no endpoint has that name."""
        return self._make(endpoint)

    @property
    def __signature__(self) -> inspect.Signature:
        # FastAPI reads the signature of every dependency: only ``Depends(hooks.event)`` comes here.
        raise ConfigurationError('Depends(hooks.event) names no endpoint: write Depends(hooks.event("stripe"))')


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
