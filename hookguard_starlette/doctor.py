"""An ASGI application as the doctor sees it. Of Starlette and FastAPI it reads the routes and the middleware."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hookguard import AsyncGuard, Endpoint
from hookguard.config import Guards
from hookguard.doctor import Application, Finder, Route
from hookguard.doctor.addresses import unknown_hosts
from hookguard.doctor.sources import reads_body, requires_login
from hookguard.guard.limits import smaller_limits
from hookguard.remarks import Remark
from hookguard_starlette.extension import STORE_FILE, HookGuard
from hookguard_starlette.limits import body_limit
from hookguard_starlette.middleware import WebhookMiddleware, wrapped_apps

__all__ = ["describe"]

#: Words in the names of middleware that decompresses requests.
_DECOMPRESSES = ("decompress", "gunzip", "inflate", "gziprequest", "requestgzip", "compressedrequest")

#: Words that read a body: in a plain middleware, and in one of Starlette's base class, which passes on what ``body()`` read.
_READS = ("await receive()", ".body()", ".json()", ".form()", ".stream()")
_READS_PAST_BASE = (".form()", ".stream()", ".receive()")


class _Layer(NamedTuple):
    """One middleware, from the outside in; with what it guards, if it is ours."""

    kind: Any
    options: Mapping[str, Any]
    guarded: tuple[Endpoint, ...] = ()
    paths: tuple[tuple[str, Endpoint], ...] = ()

    @property
    def name(self) -> str:
        """Its dotted path."""
        return f"{self.kind.__module__}.{getattr(self.kind, '__qualname__', type(self.kind).__qualname__)}"


def describe(app: Any, guards: Guards[AsyncGuard]) -> Application:
    """Return the description of an application whose endpoints are those of ``guards``."""
    settings = guards.settings
    # The default store makes a file, which a check must not leave behind.
    made = settings.names_store or Path(STORE_FILE).exists()
    layers, inner = _layers(app, guards)
    routes = [Route("/", endpoint) for layer in layers for endpoint in layer.guarded]
    routes += [Route(path, endpoint) for layer in layers for path, endpoint in layer.paths]
    own = getattr(inner, "routes", None)
    return Application.of(
        type(inner).__name__ if own is not None else "ASGI",
        settings,
        store=settings.store if made else None,
        routes=[*routes, *_routes(own or ())],
        lists_all=own is not None and not any(map(_hides_routes, own)),
        debug=bool(getattr(inner, "debug", False)),
        slash_redirects=bool(getattr(getattr(inner, "router", None), "redirect_slashes", False)),
        finders=(
            Finder(("C2",), lambda _: () if _has_ours(layers) else _unsettled(own or (), guards)),
            Finder(("U2",), lambda application: _https_redirects(layers, application)),
            Finder(("U3",), lambda _: _dead_paths(layers, own)),
            Finder(("W1",), lambda _: _body_readers(layers)),
            Finder(("W2",), lambda application: _in_front(layers, application)),
            Finder(("W3",), lambda application: _limits(app, inner, application)),
            Finder(("W4",), lambda _: _decompressing(layers)),
        ),
    )


def _layers(app: Any, guards: Guards[AsyncGuard]) -> tuple[list[_Layer], Any]:
    """Return the middleware around an application, from the outside in, and the application itself."""
    layers: list[_Layer] = []
    inner = app
    for inner in wrapped_apps(app):
        if isinstance(inner, WebhookMiddleware):
            whole = (inner._guard.endpoint,) if inner._guard is not None else ()
            paths = tuple((path, guard.endpoint) for path, guard in inner._paths.items())
            layers.append(_Layer(WebhookMiddleware, {}, whole, paths))
        elif (added := getattr(inner, "user_middleware", None)) is not None:
            return layers + [_added(each, guards) for each in added], inner
        elif callable(getattr(inner, "app", None)):
            layers.append(_Layer(type(inner), {}))
        else:
            break
    return layers, getattr(inner, "__self__", inner)


def _added(middleware: Any, guards: Guards[AsyncGuard]) -> _Layer:
    """Return the layer of an entry of Starlette's list of middleware."""
    kind, options = middleware.cls, middleware.kwargs
    if not isinstance(kind, partial) or not kind.args or not isinstance(kind.args[0], HookGuard):
        return _Layer(getattr(options.get("dispatch"), "__func__", options.get("dispatch")) or kind, options)
    named = options.get("endpoint", middleware.args[0] if middleware.args else None)
    paths = options.get("paths") or {}
    return _Layer(
        WebhookMiddleware,
        options,
        () if named is None else (guards.endpoint(named),),
        tuple((path, guards.endpoint(each)) for path, each in paths.items()),
    )


