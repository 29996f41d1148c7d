"""System checks: what would go wrong at the first delivery is found by ``manage.py check``.

E001 the setting is wrong (the text says how) · W002 Django's body limit is under an endpoint's · W003 claims are kept in
memory only · W004 a guarded URL is not exempt from CSRF · W005 a guarded URL ends with a slash while APPEND_SLASH is on ·
W006 the middleware comes too late · W007 the logger is switched off · W008 (``--database``, and at ``migrate``) the table of
events is missing · W010 (``--deploy``) HTTPS is required and nothing says
how Django knows of it
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's own name
from django.urls import URLPattern, URLResolver, get_resolver

from hookguard import ConfigurationError, Endpoint, MemoryStore
from hookguard_django.conf import default_path, endpoints, paths, uses_database
from hookguard_django.decorator import MARK
from hookguard_django.stores import CacheStore, ORMStore, ORMTransactionStore
from hookguard_django.stores.running import TABLE, connection_to

__all__ = ["check_deployment", "check_settings", "check_tables", "check_urls"]

_MIDDLEWARE = "hookguard_django.middleware.WebhookMiddleware"
_CSRF = "django.middleware.csrf.CsrfViewMiddleware"


def check_settings(**_: Any) -> list[CheckMessage]:
    """Check the ``HOOKGUARD`` setting by building everything it says."""
    try:
        found = endpoints()
        paths()
        # The default store is a file, which a check should not leave behind.
        store = found.store if found.names_store else None
        if found.endpoints and store is None and not uses_database():
            default_path()
        if isinstance(store, CacheStore):
            store.check()
    except ConfigurationError as error:
        return [Error(str(error), id="hookguard.E001")]
    messages: list[CheckMessage] = []
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
    if found.endpoints and isinstance(store, MemoryStore):
        messages.append(
            Warning(
                "webhook claims are kept in memory: a restart forgets them, and every process has its own",
                hint='Leave STORE out, or set "STORE": "sqlite:////path/to/file".',
                id="hookguard.W003",
            )
        )
    middleware = list(settings.MIDDLEWARE)
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


def check_tables(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that the table of events is where the store looks for it."""
    try:
        store = endpoints().store if endpoints().endpoints and (endpoints().names_store or uses_database()) else None
    except ConfigurationError:
        return []  # E001 says it
    if not isinstance(store, (ORMStore, ORMTransactionStore)):
        return []
    connection = connection_to(store.using)
    if databases is None or connection.alias not in databases or TABLE in connection.introspection.table_names():
        return []
    return [
        Warning(
            f"the database {connection.alias!r} has no table {TABLE!r}, so every delivery is answered 503",
            hint=f"Run manage.py migrate hookguard --database {connection.alias}.",
            id="hookguard.W008",
        )
    ]


def check_urls(**_: Any) -> list[CheckMessage]:
    """Check every URL whose view is guarded."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    messages: list[CheckMessage] = []
    try:
        found = list(_guarded(get_resolver().url_patterns))
    except Exception as error:  # whatever the project's own modules raise while they are imported
        return [Warning(f"the URLconf could not be read, so webhook URLs were not checked: {error}", id="hookguard.W004")]
    for route, view in found:
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
    return messages


def check_deployment(**_: Any) -> list[CheckMessage]:
    """Check what matters behind a proxy."""
    try:
        found = endpoints().endpoints
    except ConfigurationError:
        return []  # E001 says it
    return [
        Warning(
            f"endpoint {name!r} requires HTTPS and SECURE_PROXY_SSL_HEADER is not set",
            hint="Behind a proxy that ends TLS, set SECURE_PROXY_SSL_HEADER; otherwise silence this.",
            id="hookguard.W010",
        )
        for name, endpoint in found.items()
        if endpoint.require_https and settings.SECURE_PROXY_SSL_HEADER is None
    ]


def _guarded(patterns: Sequence[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _guarded(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            view = pattern.callback
            method = getattr(getattr(view, "view_class", None), "post", None) or getattr(getattr(view, "cls", None), "post", None)
            if isinstance(getattr(view, MARK, getattr(method, MARK, None)), (str, Endpoint)):
                yield route, view
