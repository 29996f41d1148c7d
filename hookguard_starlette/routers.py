"""Checks of FastAPI's routers: what a guarded router would serve without its guard is a ConfigurationError where it is added.

A router is guarded by its route class or by a dependency, and FastAPI applies neither to everything it serves: not to
``add_route()``, mounts and most websockets, and not to a router that is included later. It also drops the middleware of a
Starlette ``Route`` whose router is included. FastAPI has no hook for any of this, so its methods are wrapped, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any

from fastapi.routing import APIRoute, APIRouter, APIWebSocketRoute
from starlette.routing import Host, Mount, Route, WebSocketRoute

from hookguard import ConfigurationError
from hookguard_starlette.middleware import WebhookMiddleware, wrapped_apps

__all__ = ["GuardedRoute", "Guarding", "check_routers"]


class GuardedRoute(APIRoute):
    """The common part of the guarded route classes."""


class Guarding:
    """The common part of the dependencies that guard."""


def check_routers() -> None:
    """Wrap the methods by which routes come into a router; a second call changes nothing."""
    if getattr(APIRouter.include_router, "__hookguard__", False):
        return
    for name in ("add_route", "add_websocket_route", "add_api_websocket_route", "mount", "host", "frontend"):
        if hasattr(APIRouter, name):
            setattr(APIRouter, name, _checked(getattr(APIRouter, name), _check_added))
    APIRouter.include_router = _checked(APIRouter.include_router, _check_included)  # type: ignore[method-assign]
    APIRouter.__init__ = _checked_when_made(APIRouter.__init__)  # type: ignore[method-assign]


def _checked(method: Callable[..., Any], check: Callable[..., None]) -> Callable[..., Any]:
    @wraps(method)
    def checked(router: APIRouter, *args: Any, **kwargs: Any) -> Any:
        check(method.__name__, router, *args, **kwargs)
        return method(router, *args, **kwargs)

    checked.__hookguard__ = True  # type: ignore[attr-defined]
    return checked


def _checked_when_made(made: Callable[..., None]) -> Callable[..., None]:
    @wraps(made)
    def checked(router: APIRouter, *args: Any, **kwargs: Any) -> None:
        made(router, *args, **kwargs)
        # Neither the route class nor the dependencies apply to routes that the router was made with.
        if _guards_by_class(router) or _guards(router.dependencies):
            for route in router.routes:
                if (
                    not isinstance(route, GuardedRoute)
                    and not _guards(getattr(route, "dependencies", ()))
                    and not _has_guard(route)
                ):
                    raise ConfigurationError(_not_covered(route), check="U4")

    return checked


def _check_added(added_by: str, router: APIRouter, *_: Any, **options: Any) -> None:
    by_class = _guards_by_class(router)
    if not by_class and not _guards(router.dependencies):
        return
    if not by_class and added_by == "add_api_websocket_route":
        return  # has the router's dependencies, which close it
    if not by_class and router.dependency_overrides_provider is not None and not options.get("methods"):
        return  # an application's own pages: its documentation
    raise ConfigurationError(
        f"{added_by}() on a guarded router adds what its guard does not cover: write @router.post(…), or use a router of its own",
        check="U4",
    )


def _check_included(_: str, parent: APIRouter, router: APIRouter, *_args: Any, **options: Any) -> None:
    by_class = _guards_by_class(router)
    by_dependency = _guards([*parent.dependencies, *router.dependencies, *(options.get("dependencies") or ())])
    for route in _routes_of(router):
        path = getattr(route, "path", "")
        if _has_guard(route):
            raise ConfigurationError(
                f"FastAPI drops the middleware of the route {path!r} when its router is included, and with it the guard: put the"
                " Route into FastAPI(routes=[…]), or guard the router by route_class=hooks.route_class(…)",
                check="U4",
            )
        if isinstance(route, APIRoute):
            if _guards_by_class(parent) and not isinstance(route, GuardedRoute):
                raise ConfigurationError(
                    f"the route {path!r} keeps its own route class in a guarded router, which does not guard it: give the"
                    " router that is included route_class=hooks.route_class(…) as well",
                    check="U4",
                )
        elif isinstance(route, (Route, WebSocketRoute, Mount, Host)) and (by_class or by_dependency):
            if by_dependency and not by_class and isinstance(route, APIWebSocketRoute):
                continue
            raise ConfigurationError(_not_covered(route), check="U4")


def _not_covered(route: Any) -> str:
    path = getattr(route, "path", "")
    return f"the guard of a router does not cover the {type(route).__name__} {path!r}: write @router.post(…)"


def _routes_of(router: APIRouter) -> Iterator[Any]:
    """Every route, those of routers included before as well."""
    for route in router.routes:
        if (included := getattr(route, "original_router", None)) is not None:
            yield from _routes_of(included)
        else:
            yield route


def _guards_by_class(router: APIRouter) -> bool:
    return isinstance(router.route_class, type) and issubclass(router.route_class, GuardedRoute)


def _guards(dependencies: Iterable[Any]) -> bool:
    return any(isinstance(getattr(depends, "dependency", None), Guarding) for depends in dependencies)


def _has_guard(route: Any) -> bool:
    """Whether a plain route has a guard among its middleware."""
    if not isinstance(route, (Route, WebSocketRoute)) or isinstance(route, (APIRoute, APIWebSocketRoute)):
        return False
    return any(isinstance(app, WebhookMiddleware) for app in wrapped_apps(route.app))
