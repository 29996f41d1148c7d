"""The ``HOOKGUARD`` setting, read when it is first needed and again when a test overrides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import update_wrapper
from pathlib import Path
from threading import RLock
from typing import Any, Generic, ParamSpec, TypeVar, Union, cast

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.db import close_old_connections
from django.dispatch import receiver
from django.urls import Resolver404, URLResolver
from django.utils import translation

from hookguard import AsyncGuard, AsyncStore, ConfigurationError, Endpoint, Guard, SQLiteStore, Store
from hookguard.config import Settings
from hookguard_django.signals import send_outcome
from hookguard_django.stores import ORMStore, ORMTransactionStore
from hookguard_django.stores.running import connection_to

__all__ = [
    "Named",
    "async_guard",
    "claims_alias",
    "claims_database",
    "default_path",
    "endpoints",
    "guard",
    "guarded_views",
    "paths",
    "uses_database",
    "view_at",
]

#: What names an endpoint: its name in the settings, or an Endpoint.
Named = Union[str, Endpoint]


P = ParamSpec("P")
R = TypeVar("R")

#: One for all, and to be entered again, because one thing is made of the other.
_making = RLock()


class _Once(Generic[P, R]):
    """A function whose results are kept; unlike ``functools.cache``, first calls at the same time get the same result."""

    def __init__(self, make: Callable[P, R]) -> None:
        self._make = make
        self._made: dict[tuple[Any, ...], R] = {}
        update_wrapper(self, make)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        key = (args, *kwargs.items())
        try:
            return self._made[key]
        except KeyError:
            pass  # what is raised below is no consequence of it
        with _making:
            if key not in self._made:
                self._made[key] = self._make(*args, **kwargs)
            return self._made[key]

    def cache_clear(self) -> None:
        """Forget every result."""
        with _making:
            self._made.clear()


@_Once
def endpoints() -> Settings:
    """Return every endpoint of the project; ConfigurationError says what is wrong with the setting."""
    given = getattr(settings, "HOOKGUARD", {})
    if isinstance(given, Mapping):
        given = {key: value for key, value in given.items() if str(key).upper() != "PATHS"}
    return Settings(given, where="settings.HOOKGUARD", default_store=_project_store, observers=[send_outcome])


@_Once
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


@_Once
def guarded_views(resolver: URLResolver) -> dict[Any, set[str]]:
    """Return the views that PATHS lead to in these URLs, each with its endpoints' names."""
    views: dict[Any, set[str]] = {}
    for path, name in paths().items():
        if (view := view_at(path, resolver)) is not None:
            views.setdefault(view, set()).add(name)
    return views


def view_at(path: str, resolver: URLResolver) -> Any:
    """Return the view that a path leads to, in the language that the path names; None when it leads nowhere."""
    with translation.override(translation.get_language_from_path(path) or settings.LANGUAGE_CODE), suppress(Resolver404):
        return resolver.resolve(path).func
    return None


@_Once
def guard(named: Named) -> Guard:
    """Return the guard of an endpoint for synchronous views."""
    return Guard(_endpoint(named), cast("Store", endpoints().store))


@_Once
def async_guard(named: Named) -> AsyncGuard:
    """Return the guard of an endpoint for asynchronous views."""
    if isinstance(endpoints().store, ORMTransactionStore):
        raise ConfigurationError(
            f"{endpoints().store!r} begins its transaction in the view's own thread, and an asynchronous view has none: write the"
            " view with def, which Django serves under ASGI too, or use ORMStore"
        )
    return AsyncGuard(_endpoint(named), endpoints().store, in_thread=_in_thread)


def _endpoint(named: Named) -> Endpoint:
    return named if isinstance(named, Endpoint) else endpoints().endpoint(named)


async def _in_thread(call: Callable[[], Any]) -> Any:
    def alone() -> Any:
        try:
            return call()
        finally:
            # Such a thread sees no end of a request, at which Django would look after its connections.
            close_old_connections()

    # Not thread-sensitive: the store is safe to share, and must not queue behind the ORM's one thread.
    return await sync_to_async(alone, thread_sensitive=False)()


def claims_alias(store: Store | AsyncStore) -> str | None:
    """Return the database that a store of ours keeps its claims in; None for any other store."""
    return connection_to(store.using).alias if isinstance(store, (ORMStore, ORMTransactionStore)) else None


def claims_database() -> str:
    """Return the database whose table of events people look at: the store's, or where the routers put it."""
    store = endpoints().store if endpoints().names_store else None
    return (None if store is None else claims_alias(store)) or connection_to(None).alias


def uses_database() -> bool:
    """Whether claims are kept in the project's database when the setting names no store."""
    engine = settings.DATABASES.get("default", {}).get("ENGINE", "")
    return apps.is_installed("hookguard_django") and engine not in ("", "django.db.backends.dummy")


def default_path() -> Path:
    """Return where claims are kept when the setting names no store; ConfigurationError when there is no such place."""
    folder = getattr(settings, "BASE_DIR", None)
    if folder is None:
        raise ConfigurationError(
            'settings.HOOKGUARD has no STORE and there is no BASE_DIR to keep one in: set "STORE": "sqlite:////path/to/file"'
        )
    return Path(folder) / "hookguard.sqlite3"


def _project_store() -> Store:
    """The project's own database, where this app and its table belong to the project; else a file beside it."""
    return ORMStore() if uses_database() else SQLiteStore(default_path())


@receiver(setting_changed)
def _forget(*, setting: str, **_: Any) -> None:
    if setting in ("HOOKGUARD", "BASE_DIR"):
        for remembered in (endpoints, paths, guarded_views, guard, async_guard):
            remembered.cache_clear()
