"""A Flask application as the doctor sees it, and the checks that only Flask can answer."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from hookguard import ConfigurationError
from hookguard.doctor import Application, Finder, Route
from hookguard.doctor.addresses import unknown_hosts
from hookguard.doctor.application import remark_on
from hookguard.doctor.sources import reads_body, requires_login
from hookguard.guard.limits import smaller_limits
from hookguard.remarks import Remark
from hookguard_flask.csrf import exempt_guarded, not_exempt
from hookguard_flask.guards import STORE_FILE, AppGuards, body_limit, guards_of
from hookguard_flask.hidden_guards import reject_hidden_guards
from hookguard_flask.routes import all_marks, reject_routes_past_guards, unreachable_challenges

__all__ = ["describe"]


def describe(app: Flask) -> Application:
    """Return the description of an app that the extension knows."""
    guards = guards_of(app)
    settings = guards.settings
    # The default store makes a file, which a check must not leave behind.
    made = settings.names_store or Path(app.instance_path, STORE_FILE).exists()
    return Application.of(
        "Flask",
        settings,
        store=settings.store if made else None,
        routes=list(_routes(app, guards)),
        slash_redirects=any(rule.strict_slashes is not False for rule in app.url_map.iter_rules()),
        around=app.app_context,
        debug=app.debug or app.testing,
        finders=(
            Finder(("C2",), lambda _: _unknown(app, guards)),
            Finder(("U4",), lambda _: _past_guards(app, guards)),
            Finder(("W1",), lambda _: _body_readers(app)),
            Finder(("W2",), lambda application: _in_front(app, application)),
            Finder(("W3",), lambda application: _limits(app, application)),
            Finder(("W5",), lambda _: _challenges(app, guards)),
            Finder(("N1",), lambda application: _proxies(app, application)),
        ),
    )


def _routes(app: Flask, guards: AppGuards) -> Iterator[Route]:
    for rule, mark in all_marks(app):
        with suppress(ConfigurationError):  # C2 reports it
            yield Route(rule.rule, guards.endpoint(mark.endpoint))


def _unknown(app: Flask, guards: AppGuards) -> Iterator[Remark]:
    for rule, mark in all_marks(app):
        try:
            guards.guard_for(mark.endpoint) if guards.settings.names_store else guards.endpoint(mark.endpoint)
        except ConfigurationError as error:
            yield remark_on(error, "C2")._replace(sentence=f"the webhook at {rule.rule!r} cannot be served: {error}")


def _past_guards(app: Flask, guards: AppGuards) -> Iterator[Remark]:
    try:
        reject_routes_past_guards(app, guards)
        reject_hidden_guards(app, guards.wrappings)
    except ConfigurationError as error:
        yield remark_on(error, "U4")


def _challenges(app: Flask, guards: AppGuards) -> Iterator[Remark]:
    with suppress(ConfigurationError):  # C2 reports an unknown endpoint
        yield from unreachable_challenges(app, guards)


def _middleware(app: Flask) -> Iterator[Any]:
    """Yield what stands before the app, from the outside in: a middleware that keeps what it wraps as ``app`` or ``wsgi_app``."""
    outer: Any = app.wsgi_app
    seen = {id(app)}  # a middleware may keep the app itself, whose wsgi_app is the middleware
    while outer is not None and id(outer) not in seen and getattr(outer, "__self__", None) is not app:
        yield outer
        seen.add(id(outer))
        kept = [getattr(outer, name, None) for name in ("app", "wsgi_app")]
        outer = next((each for each in kept if each is not None and each is not app), None)


def _body_readers(app: Flask) -> Iterator[Remark]:
    for middleware in _middleware(app):
        kind = middleware if inspect.isfunction(middleware) else type(middleware)
        if not kind.__module__.startswith("werkzeug.") and reads_body(kind, "wsgi.input"):
            yield Remark("W1", f"{kind.__module__}.{kind.__qualname__} reads wsgi.input before the app, so the body may be empty")


def _in_front(app: Flask, application: Application) -> Iterator[Remark]:
    if not application.routes:
        return
    exempt_guarded(app)
    for view in not_exempt(app):
        yield Remark(
            "W2",
            f"the guarded view {view} has the name of another view, so CSRFProtect cannot exempt it: every delivery gets 400",
            "Give the two views names of their own",
        )
    for function in _before_requests(app):
        name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
        if not name.startswith("hookguard_flask.") and requires_login(function):
            yield Remark(
                "W2",
                f"before_request runs {name}, which requires a login that no provider has",
                "Let it return None for the webhooks' paths. Silence this check when a signed delivery gets through",
            )
    if hosts := app.config.get("TRUSTED_HOSTS"):
        yield from unknown_hosts(application, "TRUSTED_HOSTS", lambda host: host_is_trusted(host, hosts))


def _before_requests(app: Flask) -> Iterator[Any]:
    """Yield the functions that run before a guarded view: the app's, and those of the blueprints around the view."""
    scopes: set[str | None] = {None}
    for rule, _ in all_marks(app):
        scopes.update(accumulate(rule.endpoint.split(".")[:-1], "{}.{}".format))
    for scope in scopes:
        yield from app.before_request_funcs.get(scope, ())


def _limits(app: Flask, application: Application) -> Iterator[Remark]:
    for endpoint in application.every_endpoint():
        yield from smaller_limits(endpoint, body_limit(app), "Raise it, or lower max_body")


def _proxies(app: Flask, application: Application) -> Iterator[Remark]:
    if any(isinstance(middleware, ProxyFix) for middleware in _middleware(app)):
        return
    for endpoint in application.every_endpoint():
        if endpoint.allow_from is not None or endpoint.require_https:
            what = "limits the sender's address" if endpoint.allow_from is not None else "requires HTTPS"
            yield Remark(
                "N1",
                f"endpoint {endpoint.name!r} {what}, and the app has no ProxyFix",
                "Behind a proxy, wrap the app in werkzeug's ProxyFix. Otherwise silence this check",
            )
