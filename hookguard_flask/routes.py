"""Which guard stands before a request, known before anything of it has run, and which routes lead past one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial, wraps
from itertools import accumulate
from typing import Any, NamedTuple

from flask import Blueprint, Flask, Request
from flask.views import MethodView
from werkzeug.routing import Rule

from hookguard import ConfigurationError
from hookguard.head.spelling import any_spelling_begins
from hookguard.remarks import Remark
from hookguard.remarks.routes import missing_methods
from hookguard_flask.guards import AppGuards, Named

__all__ = [
    "Mark",
    "all_marks",
    "guards_every_change",
    "lets_through",
    "marks_before",
    "marks_on",
    "reject_routes_past_guards",
    "set_mark",
    "set_wrapped",
    "settle_options",
    "unreachable_challenges",
    "watch_routes",
]

_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_READING = ("GET", "HEAD", "OPTIONS")
#: The methods of a rule that names none, which takes all.
_EVERY = _CHANGING | set(_READING)


class Mark(NamedTuple):
    """The note on a guarded view, blueprint or app: the endpoint, and the path prefix it is limited to."""

    endpoint: Named
    prefix: str = ""

    def covers(self, path: str) -> bool:
        """Whether the path is below the prefix, however it is spelled: routes may overlook case, slashes and escapes."""
        return not self.prefix or any_spelling_begins(path, self.prefix)


def set_mark(owner: Any, mark: Mark) -> None:
    """Put a mark on a view, a blueprint or an app, beside those it has."""
    owner.__hookguard__ = (*marks_on(owner), mark)


def marks_on(owner: Any) -> tuple[Mark, ...]:
    """Return the marks of a view, a method, a blueprint or an app."""
    return getattr(owner, "__hookguard__", ())


def marks_before(app: Flask, guards: AppGuards, request: Request) -> tuple[Mark, ...]:
    """Return the marks of the guards before a request's route, from the outside in; each may be limited to a path."""
    rule = request.url_rule
    place = (rule.endpoint if rule is not None else "", request.method)
    # Every request asks, webhook or not. To read the owners' marks each time cost 5 % of another route.
    if (known := guards.marks.get(place)) is None:
        known = tuple(mark for owner in _owners(app, *place) for mark in marks_on(owner))
        if request.method in _EVERY:  # a sender may invent as many others as it likes
            guards.marks[place] = known
    return known


def guards_every_change(app: Flask, endpoint: str) -> bool:
    """Whether a view cannot be reached by any changing method, on any of its routes, but through a guard."""
    rules = list(app.url_map.iter_rules(endpoint))
    changing = [(rule.rule, method) for rule in rules for method in _CHANGING & (rule.methods or _EVERY)]
    return bool(changing) and all(
        any(mark.covers(path) for owner in _owners(app, endpoint, method) for mark in marks_on(owner))
        for path, method in changing
    )


def all_marks(app: Flask) -> Iterator[tuple[Rule, Mark]]:
    """Yield each rule whose views can be changed through a guard, with the guard's mark."""
    for rule in app.url_map.iter_rules():
        methods = sorted(_CHANGING & (rule.methods or _EVERY))
        owners = (owner for method in methods for owner in _owners(app, rule.endpoint, method))
        found = dict.fromkeys(mark for owner in owners for mark in marks_on(owner) if mark.covers(rule.rule))
        yield from ((rule, mark) for mark in found)


def unreachable_challenges(app: Flask, guards: AppGuards) -> Iterator[Remark]:
    """Yield a remark on each guarded route that does not take a method of its provider's challenge."""
    for rule in app.url_map.iter_rules():
        taken = rule.methods or _EVERY
        owners = {id(owner): owner for method in taken for owner in _owners(app, rule.endpoint, method)}
        for owner in owners.values():
            if isinstance(owner, Flask):
                continue  # asked before Flask checks methods
            # Flask's own answer to OPTIONS comes between a blueprint and its views.
            by_flask = not isinstance(owner, Blueprint) and getattr(rule, "provide_automatic_options", False)
            for mark in marks_on(owner):
                endpoint = guards.endpoint(mark.endpoint)
                reached = taken - {"OPTIONS"} if by_flask else taken
                if missing := endpoint.methods - reached:
                    advice = " and provide_automatic_options=False" if "OPTIONS" in missing else ""
                    yield missing_methods(rule.rule, reached, endpoint.preset.methods, endpoint.methods, advice)


def lets_through(method: str, provider: Collection[str]) -> bool:
    """Whether ``protect()`` lets a method through unguarded: one that reads, and that the provider does not use."""
    # Flask answers HEAD by the view for GET.
    return method in _READING and method not in provider and not (method == "HEAD" and "GET" in provider)


def set_wrapped(view: Callable[..., Any], guarded: Any, named: Named) -> None:
    """Remember on a view, and on what it wraps itself, that a guard stands around it: a route to it leads past the guard."""
    for inner in _inside(view):
        with suppress(AttributeError):  # such as a callable object with slots
            getattr(inner, "__func__", inner).__hookguard_wrapped__ = named
    # functools.wraps copies it from a view that is guarded twice.
    vars(guarded).pop("__hookguard_wrapped__", None)


