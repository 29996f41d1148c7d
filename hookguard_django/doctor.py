"""A Django project as the doctor sees it, and the checks that only Django can answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.apps import apps
from django.conf import settings
from django.db import router
from django.http.request import validate_host
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from hookguard import AsyncStore, ConfigurationError, Endpoint, Store
from hookguard.bodies import MAX_FIELDS
from hookguard.config import Settings
from hookguard.doctor import Application, Finder, Route
from hookguard.doctor.addresses import unknown_hosts
from hookguard.doctor.application import remark_on
from hookguard.doctor.sources import reads_body, requires_login
from hookguard.guard.limits import smaller_limits
from hookguard.remarks import Remark
from hookguard_django.conf import (
    Named,
    async_guard_for,
    claims_alias,
    default_path,
    endpoints,
    guard_for,
    paths,
    uses_database,
    view_at,
)
from hookguard_django.decorator import MARK, endpoint_of
from hookguard_django.stores import ORMTransactionStore

__all__ = ["describe", "store_of"]

_MIDDLEWARE = "hookguard_django.middleware.WebhookMiddleware"
_CSRF = "django.middleware.csrf.CsrfViewMiddleware"
_LOGIN = "django.contrib.auth.middleware.LoginRequiredMiddleware"
_COMMON = "django.middleware.common.CommonMiddleware"


class _View(NamedTuple):
    """A guarded view with its route as Django writes it."""

    route: str
    view: Any
    endpoint: Named
    by_path: bool = False


def describe() -> Application:
    """Return the description of the project; with the mistake alone if the setting is not valid."""
    try:
        known = endpoints()
        paths()
        store = store_of(known)
        if store is not None:
            # A cache that loses events, and a database that is missing, show here.
            _ = store.capabilities
        elif known.endpoints:
            default_path()
        alias = None if store is None else claims_alias(store)
    except ConfigurationError as error:
        return Application(framework="Django", mistake=error)
    views, unreadable = _views()
    return Application.of(
        "Django",
        known,
        store=store,
        routes=list(_routes(known, views)),
        lists_all=unreadable is None,
        debug=settings.DEBUG,
        slash_redirects=settings.APPEND_SLASH and _COMMON in settings.MIDDLEWARE,
        migration=f"Run manage.py migrate hookguard --database {alias}" if alias is not None else "",
        finders=(
            Finder(("C2",), lambda application: _misfits(views, known, application)),
            Finder(("U2",), _redirects),
            Finder(("U3",), lambda _: _dead_paths(unreadable)),
            Finder(("U4",), lambda _: _without_middleware()),
            Finder(("W1",), _body_readers),
            Finder(("W2",), lambda application: [*_in_front(views), *_hosts(application)]),
            Finder(("W3",), _limits),
            Finder(("N1",), _proxies),
            Finder(("M7",), _databases),
        ),
    )


def store_of(known: Settings) -> Store | AsyncStore | None:
    """Return the endpoints' store. None without endpoints, and for the default file, which a check must not create."""
    return known.store if known.names_store or (known.endpoints and uses_database()) else None


