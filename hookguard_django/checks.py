"""System checks: what would go wrong at the first delivery is found by ``manage.py check``.

E001 the setting is wrong (the text says how) · E002 a guarded view and the store do not fit · E003 (``--database``) the store
must not be used as it is · E004 PATHS without the middleware · W002 Django's body limit is under an endpoint's · W003 claims
are kept in memory only · W004 a guarded URL is not exempt from CSRF · W005 a guarded URL ends with a slash while APPEND_SLASH
is on · W006 the middleware comes too late · W007 the logger is switched off · W008 (``--database``) the table of events is
missing, or the store does not answer · W009 (``--database``) something about the store is worth knowing · W010 (``--deploy``)
HTTPS is required and nothing says how Django knows of it · W011 transactional mode in a database that no model is written to
· W012 a path of PATHS leads to no view · I001 (``--deploy``) what the store promises
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning  # noqa: A004 - Django's own name
from django.db import DatabaseError, router
from django.urls import URLPattern, URLResolver, get_resolver

from hookguard import AsyncStore, ConfigurationError, Endpoint, Store
from hookguard.checkup import describe
from hookguard.errors import StoreError, StoreUnavailable
from hookguard.store import Capabilities, Checked
from hookguard_django.conf import async_guard, claims_alias, default_path, endpoints, guard, paths, uses_database, view_at
from hookguard_django.decorator import MARK
from hookguard_django.stores import ORMTransactionStore
from hookguard_django.stores.looking import has_table
from hookguard_django.stores.running import TABLE, connection_to

__all__ = ["check_deployment", "check_settings", "check_store", "check_urls"]

_MIDDLEWARE = "hookguard_django.middleware.WebhookMiddleware"
_CSRF = "django.middleware.csrf.CsrfViewMiddleware"


def check_settings(**_: Any) -> list[CheckMessage]:
    """Check the ``HOOKGUARD`` setting by building everything it says."""
    try:
        found = endpoints()
        paths()
        store = _store()
        if found.endpoints and store is None:
            default_path()
        promises = _promises()
    except ConfigurationError as error:
        return [Error(str(error), id="hookguard.E001")]
    messages = _check_routers(store)
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    for name, endpoint in found.endpoints.items():
        if limit is not None and endpoint.max_body > limit:
            messages.append(
                Warning(
                    f"endpoint {name!r} allows bodies of {endpoint.max_body} bytes and DATA_UPLOAD_MAX_MEMORY_SIZE only {limit}",
                    hint="Raise DATA_UPLOAD_MAX_MEMORY_SIZE, or lower MAX_BODY.",
                    id="hookguard.W002",
                )
            )
    if found.endpoints and promises is not None and not promises.shared:
        messages.append(
            Warning(
                "webhook claims are kept in memory: a restart forgets them, and every process has its own",
                hint='Leave STORE out, or set "STORE": "sqlite:////path/to/file".',
                id="hookguard.W003",
            )
        )
    middleware = list(settings.MIDDLEWARE)
    if paths() and _MIDDLEWARE not in middleware:
        messages.append(
            Error(
                "PATHS guard nothing without WebhookMiddleware: forged deliveries reach these views",
                hint=f"Put {_MIDDLEWARE} into MIDDLEWARE, above {_CSRF}.",
                id="hookguard.E004",
            )
        )
    if _MIDDLEWARE in middleware and _CSRF in middleware and middleware.index(_MIDDLEWARE) > middleware.index(_CSRF):
        messages.append(
            Warning(
                "WebhookMiddleware comes after CsrfViewMiddleware, which will refuse every delivery",
                hint=f"Move {_MIDDLEWARE} above {_CSRF} in MIDDLEWARE.",
                id="hookguard.W006",
            )
        )
    if logging.getLogger("hookguard").disabled:
        messages.append(
            Warning(
                "the logger 'hookguard' is switched off, so nothing says why deliveries fail: LOGGING disables it",
                hint='Put "disable_existing_loggers": False into LOGGING.',
                id="hookguard.W007",
            )
        )
    return messages


def check_store(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Look whether the store is well; one in a database that is not asked for is left alone.

    ``migrate``, which makes the table, and ``test`` check as well: too early, and elsewhere.
    """
    try:
        store = _store()
        alias = None if store is None else claims_alias(store)
    except ConfigurationError:
        return []  # E001 says it
    if databases is None or sys.argv[1:2] in (["migrate"], ["test"]):
        return []
    if store is None or not isinstance(store, Checked) or inspect.iscoroutinefunction(store.claim):
        return []
    if alias is not None and alias not in databases:
        return []
    try:
        if alias is not None and not has_table(connection_to(alias)):
            return [
                Warning(
                    f"the database {alias!r} has no table {TABLE!r}, so every delivery is answered 503",
                    hint=f"Run manage.py migrate hookguard --database {alias}.",
                    id="hookguard.W008",
                )
            ]
        remarks = store.check()
    except (StoreUnavailable, DatabaseError, OSError) as error:
        return [Warning(f"{store!r} does not answer, so every delivery is answered 503: {error}", id="hookguard.W008")]
    except StoreError as error:
        return [Error(f"{store!r}: {error}", id="hookguard.E003")]
    return [Warning(f"{store!r}: {remark}", id="hookguard.W009") for remark in remarks]  # type: ignore[union-attr]  # not awaited


