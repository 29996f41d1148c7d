"""Which guard stands before a request, known before anything of it has run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any, NamedTuple

from flask import Blueprint, Flask, Request

from hookguard_flask.guards import Guards, Named

__all__ = ["Mark", "guards_every_change", "mark_of", "marks_on", "set_mark"]

_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Mark(NamedTuple):
    """The note on a guarded view, blueprint or app: the endpoint, and the path prefix it is limited to."""

    endpoint: Named
    prefix: str = ""


def set_mark(owner: Any, mark: Mark) -> None:
    """Put a mark on a view, a blueprint or an app, beside those it has."""
    owner.__hookguard__ = (*marks_on(owner), mark)


def marks_on(owner: Any) -> tuple[Mark, ...]:
    """Return the marks of a view, a method, a blueprint or an app."""
    return getattr(owner, "__hookguard__", ())


def mark_of(app: Flask, request: Request) -> Mark | None:
    """Return the mark of the first guard the request meets."""
    owners = _owners(app, request.endpoint or "", request.method)
    return next((mark for owner in owners for mark in marks_on(owner) if request.path.startswith(mark.prefix)), None)


def guards_every_change(app: Flask, endpoint: str) -> bool:
    """Whether a view cannot be reached by any changing method, on any of its routes, but through a guard."""
    rules = list(app.url_map.iter_rules(endpoint))
    changing = [(rule.rule, method) for rule in rules for method in _CHANGING & (rule.methods or set())]
    return bool(changing) and all(
        any(path.startswith(mark.prefix) for owner in _owners(app, endpoint, method) for mark in marks_on(owner))
        for path, method in changing
    )


def unreachable_challenges(app: Flask, guards: Guards) -> Iterator[str]:
    """Say, for each guarded route, which methods of its provider's challenge it does not take."""
    for rule in app.url_map.iter_rules():
        taken = rule.methods or set()
        owners = {id(owner): owner for method in taken for owner in _owners(app, rule.endpoint, method)}
        for owner in owners.values():
            if isinstance(owner, Flask):
                continue  # asked before Flask looks at methods
            # Flask's own answer to OPTIONS comes between a blueprint and its views.
            by_flask = not isinstance(owner, Blueprint) and getattr(rule, "provide_automatic_options", False)
            for mark in marks_on(owner):
                methods = guards.endpoint(mark.endpoint).methods
                if missing := methods - (taken - {"OPTIONS"} if by_flask else taken):
                    yield (
                        f"{rule.rule} takes no {' and no '.join(sorted(missing))}, which the provider's challenge uses:"
                        f" give the route methods={sorted(methods)}"
                        + (" and provide_automatic_options=False" if "OPTIONS" in missing else "")
                    )


def _owners(app: Flask, endpoint: str, method: str) -> Iterator[Any]:
    """From the outside in: the app, the blueprints, the view, and a MethodView's method."""
    yield app
    for name in accumulate(endpoint.split(".")[:-1], "{}.{}".format):
        yield app.blueprints.get(name)
    view = app.view_functions.get(endpoint)
    yield view
    yield getattr(getattr(view, "view_class", None), method.lower(), None)
