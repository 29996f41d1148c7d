"""An application and its HookGuard, found by the names that a command is given."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Protocol, cast, runtime_checkable

import click

from hookguard import ConfigurationError
from hookguard.cli.inputs import with_working_directory
from hookguard.doctor.application import Application

__all__ = ["application_of", "describe", "load", "only_hooks"]


@runtime_checkable
class Described(Protocol):
    """A plugin's HookGuard."""

    def describe(self, app: Any) -> Application:
        """Return the application's description."""


def describe(application: str | None, hooks: str | None, django: str) -> Application:
    """Return the description of an application that ``module:name`` names, or of the project of DJANGO_SETTINGS_MODULE.

    A mistake in its settings is in the description. ``django`` is the command of a Django project, for the error; "" reads a
    Django project here.
    """
    if application is None:
        if not os.environ.get("DJANGO_SETTINGS_MODULE"):
            raise click.UsageError("name the application: --app module:name. For a Django project, set DJANGO_SETTINGS_MODULE")
        return _django_project()
    try:
        module, app = load(application)
    except ConfigurationError as error:
        return Application(framework=application, mistake=error)
    if hooks is None and not django and type(app).__module__.startswith("django."):
        return _django_project()
    found = load(hooks)[1] if hooks is not None else only_hooks(module, app, "describe", django or "project needs no --app")
    if not isinstance(found, Described):
        raise click.UsageError(f"--hooks {hooks} is {type(found).__name__}: name the HookGuard of the application")
    return found.describe(app)


@contextmanager
def application_of(application: str | None, hooks: str | None) -> Iterator[Application]:
    """Give the description of an application whose settings are right. Their warnings are left to the doctor.

    Raises its ConfigurationError otherwise.
    """
    with_working_directory()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = describe(application, hooks, "")
        if found.mistake is not None:
            raise found.mistake
        yield found


def _django_project() -> Application:
    """Return the description of the project that DJANGO_SETTINGS_MODULE names. By name: the core imports no framework."""
    try:
        importlib.import_module("django").setup()
        plugin = importlib.import_module("hookguard_django.doctor")
    except ModuleNotFoundError as missing:
        raise click.UsageError(f"the Django project cannot be loaded: {missing}") from None
    return cast("Application", plugin.describe())


def load(path: str) -> tuple[ModuleType, Any]:
    """Return a module and the object in it that ``module:name`` names; with ``()`` behind it, the function's result."""
    name, colon, inner = path.partition(":")
    if not name or not colon or not inner:
        raise click.UsageError(f"{path!r} is not of the form module:name, such as main:app")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name is None or not f"{name}.".startswith(f"{missing.name}."):
            raise  # the module itself lacks a package
        raise click.UsageError(f"the module {name!r} was not found in the working directory or among the packages") from None
    found: Any = module
    for part in inner.removesuffix("()").split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise click.UsageError(f"{path!r}: {name} has no {part!r}") from None
    return module, cast("Callable[[], Any]", found)() if inner.endswith("()") else found


def only_hooks(module: ModuleType, app: Any, needed: str, django: str) -> Any:
    """Return the module's only HookGuard, or the one that a Flask application knows.

    ``needed`` is the method that it must have. ``django`` is the command of a Django project, for the error.
    """
    known = getattr(app, "extensions", {})
    if isinstance(known, dict) and hasattr(found := known.get("hookguard"), needed):
        return found
    # Their classes are asked: a proxy such as current_webhook raises an error here.
    named = {name: value for name, value in vars(module).items() if hasattr(type(value), needed)}
    if len({id(value) for value in named.values()}) == 1:
        return next(iter(named.values()))
    why = f"{module.__name__} has several: {', '.join(sorted(named))}" if named else f"{module.__name__} has no HookGuard"
    raise ConfigurationError(f"{why}. Name it with --hooks module:name; a Django project's {django}")
