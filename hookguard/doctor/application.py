"""The description of an application that the checks ask. A plugin makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from hookguard.config import Settings
from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError
from hookguard.remarks import Remark
from hookguard.store import AsyncStore, Store

__all__ = ["Application", "Finder", "Route", "remark_on", "remarks_on"]


@dataclass(frozen=True, slots=True)
class Route:
    """A guarded route: its path as the framework writes it, and its endpoint.

    ``methods`` are those that the route takes; None if it takes every method that the endpoint needs.
    """

    path: str
    endpoint: Endpoint
    methods: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Finder:
    """A function that finds remarks for some of the checks. It changes nothing."""

    checks: tuple[str, ...]
    find: Callable[[Application], Iterable[Remark]]


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application as the doctor sees it.

    - ``mistake``: the error that kept the settings from being read.
    - ``store``: None if it is not made yet, as the default file before the first delivery.
    - ``routes``: the guarded ones that the plugin found; ``lists_all`` says whether there can be no others.
    - ``slash_redirects``: whether the framework redirects a request that lacks the slash at the end.
    - ``finders``: the framework's own.
    - ``around``: makes the context in which the store is asked.
    - ``migration``: the command that makes the store's table.
    - ``debug``: whether the framework is in the mode for development, or for tests.
    - ``ends``: whether the process ends after the checks, so that the store is closed.
    """

    framework: str
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    silenced: Mapping[str, str] = field(default_factory=dict)
    mistake: ConfigurationError | None = None
    store: Store | AsyncStore | None = None
    routes: Sequence[Route] = ()
    lists_all: bool = True
    slash_redirects: bool = False
    finders: Sequence[Finder] = ()
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    migration: str = ""
    debug: bool = False
    ends: bool = False

    @classmethod
    def of(cls, framework: str, settings: Settings, **more: Any) -> Application:
        """Return the description of an application with these settings."""
        return cls(framework=framework, endpoints=settings.endpoints, silenced=settings.silenced, **more)

    def every_endpoint(self) -> list[Endpoint]:
        """Return the endpoints of the settings, and those that a route brings along."""
        found = [*self.endpoints.values(), *(route.endpoint for route in self.routes)]
        return list(dict.fromkeys(found))


def remark_on(error: ConfigurationError, check: str = "") -> Remark:
    """Return the remark on a configuration error. ``check`` is the id for an error that names none."""
    own = error.check if error.check != ConfigurationError.check else ""
    return Remark(own or check or error.check, str(error))


def remarks_on(error: ConfigurationError, check: str = "") -> Iterator[Remark]:
    """Yield a remark for each mistake in a configuration error."""
    for each in error.mistakes or (error,):
        yield remark_on(each, check)