def _views() -> tuple[list[_View], Exception | None]:
    """Return the guarded views, and the error that kept the URLs from being read."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return [], None
    try:
        found = list(_guarded(get_resolver().url_patterns))
        for path, name in paths().items():
            if (view := view_at(path, get_resolver())) is not None:
                found.append(_View(path, view, name, by_path=True))
    except Exception as error:  # the project's own modules may raise anything at import
        return [], error
    return found, None


def _guarded(patterns: Sequence[Any], prefix: str = "") -> Iterator[_View]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _guarded(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and (endpoint := endpoint_of(pattern.callback)) is not None:
            yield _View(route, pattern.callback, endpoint)


def _routes(known: Settings, views: list[_View]) -> Iterator[Route]:
    for each in views:
        with suppress(ConfigurationError):  # C2 reports it
            endpoint = each.endpoint if isinstance(each.endpoint, Endpoint) else known.endpoint(each.endpoint)
            yield Route(f"/{each.route.lstrip('/')}", endpoint)


def _misfits(views: list[_View], known: Settings, application: Application) -> Iterator[Remark]:
    """A view names an unknown endpoint, or the store cannot serve it. Creates no file."""
    for each in views:
        if each.by_path and hasattr(each.view, MARK):
            continue  # its own guard is asked
        try:
            if isinstance(each.endpoint, str):
                known.endpoint(each.endpoint)
            if application.store is not None:
                (async_guard_for if iscoroutinefunction(each.view) else guard_for)(each.endpoint)
        except ConfigurationError as error:
            yield remark_on(error, "C2")._replace(sentence=f"the webhook at {each.route!r} cannot be served: {error}")


def _redirects(application: Application) -> Iterator[Remark]:
    for endpoint in application.every_endpoint():
        url = urlsplit(endpoint.public_url or "")
        for setting, redirects, where in (
            ("SECURE_SSL_REDIRECT", url.scheme == "http", "to https"),
            ("PREPEND_WWW", bool(url.netloc) and not url.netloc.startswith("www."), "to the host with www"),
        ):
            if redirects and getattr(settings, setting):
                yield Remark(
                    "U2",
                    f"{setting} redirects the public_url of endpoint {endpoint.name!r} {where}",
                    "Give the provider, and public_url, the URL to which it leads",
                )


def _dead_paths(unreadable: Exception | None) -> Iterator[Remark]:
    """A path that leads to no view guards nothing."""
    if unreadable is not None:
        yield Remark(
            "U3", f"the URLconf could not be read, so webhook URLs were not checked: {unreadable}", "Correct the URLconf"
        )
        return
    for path in paths():
        if view_at(path, get_resolver()) is None:
            yield Remark(
                "U3",
                f"the path {path!r} in PATHS leads to no view, so it guards none",
                "Write it as in the URLconf, with the first slash, without the prefix that the server removes",
            )


def _without_middleware() -> Iterator[Remark]:
    if paths() and _MIDDLEWARE not in settings.MIDDLEWARE:
        yield Remark(
            "U4",
            "PATHS has no effect without WebhookMiddleware: forged deliveries reach these views",
            f"Put {_MIDDLEWARE} into MIDDLEWARE, above {_CSRF}",
        )


def _middleware() -> Iterator[tuple[str, Any, bool]]:
    """Yield each middleware that is not Django's or ours: its path, its class, and whether it comes before our own."""
    ours = settings.MIDDLEWARE.index(_MIDDLEWARE) if _MIDDLEWARE in settings.MIDDLEWARE else len(settings.MIDDLEWARE)
    for position, path in enumerate(settings.MIDDLEWARE):
        if path.startswith("hookguard_django.") or (path.startswith("django.") and path != _LOGIN):
            continue
        with suppress(ImportError):  # Django reports it
            yield path, import_string(path) if path != _LOGIN else None, position < ours


def _body_readers(application: Application) -> Iterator[Remark]:
    words = ["request.read(", "request.readline("]
    if any(endpoint.preset.sends_forms for endpoint in application.every_endpoint()):
        words += ["request.POST", "request.FILES"]
    for path, middleware, before in _middleware():
        if before and middleware is not None and reads_body(middleware, *words):
            yield Remark(
                "W1",
                f"{path} reads the body before the guard, perhaps that of a delivery",
                f"Put {_MIDDLEWARE} above it, or leave the webhooks' paths out. Silence this check if it does not read them",
            )


def _in_front(views: list[_View]) -> Iterator[Remark]:
    """CSRF checks, logins and permissions reject deliveries. Django's own middleware exempts guarded views."""
    order = list(settings.MIDDLEWARE)
    if _MIDDLEWARE in order and _CSRF in order and order.index(_MIDDLEWARE) > order.index(_CSRF):
        yield Remark(
            "W2",
            "WebhookMiddleware comes after CsrfViewMiddleware, which will reject every delivery",
            f"Move {_MIDDLEWARE} above {_CSRF} in MIDDLEWARE",
        )
    for path, middleware, before in _middleware():
        if not _asks_for_login(path, middleware):
            continue
        if before and _MIDDLEWARE in order:
            yield Remark(
                "W2",
                f"WebhookMiddleware comes after {path}, which will redirect every delivery to the login page",
                f"Move {_MIDDLEWARE} above {path} in MIDDLEWARE",
            )
        if path != _LOGIN:
            yield Remark(
                "W2",
                f"{path} requires a login, which no provider has: it may reject every delivery",
                "Exempt the webhooks' URLs in its own settings, or make it respect login_required = False on the view,"
                " as Django's does. Silence this check when a signed delivery gets through",
            )
    for each in views:
        if each.by_path:
            continue
        if not getattr(each.view, "csrf_exempt", False):
            yield Remark(
                "W2",
                f"the webhook at {each.route!r} is not exempt from CSRF checks, so every delivery gets 403",
                "Put the decorator outermost on the view (or on as_view()). Decorators around it need functools.wraps",
            )
        yield from _permissions(each)