def reject_routes_past_guards(app: Flask, guards: AppGuards, endpoint: str | None = None) -> None:
    """Raise ConfigurationError where a route leads to a view past its guard: of one of Flask's endpoints, or of all."""
    for name in list(app.view_functions) if endpoint is None else [endpoint]:
        view = app.view_functions.get(name)
        if (named := _wrapped_by(view)) is not None:
            paths = ", ".join(rule.rule for rule in app.url_map.iter_rules(name)) or name
            raise ConfigurationError(
                f"the route {paths} leads to {_dotted(view)} past its guard, so that forged deliveries would run it: put"
                f" @hooks.guard({getattr(named, 'name', named)!r}) under the route",
                check="U4",
            )
    _check_reading(app, guards, app.url_map.iter_rules(endpoint))


def settle_options(app: Flask) -> None:
    """Settle for each route whether Flask answers OPTIONS itself: Flask asks on every request, and a guard has to look it up."""
    for rule in app.url_map.iter_rules():
        if (asked := getattr(rule, "provide_automatic_options", None)) is not None:
            rule.provide_automatic_options = bool(asked)  # type: ignore[attr-defined]  # Flask's own attribute


def watch_routes(app: Flask, guards: AppGuards) -> None:
    """Check each route that the app gets from now on, those of blueprints too."""
    add_url_rule = app.add_url_rule

    @wraps(add_url_rule)
    def add_and_check(rule: str, endpoint: str | None = None, view_func: Any = None, *args: Any, **options: Any) -> None:
        add_url_rule(rule, endpoint, view_func, *args, **options)
        reject_routes_past_guards(app, guards, endpoint or view_func.__name__)  # Flask's own rule for routes without a name

    app.add_url_rule = add_and_check  # type: ignore[method-assign]  # Flask tells nobody of a new route


def _dotted(view: Any) -> str:
    """Return the name of a view for people; an object without one is shown as it is."""
    named = next((inner for inner in _inside(view) if hasattr(inner, "__qualname__")), None)
    return repr(view) if named is None else f"{named.__module__}.{named.__qualname__}"


def _check_reading(app: Flask, guards: AppGuards, rules: Iterable[Rule]) -> None:
    """Find what ``protect()`` guards for one method and lets through for another."""
    guarded: set[int] = set()
    let_through: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for rule in rules:
        for method in rule.methods or _EVERY:
            if method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
                continue
            owners = list(_owners(app, rule.endpoint, method))
            marks = [mark for owner in owners[:-2] for mark in marks_on(owner) if _may_begin(rule.rule, mark.prefix)]
            if not marks or any(marks_on(owner) for owner in owners[-2:]):  # the view's own guard lets nothing through
                continue
            handler = id(_handler(app.view_functions.get(rule.endpoint), method))
            if any(not lets_through(method, guards.endpoint(mark.endpoint).methods) for mark in marks):
                guarded.add(handler)
            else:
                let_through[handler].append((method, rule.rule))
    for handler in guarded & let_through.keys():
        method, path = min(let_through[handler])
        raise ConfigurationError(
            f"protect() lets {method} through, and {path} runs by {method} the same view that it guards for other methods:"
            " give the two methods a view each, or put @hooks.guard(name) under the route",
            check="U4",
        )


def _handler(view: Any, method: str) -> Any:
    """The function that answers a method, without its decorators."""
    cls = getattr(view, "view_class", None)
    if cls is not None and issubclass(cls, MethodView):
        view = getattr(cls, method.lower(), None) or (getattr(cls, "get", None) if method == "HEAD" else None)
    return [None, *_inside(view)][-1]


def _may_begin(rule: str, prefix: str) -> bool:
    """Whether a path of this rule may begin with the prefix."""
    fixed = rule.partition("<")[0]
    return any_spelling_begins(fixed, prefix) or (fixed != rule and any_spelling_begins(prefix, fixed))


def _wrapped_by(view: Any) -> Named | None:
    """The guard that a view was put under, where the view is reached without it."""
    for inner in _inside(view):
        if (named := getattr(inner, "__hookguard_wrapped__", None)) is not None:
            return named  # type: ignore[no-any-return]
        if marks_on(inner):
            return None
    return None


def _inside(view: Any) -> Iterator[Any]:
    """A view, what it was decorated around, and so on."""
    while view is not None:
        yield view
        view = getattr(view, "__wrapped__", view.func if isinstance(view, partial) else None)


def _owners(app: Flask, endpoint: str, method: str) -> Iterator[Any]:
    """From the outside in: the app, the blueprints, the view, and a MethodView's method."""
    yield app
    for name in accumulate(endpoint.split(".")[:-1], "{}.{}".format):
        yield app.blueprints.get(name)
    view = app.view_functions.get(endpoint)
    yield view
    yield getattr(getattr(view, "view_class", None), method.lower(), None)
