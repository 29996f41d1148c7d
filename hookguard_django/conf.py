"""The ``HOOKGUARD`` setting, read at its first use, and again when a test overrides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import update_wrapper
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, Union

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.db import close_old_connections
from django.dispatch import receiver
from django.urls import Resolver404, URLResolver
from django.utils import translation
from django.utils.module_loading import import_string

from hookguard import AsyncGuard, AsyncStore, ConfigurationError, Endpoint, Guard, SQLiteStore, Store
from hookguard.config import Guards, Settings
from hookguard.process.locks import Lock
from hookguard.record import hides_arguments
from hookguard_django.signals import send_outcome
from hookguard_django.stores import ORMStore, ORMTransactionStore
from hookguard_django.stores.connection import connection_to

__all__ = [
    "Named",
    "Once",
    "async_guard_for",
    "claims_alias",
    "claims_database",
    "default_path",
    "endpoints",
    "guard_for",
    "guarded_requests",
    "guarded_views",
    "in_thread",
    "paths",
    "uses_database",
    "uses_inbox",
    "view_at",
]

#: An endpoint, or its name in the settings.
Named = Union[str, Endpoint]


P = ParamSpec("P")
R = TypeVar("R")

#: One reentrant lock for all, because one result is made of another.
_making = Lock(reentrant=True)


#: Every cached function of the plugin.
_remembering: list[Once[..., Any]] = []


class Once(Generic[P, R]):
    """A cached function, cleared when a test overrides the setting.

    Unlike with ``functools.cache``, concurrent first calls get the same result.
    """

    def __init__(self, make: Callable[P, R]) -> None:
        self._make = make
        self._made: dict[tuple[Any, ...], R] = {}
        update_wrapper(self, make)
        _remembering.append(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result, made by the first call."""
        key = (args, *kwargs.items())
        try:
            return self._made[key]
        except KeyError:
            pass  # not the cause of errors below
        with _making:
            if key not in self._made:
                self._made[key] = self._make(*args, **kwargs)
            return self._made[key]

    def cache_clear(self) -> None:
        """Forget every result."""
        with _making:
            self._made.clear()


@Once
@hides_arguments
def endpoints() -> Settings:
    """Return every endpoint of the project. Raises ConfigurationError, which names the mistake in the setting."""
    given = getattr(settings, "HOOKGUARD", {})
    if isinstance(given, Mapping):
        given = {key: value for key, value in given.items() if str(key).upper() != "PATHS"}
    return Settings(given, where="settings.HOOKGUARD", default_store=_project_store, observers=[send_outcome])


@Once
def paths() -> dict[str, str]:
    """Return the paths that the middleware guards, each with its endpoint's name."""
    known = endpoints()
    given = getattr(settings, "HOOKGUARD", {})
    found: Any = next((value for key, value in given.items() if str(key).upper() == "PATHS"), {})
    if not isinstance(found, Mapping):
        raise ConfigurationError("settings.HOOKGUARD: PATHS must map paths to endpoint names")
    for path, name in found.items():
        if not str(path).startswith("/"):
            raise ConfigurationError(f"settings.HOOKGUARD: the path {path!r} must start with a slash")
        known.endpoint(name)
    return dict(found)


@Once
def guarded_views(resolver: URLResolver) -> dict[Any, set[str]]:
    """Return the views that PATHS lead to in these URLs, each with its endpoints' names."""
    views: dict[Any, set[str]] = {}
    for path, name in paths().items():
        # With or without the slash at the end: a path that leads to no view guards none.
        other = path[:-1] if path.endswith("/") else f"{path}/"
        if (view := view_at(path, resolver) or view_at(other, resolver)) is not None:
            views.setdefault(view, set()).add(name)
    return views


#: The endpoints of requests that came, by path, view and URLs; None for a request that is not guarded.
guarded_requests: dict[tuple[str, Any, URLResolver], str | None] = {}


def view_at(path: str, resolver: URLResolver) -> Any:
    """Return the view at a path, in the path's language; None if the path leads to no view."""
    with translation.override(translation.get_language_from_path(path) or settings.LANGUAGE_CODE), suppress(Resolver404):
        return resolver.resolve(path).func
    return None


@Once
def guard_for(named: Named) -> Guard:
    """Return the guard of an endpoint for synchronous views."""
    return _guards().guard_for(named)