def _routes(routes: Iterable[Any], prefix: str = "", guarded: frozenset[Endpoint] = frozenset()) -> Iterator[Route]:
    """Yield the guarded routes of Starlette's and FastAPI's lists, those of mounts and included routers too."""
    for route in routes:
        path = prefix + (getattr(route, "path", None) or "")
        found = guarded | set(_guards_of(route))
        if (included := getattr(route, "original_router", None)) is not None:
            # FastAPI keeps an included router whole; its context has the prefix and the dependencies.
            context = getattr(route, "include_context", None)
            found |= set(_dependencies(getattr(context, "dependencies", ())))
            yield from _routes(included.routes, prefix + getattr(context, "prefix", ""), frozenset(found))
        elif inner := getattr(route, "routes", None):
            yield from _routes(inner, path, frozenset(found))
        else:
            methods = getattr(route, "methods", None)
            for endpoint in found:
                yield Route(path or "/", endpoint, frozenset(methods) if methods else None)


def _guards_of(route: Any) -> Iterator[Endpoint]:
    """Yield the endpoints that guard a route: by its class, its middleware, or a dependency."""
    if (guard := getattr(route, "webhook_guard", None)) is not None:
        yield guard.endpoint
    for app in wrapped_apps(getattr(route, "app", None)):
        if isinstance(app, WebhookMiddleware) and app._guard is not None:
            yield app._guard.endpoint
    for call in _calls(route):
        if (guard := getattr(call, "webhook_guard", None)) is not None:
            yield guard.endpoint


def _calls(route: Any) -> Iterator[Any]:
    """Yield the functions that FastAPI calls for a route: its dependencies, and theirs."""
    left = [getattr(route, "dependant", None)]
    while left:
        if (dependant := left.pop()) is not None:
            left += dependant.dependencies
            yield dependant.call


def _has_ours(layers: list[_Layer]) -> bool:
    return any(layer.kind is WebhookMiddleware for layer in layers)


def _unsettled(
    routes: Iterable[Any], guards: Guards[AsyncGuard], prefix: str = "", around: tuple[Any, ...] = ()
) -> Iterator[Remark]:
    """Yield a remark on each route that takes its event from a dependency, and that no guard settles."""
    for route in routes:
        path = prefix + (getattr(route, "path", None) or "")
        if hasattr(route, "webhook_guard") or _has_ours(_layers(getattr(route, "app", None), guards)[0]):
            continue
        if (included := getattr(route, "original_router", None)) is not None:
            context = getattr(route, "include_context", None)
            asked = tuple(each.dependency for each in getattr(context, "dependencies", ()))
            yield from _unsettled(included.routes, guards, prefix + getattr(context, "prefix", ""), around + asked)
        elif inner := getattr(route, "routes", None):
            yield from _unsettled(inner, guards, path, around)
        else:
            calls = [*around, *_calls(route)]
            if endpoints := [
                guard.endpoint.name for call in calls if (guard := getattr(call, "webhook_guard", None)) is not None
            ]:
                yield Remark(
                    "C2",
                    f"hooks.event({endpoints[0]!r}) guards the route {path}, and the middleware that it needs is missing",
                    "Write app.add_middleware(hooks.Middleware)",
                )
            elif any(getattr(call, "takes_current_event", False) for call in calls):
                yield Remark(
                    "C2",
                    f"the route {path} takes CurrentEvent, and no guard stands before it",
                    "Put the route on an APIRouter(route_class=hooks.route_class(name)), or name its path in hooks.Middleware",
                )


def _dependencies(depends: Iterable[Any]) -> Iterator[Endpoint]:
    for each in depends:
        if (guard := getattr(each.dependency, "webhook_guard", None)) is not None:
            yield guard.endpoint


