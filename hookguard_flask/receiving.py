"""One request behind a guard: the body is read first, the event is opened, and what is let in is held until it is settled."""

from __future__ import annotations

from functools import wraps
from typing import Any

from flask import Flask, Request, current_app, request

from hookguard import Delivery, Guard, Receipt
from hookguard.guard.resuming import WORKER, gave_up
from hookguard_flask.csrf import exempt_guarded
from hookguard_flask.delivery import allow_form, receive
from hookguard_flask.guards import AppGuards, guards_of
from hookguard_flask.hidden_guards import reject_hidden_guards
from hookguard_flask.routes import marks_before, reject_routes_past_guards, settle_options, unreachable_challenges

__all__ = ["app_and_request", "held", "hold", "log_no_decisions", "open_receipt", "read_first"]

# The facts about a request are kept in its environ, not in g, which may outlive it.
_CAME = "hookguard.came"
_HELD = "hookguard.held"


def app_and_request() -> tuple[Flask, Request]:
    """Return the objects behind Flask's proxies. A proxy costs 1 us each time that it is used."""
    return current_app._get_current_object(), request._get_current_object()  # type: ignore[attr-defined]  # typed as what it stands for


def read_first(app: Flask) -> None:
    """From now on, read the body of a guarded request before any ``before_request``, such as one that reads ``request.form``."""
    preprocess = app.preprocess_request
    if getattr(preprocess, "__hookguard__", False):
        return

    @wraps(preprocess)
    def read_and_preprocess(*args: Any, **kwargs: Any) -> Any:
        guards = guards_of(app)
        if not guards.routes_seen:
            _see_routes(app, guards)
        came: Request = request._get_current_object()  # type: ignore[attr-defined]  # typed as what it stands for
        for mark in marks_before(app, guards, came):
            if mark.covers(came.path):
                guard = guards.guard_for(mark.endpoint)
                if came.method in guard.endpoint.methods:
                    came.environ[_CAME] = receive(came, guard)
                break
        return preprocess(*args, **kwargs)

    read_and_preprocess.__hookguard__ = True  # type: ignore[attr-defined]  # a function may carry it
    # Not by the signal request_started: calling a receiver of it cost 6 % of a request that carries no webhook.
    app.preprocess_request = read_and_preprocess  # type: ignore[method-assign]  # on purpose: see above


def log_no_decisions(app: Flask) -> None:
    """From now on, log no traceback of a ``GiveUp`` in a worker: the worker has a line for it."""
    log_exception = app.log_exception
    if getattr(log_exception, "__hookguard__", False):
        return

    @wraps(log_exception)
    def log_unless_given_up(*given: Any) -> None:
        # The last is the exception: some releases of Flask pass their context before it.
        if not gave_up(request.environ.get(WORKER), given[-1][1]):
            log_exception(*given)

    log_unless_given_up.__hookguard__ = True  # type: ignore[attr-defined]  # a function may carry it
    app.log_exception = log_unless_given_up  # type: ignore[method-assign, assignment]  # Flask asks nobody else


def _see_routes(app: Flask, guards: AppGuards) -> None:
    """Check the routes once, before the first request; afterwards Flask takes no more of them."""
    reject_routes_past_guards(app, guards)  # raised by every request until it is mended
    reject_hidden_guards(app, guards.wrappings)
    settle_options(app)
    guards.routes_seen = True
    exempt_guarded(app)
    for unreachable in unreachable_challenges(app, guards):
        app.logger.error("hookguard: %s", unreachable)


def open_receipt(came: Request, guard: Guard) -> Receipt:
    """Return the receipt of a request's delivery, which was read already or is read now."""
    read: Delivery | Receipt | None = came.environ.pop(_CAME, None)
    if read is None:
        read = receive(came, guard)
    receipt = guard.open(read) if isinstance(read, Delivery) else guard.begin(read)
    if receipt.reply is None:
        allow_form(came)
    return receipt


def held(came: Request) -> dict[Guard, Receipt]:
    """The receipts that protect() has let in and not yet settled."""
    return came.environ.get(_HELD) or {}


def hold(came: Request, guard: Guard, receipt: Receipt) -> None:
    """Hold a receipt until the response comes."""
    came.environ.setdefault(_HELD, {})[guard] = receipt