@Once
def async_guard_for(named: Named) -> AsyncGuard:
    """Return the guard of an endpoint for asynchronous views."""
    return _async_guards().guard_for(named)


@Once
def _guards() -> Guards[Guard]:
    return Guards(_with_inbox(), Guard)


@Once
def _async_guards() -> Guards[AsyncGuard]:
    return Guards(_with_inbox(), _make_async_guard)


def _with_inbox() -> Settings:
    """Return the endpoints; an ORM store knows of its inbox by then: its check is made once, also for an endpoint without one."""
    found = endpoints()
    if uses_inbox() and isinstance(found.store, (ORMStore, ORMTransactionStore)):
        found.store.inbox()
    return found


def uses_inbox() -> bool:
    """Return whether an endpoint has an inbox."""
    return any(endpoint.inbox is not None for endpoint in endpoints().endpoints.values())


def _make_async_guard(endpoint: Endpoint, store: Store | AsyncStore) -> AsyncGuard:
    if isinstance(store, ORMTransactionStore):
        raise ConfigurationError(
            f"{store!r} begins its transaction in the view's own thread, and an asynchronous view has none: write the view with"
            " def, which Django serves under ASGI too, or use ORMStore"
        )
    return AsyncGuard(endpoint, store, in_thread=in_thread)


async def in_thread(call: Callable[[], Any]) -> Any:
    """Call in a thread of its own, and close its old connections."""

    def alone() -> Any:
        try:
            return call()
        finally:
            # Django cleans up connections at the end of a request, which this thread never has.
            close_old_connections()

    # Not thread-sensitive: threads may share the store, and it must not queue behind the ORM's one thread.
    return await sync_to_async(alone, thread_sensitive=False)()


def claims_alias(store: Store | AsyncStore) -> str | None:
    """Return the alias of the database of an ORM store's claims; None for any other store."""
    return connection_to(store.using).alias if isinstance(store, (ORMStore, ORMTransactionStore)) else None


def need_app() -> None:
    """Raise ConfigurationError if the setting names an ORM store and our app, which has its table, is not installed.

    Without the app its checks are not registered, so each guarded view calls this when it is made.
    """
    if not apps.ready or apps.is_installed("hookguard_django"):
        return
    given = getattr(settings, "HOOKGUARD", {})
    store: Any = next((value for key, value in given.items() if str(key).upper() == "STORE"), None)
    if isinstance(store, str) and store.startswith("hookguard_django.stores."):
        store = import_string(store)
    kind = store if isinstance(store, type) else type(store)
    if issubclass(kind, (ORMStore, ORMTransactionStore)):
        raise ConfigurationError(
            f'settings.HOOKGUARD: the table of {kind.__name__} belongs to an app that is not installed: add "hookguard_django" to'
            " INSTALLED_APPS and run manage.py migrate"
        )


def claims_database() -> str:
    """Return the alias of the database whose events the admin shows: the store's, or else the routers' choice."""
    store = endpoints().store if endpoints().names_store else None
    return (None if store is None else claims_alias(store)) or connection_to(None).alias


def uses_database() -> bool:
    """Return whether claims go to the project's database if the setting names no store."""
    engine = settings.DATABASES.get("default", {}).get("ENGINE", "")
    return apps.is_installed("hookguard_django") and engine not in ("", "django.db.backends.dummy")


def default_path() -> Path:
    """Return the default store's file. Raises ConfigurationError if there is no BASE_DIR for it."""
    folder = getattr(settings, "BASE_DIR", None)
    if folder is None:
        raise ConfigurationError(
            'settings.HOOKGUARD has no STORE and there is no BASE_DIR to keep one in: set "STORE": "sqlite:////path/to/file"'
        )
    return Path(folder) / "hookguard.sqlite3"


def _project_store() -> Store:
    """Return a store in the project's database if this app is installed, else one in a file in BASE_DIR."""
    return ORMStore() if uses_database() else SQLiteStore(default_path())


@receiver(setting_changed)
def _forget(*, setting: str, **_: Any) -> None:
    if setting in ("HOOKGUARD", "BASE_DIR"):
        for remembered in _remembering:
            remembered.cache_clear()
        guarded_requests.clear()