def check_urls(**_: Any) -> list[CheckMessage]:
    """Check every URL whose view is guarded."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    try:
        found = list(_guarded(get_resolver().url_patterns))
    except Exception as error:  # whatever the project's own modules raise while they are imported
        return [Warning(f"the URLconf could not be read, so webhook URLs were not checked: {error}", id="hookguard.W004")]
    messages: list[CheckMessage] = [
        Error(f"the webhook at {route!r} cannot be served: {wrong}", id="hookguard.E002")
        for route, view, endpoint in [*found, *_guarded_by_path()]
        if (wrong := _misfit(view, endpoint)) is not None
    ]
    for route, view, _endpoint in found:
        if not getattr(view, "csrf_exempt", False):
            messages.append(
                Warning(
                    f"the webhook at {route!r} is not exempt from CSRF checks, so every delivery gets 403",
                    hint="Decorate the view (or what as_view() returns) from outside; decorators around it need functools.wraps.",
                    id="hookguard.W004",
                )
            )
        if settings.APPEND_SLASH and route.endswith("/"):
            messages.append(
                Warning(
                    f"the webhook at {route!r} ends with a slash: a delivery sent without it is answered by a redirect and lost",
                    hint="Give the provider the URL with the slash, or write the route without one. Silence this once done.",
                    id="hookguard.W005",
                )
            )
    return messages + _check_paths()


def check_deployment(**_: Any) -> list[CheckMessage]:
    """Check what matters behind a proxy, and say what the store promises."""
    try:
        found = endpoints().endpoints
        store = _store()
        promises = "" if store is None else describe(store.capabilities)
    except ConfigurationError:
        return []  # E001 says it
    messages: list[CheckMessage] = [
        Warning(
            f"endpoint {name!r} requires HTTPS and SECURE_PROXY_SSL_HEADER is not set",
            hint="Behind a proxy that ends TLS, set SECURE_PROXY_SSL_HEADER; otherwise silence this.",
            id="hookguard.W010",
        )
        for name, endpoint in found.items()
        if endpoint.require_https and settings.SECURE_PROXY_SSL_HEADER is None
    ]
    if promises:
        messages.append(Info(f"webhooks are claimed in {store!r}: {promises}", id="hookguard.I001"))
    return messages


def _promises() -> Capabilities | None:
    """What the store promises; ConfigurationError for a cache that loses events, or a database that is not there."""
    store = _store()
    return None if store is None else store.capabilities


def _store() -> Store | AsyncStore | None:
    """The store that endpoints use; None where there are none, and for the default file, which a check must not make."""
    found = endpoints()
    return found.store if found.names_store or (found.endpoints and uses_database()) else None


def _check_routers(store: Store | AsyncStore | None) -> list[CheckMessage]:
    """Effects are part of the claim's transaction only in the claim's own database."""
    alias = claims_alias(store) if isinstance(store, ORMTransactionStore) else None
    models = [model for model in apps.get_models() if model._meta.app_label != "hookguard" and model._meta.managed]
    if alias is None or not models or any(router.db_for_write(model) == alias for model in models):
        return []
    return [
        Warning(
            f"webhooks are claimed in the database {alias!r} and no model is written to it, so no effect can be part of a claim's"
            " transaction",
            hint="Give ORMTransactionStore the alias of the database that your views write to, and migrate hookguard there.",
            id="hookguard.W011",
        )
    ]


def _check_paths() -> list[CheckMessage]:
    """A path that leads nowhere guards nothing."""
    with suppress(ConfigurationError):  # E001 says it
        return [
            Warning(
                f"the path {path!r} in PATHS leads to no view, so it guards none",
                hint="Write it as the URLs do, from the first slash on, without the prefix that the server takes away.",
                id="hookguard.W012",
            )
            for path in paths()
            if view_at(path, get_resolver()) is None
        ]
    return []


def _misfit(view: Any, endpoint: str | Endpoint) -> str | None:
    """Why the endpoint is not there, or the store cannot serve this view, as far as that can be told without making a file."""
    try:
        known, promises = endpoints(), _promises()
    except ConfigurationError:
        return None  # E001 says it, once for all views
    try:
        if isinstance(endpoint, str):
            known.endpoint(endpoint)
        if promises is not None:
            (async_guard if iscoroutinefunction(view) else guard)(endpoint)
    except ConfigurationError as error:
        return str(error)
    return None


def _guarded_by_path() -> Iterator[tuple[str, Any, str | Endpoint]]:
    """What the middleware guards."""
    with suppress(ConfigurationError):  # E001 says it
        for path, endpoint in paths().items():
            view = view_at(path, get_resolver())
            if view is not None and not hasattr(view, MARK):
                yield path, view, endpoint


def _guarded(patterns: Sequence[Any], prefix: str = "") -> Iterator[tuple[str, Any, str | Endpoint]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _guarded(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            view = pattern.callback
            method = getattr(getattr(view, "view_class", None), "post", None) or getattr(getattr(view, "cls", None), "post", None)
            endpoint = getattr(view, MARK, getattr(method, MARK, None))
            if isinstance(endpoint, (str, Endpoint)):
                yield route, view, endpoint
