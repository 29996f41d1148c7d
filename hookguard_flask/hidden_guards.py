"""Guards that no route leads to, while a route leads to what they were put around.

A decorator without ``functools.wraps``, a second ``as_view()``, or an object without attributes hides the view from the note
that a guard leaves on it. The guarded object of such a guard is found by its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType, MethodType
from typing import Any

from flask import Flask

from hookguard import ConfigurationError
from hookguard_flask.guards import Wrapping
from hookguard_flask.routes import guards_every_change

__all__ = ["reject_hidden_guards"]


def reject_hidden_guards(app: Flask, wrappings: Iterable[Wrapping]) -> None:
    """Raise ConfigurationError where a route leads to a view whose guard no route of the app leads to."""
    views = app.view_functions
    reached = {id(part) for view in views.values() for part in _parts(view, through_all=True)}
    for guarded, view, named in wrappings:
        if id(guarded) in reached:
            continue
        inside = {id(part) for part in _parts(view)}
        for name, routed in views.items():
            if any(id(part) in inside for part in _parts(routed)) and not guards_every_change(app, name):
                paths = ", ".join(rule.rule for rule in app.url_map.iter_rules(name)) or name
                raise ConfigurationError(
                    f"the route {paths} leads to {routed!r} and no route leads to its guard, so that forged deliveries would run"
                    f" it: put @hooks.guard({getattr(named, 'name', named)!r}) under the route",
                    check="U4",
                )


def _parts(view: Any, *, through_all: bool = False) -> Iterator[Any]:
    """A view and what it runs: what it was decorated around, its class, and that class's methods.

    Of what a function closes over, only what a decorator does counts, unless it is to be found out what a route may reach.
    """
    left, seen = [view], set()
    while left:
        part = left.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        left += [getattr(part, "__wrapped__", None), getattr(part, "view_class", None)]
        if isinstance(part, partial):
            left.append(part.func)
        elif isinstance(part, MethodType):
            left.append(part.__func__)
        elif isinstance(part, FunctionType) and (through_all or part.__code__.co_flags & (CO_VARARGS | CO_VARKEYWORDS)):
            left += [cell for cell in _closed_over(part) if callable(cell)]
        elif isinstance(part, type) and through_all:
            left += [getattr(part, method, None) for method in ("dispatch_request", "get", "post", "put", "patch", "delete")]
        left = [each for each in left if each is not None]


def _closed_over(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue  # not filled yet