def _asks_for_login(path: str, middleware: Any) -> bool:
    """Return whether a middleware seems to reject requests without a login."""
    if path == _LOGIN:
        return True
    # By name: django.contrib.auth cannot be imported where it is not installed.
    if _LOGIN in (f"{kind.__module__}.{kind.__qualname__}" for kind in getattr(middleware, "__mro__", ())):
        # A subclass without its own process_view exempts guarded views, as the original does.
        return "process_view" in vars(middleware)
    return requires_login(middleware, path)


def _permissions(each: _View) -> Iterator[Remark]:
    """Django REST framework checks permissions behind the guard: 403 for every genuine delivery."""
    kind = getattr(each.view, "cls", None) or getattr(each.view, "view_class", None)
    required = [_name(permission) for permission in getattr(kind, "permission_classes", ())]
    if others := [name for name in required if name != "AllowAny"]:
        yield Remark(
            "W2",
            f"the webhook at {each.route!r} requires {', '.join(others)}, which no provider has: every delivery gets 401 or 403",
            "Give the view permission_classes = () and authentication_classes = (): the signature replaces both",
        )


def _name(permission: Any) -> str:
    return str(getattr(permission, "__name__", type(permission).__name__))


def _hosts(application: Application) -> Iterator[Remark]:
    if settings.ALLOWED_HOSTS:  # empty, only this machine is allowed, and only while DEBUG is on
        is_known: Callable[[str], bool] = partial(_is_allowed, settings.ALLOWED_HOSTS)
        yield from unknown_hosts(application, "ALLOWED_HOSTS", is_known)


def _is_allowed(hosts: Sequence[str], host: str) -> bool:
    return validate_host(host, hosts)


def _limits(application: Application) -> Iterator[Remark]:
    """Django rejects deliveries over its own limits, and the provider may never send them again."""
    limit = {"DATA_UPLOAD_MAX_MEMORY_SIZE": settings.DATA_UPLOAD_MAX_MEMORY_SIZE}
    for endpoint in application.every_endpoint():
        yield from smaller_limits(endpoint, limit, "Raise DATA_UPLOAD_MAX_MEMORY_SIZE, or lower MAX_BODY")
        fields = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        # Where the JSON is in one field of the form, the view reads the JSON, and the number of fields does not matter.
        forms = endpoint.preset.sends_forms and endpoint.preset.json_field is None
        if fields is not None and fields < MAX_FIELDS and forms:
            yield Remark(
                "W3",
                f"endpoint {endpoint.name!r} accepts forms of {MAX_FIELDS} fields, and DATA_UPLOAD_MAX_NUMBER_FIELDS is {fields}",
                "Raise DATA_UPLOAD_MAX_NUMBER_FIELDS, or read request.webhook.form instead of request.POST",
            )


def _proxies(application: Application) -> Iterator[Remark]:
    for name, endpoint in application.endpoints.items():
        if endpoint.require_https and settings.SECURE_PROXY_SSL_HEADER is None:
            yield Remark(
                "N1",
                f"endpoint {name!r} requires HTTPS and SECURE_PROXY_SSL_HEADER is not set",
                "Behind a proxy that ends TLS, set SECURE_PROXY_SSL_HEADER. Otherwise silence this check",
            )


def _databases(application: Application) -> Iterator[Remark]:
    """A claim's transaction covers effects only in the claim's own database."""
    store = application.store
    alias = claims_alias(store) if isinstance(store, ORMTransactionStore) else None
    models = [model for model in apps.get_models() if model._meta.app_label != "hookguard" and model._meta.managed]
    if alias is None or not models or any(router.db_for_write(model) == alias for model in models):
        return
    yield Remark(
        "M7",
        f"webhooks are claimed in the database {alias!r} and no model is written to it, so a claim's transaction covers no"
        " effect",
        "Give ORMTransactionStore the alias of the database that your views write to, and migrate hookguard there",
    )