def _hides_routes(route: Any) -> bool:
    """Whether a mounted application shows no list of its routes, or the route is not of Starlette's kind, as Litestar's."""
    if not hasattr(route, "matches"):
        return True
    mounted = getattr(route, "app", None)
    return hasattr(route, "routes") and not getattr(route, "routes", None) and not isinstance(mounted, WebhookMiddleware)


def _front(layers: list[_Layer]) -> list[_Layer]:
    """Return the middleware that sees a delivery before its guard."""
    ours = next((place for place, layer in enumerate(layers) if layer.guarded or layer.paths), len(layers))
    return [layer for layer in layers[:ours] if layer.kind is not WebhookMiddleware]


def _dead_paths(layers: list[_Layer], routes: Any) -> Iterator[Remark]:
    for path in (path for layer in layers for path, _ in layer.paths):
        if routes is not None and not any(_matches(route, path) for route in routes):
            yield Remark(
                "U3",
                f"the path {path!r} is guarded and leads to no route, so its guard protects nothing",
                "Write it as in the route, with the prefixes of mounts and routers",
            )


def _matches(route: Any, path: str) -> bool:
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "root_path": "", "headers": []}
    try:
        return bool(route.matches(scope)[0].value)
    except Exception:  # a route class of somebody else's
        return True


def _body_readers(layers: list[_Layer]) -> Iterator[Remark]:
    for layer in _front(layers):
        base = (
            any(kind.__name__ == "BaseHTTPMiddleware" for kind in getattr(layer.kind, "__mro__", ()))
            or "dispatch" in layer.options
        )
        if not layer.name.startswith(("starlette.", "fastapi.")) and reads_body(
            layer.kind, *(_READS_PAST_BASE if base else _READS)
        ):
            yield Remark(
                "W1",
                f"{layer.name} reads the body before the guard does, perhaps without passing it on",
                "Add the HookGuard's middleware after it, and so outside of it. Silence this check if it passes the body on",
            )


def _in_front(layers: list[_Layer], application: Application) -> Iterator[Remark]:
    for layer in _front(layers):
        if "csrf" in layer.name.lower():
            yield Remark("W2", f"{layer.name} requires a CSRF token, which no provider has", "Exempt the webhooks' paths in it")
        elif not layer.name.startswith(("starlette.", "fastapi.")) and requires_login(layer.kind, layer.name):
            yield Remark(
                "W2",
                f"{layer.name} requires a login, which no provider has: it may reject every delivery",
                "Exempt the webhooks' paths in it. Silence this check when a signed delivery gets through",
            )
        if layer.name.endswith(".TrustedHostMiddleware"):
            hosts = [str(host) for host in layer.options.get("allowed_hosts") or ("*",)]
            yield from unknown_hosts(application, "allowed_hosts of TrustedHostMiddleware", partial(_is_allowed, hosts))


def _is_allowed(hosts: list[str], host: str) -> bool:
    return any(allowed in ("*", host) or (allowed.startswith("*.") and host.endswith(allowed[1:])) for allowed in hosts)


def _https_redirects(layers: list[_Layer], application: Application) -> Iterator[Remark]:
    if any(layer.name.endswith(".HTTPSRedirectMiddleware") for layer in layers):
        for endpoint in application.every_endpoint():
            if urlsplit(endpoint.public_url or "").scheme == "http":
                yield Remark(
                    "U2",
                    f"public_url of endpoint {endpoint.name!r} is http, and HTTPSRedirectMiddleware redirects it to https",
                    "Give the provider, and public_url, the URL with https://",
                )


def _limits(app: Any, inner: Any, application: Application) -> Iterator[Remark]:
    for each in (app, inner):
        for endpoint in application.every_endpoint():
            yield from smaller_limits(endpoint, body_limit(each), "Raise it, or lower max_body")


def _decompressing(layers: list[_Layer]) -> Iterator[Remark]:
    for layer in _front(layers):
        if any(word in layer.name.lower() for word in _DECOMPRESSES):
            yield Remark(
                "W4", f"{layer.name} decompresses requests before the guard, and the signature covers the compressed bytes"
            )
