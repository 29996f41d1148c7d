"""The extension: a guard for views and one for whole blueprints."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from flask import Blueprint, Flask, Response, current_app, request, request_started
from werkzeug.exceptions import HTTPException

from hookguard import ConfigurationError, Delivery, Endpoint, Guard, Receipt, Rejected, Reply
from hookguard_flask.csrf import exempt_guarded
from hookguard_flask.current import set_current_webhook
from hookguard_flask.delivery import receive
from hookguard_flask.guards import Guards, Named, guards_of
from hookguard_flask.marks import Mark, mark_of, marks_on, set_mark, unreachable_challenges
from hookguard_flask.refusals import answer, refusal, reply_of, response_of

__all__ = ["HookGuard"]

P = ParamSpec("P")
R = TypeVar("R")

# What is known of a request is kept in its environ, not in g, which may outlive it.
_CAME = "hookguard.came"
_HELD = "hookguard.held"


class HookGuard:
    """Guards webhook views of one or more apps; keeps nothing of any of them itself.

    Configuration: the mapping ``HOOKGUARD``, or keys like ``HOOKGUARD_ENDPOINTS`` and ``HOOKGUARD_STORE``, or both.
    Everything is checked by ``init_app``, which raises ConfigurationError. Without a store in the config, claims are kept
    in ``hookguard.sqlite3`` in the app's instance folder.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read and check the app's endpoints, and see to it that guarded bodies are read before anything else."""
        guards = Guards(app)
        for owner in (app, *app.blueprints.values(), *app.view_functions.values()):
            for mark in marks_on(owner):
                endpoint = guards.endpoint(mark.endpoint)
                if isinstance(owner, (Flask, Blueprint)):
                    _refuse_batch(endpoint)
        app.extensions["hookguard"] = guards
        self._apps.add(app)
        if unreachable := next(unreachable_challenges(app, guards), None):
            raise ConfigurationError(f"{unreachable}; or initialise the extension before the view gets its route")
        request_started.connect(_read_first, app)

    def guard(self, endpoint: Named) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a view, under the route: it runs only for a genuine, fresh event that nobody handled before.

        For sync and async views, ``MethodView.decorators`` and single methods. ConfigurationError when an app is
        initialised already and no endpoint has that name.
        """
        self._check(endpoint)

        def decorate(view: Callable[P, R]) -> Callable[P, R]:
            if any(view in app.view_functions.values() for app in self._apps):
                raise ConfigurationError(
                    f"{view!r} has a route already, which leads past the guard: put the guard under the route"
                )

            @wraps(view)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
                guard = guards_of(current_app).get(endpoint)
                if guard in _held():
                    return current_app.ensure_sync(view)(*args, **kwargs)  # protect() has let it in, and will settle it
                receipt = _open(guard)
                if receipt.reply is not None:
                    return answer(receipt.reply, receipt.error)

                def attempt(receipt: Receipt) -> Response:
                    try:
                        response = _response_from(current_app.ensure_sync(view), *args, **kwargs)
                        answered = reply_of(response) if guard.endpoint.store_reply else None
                    except BaseException as error:
                        reply = guard.settle(receipt, error=error)
                        if reply is None or not isinstance(error, Rejected):
                            raise
                        return answer(reply, error)
                    reply = guard.settle(receipt, status=response.status_code, reply=answered)
                    return response if reply is None else response_of(reply)

                return attempt(receipt) if receipt.members is None else _each(guard, receipt, attempt)

            set_mark(guarded, Mark(endpoint))
            methods = _Methods(self, endpoint)
            cast("Any", guarded).required_methods = methods
            cast("Any", guarded).provide_automatic_options = methods
            return cast("Callable[P, R]", guarded)

        return decorate

    def protect(self, scaffold: Flask | Blueprint, endpoint: Named, *, prefix: str = "") -> None:
        """Guard every view of a blueprint, or of an app below a path ``prefix`` such as ``"/hooks/"``.

        GET, HEAD and OPTIONS pass untouched, unless the provider uses them.
        """
        if prefix and (isinstance(scaffold, Blueprint) or not prefix.startswith("/")):
            # Taken otherwise than it was meant, it would leave views unguarded.
            raise ConfigurationError(f"prefix is {prefix!r}: give a path from the root, for an app; a blueprint is guarded whole")
        self._check_whole(endpoint)
        if isinstance(scaffold, Blueprint):
            scaffold.record(lambda _: self._check_whole(endpoint))
        set_mark(scaffold, Mark(endpoint, prefix))

        def before() -> Response | None:
            guard = guards_of(current_app).get(endpoint)
            if guard in _held() or not request.path.startswith(prefix):
                return None
            if request.method in ("GET", "HEAD", "OPTIONS") and request.method not in guard.endpoint.methods:
                return None
            receipt = _open(guard)
            if receipt.reply is not None:
                return answer(receipt.reply, receipt.error)
            _held()[guard] = receipt
            return None

        def settle(*, response: Response | None = None, error: BaseException | None = None) -> Reply | None:
            if not _held():
                return None
            guard = guards_of(current_app).get(endpoint)
            if guard not in _held():
                return None
            answered = reply_of(response) if response is not None and guard.endpoint.store_reply else None
            status = response.status_code if response is not None else None
            return guard.settle(_held().pop(guard), status=status, error=error, reply=answered)

        def after(response: Response) -> Response:
            reply = settle(response=response)
            return response if reply is None else response_of(reply)

        def rejected(error: Rejected) -> Any:
            reply = settle(error=error)
            if reply is None:
                raise error  # from elsewhere in the app
            return current_app.handle_http_exception(refusal(reply, error))

        def teardown(error: BaseException | None) -> None:
            # Still held when no response was made: an exception is on its way out.
            settle(error=error)

        scaffold.before_request(before)
        scaffold.after_request(after)
        scaffold.register_error_handler(Rejected, rejected)
        scaffold.teardown_request(teardown)

    def _check(self, named: Named) -> None:
        self._find(named)

    def _check_whole(self, named: Named) -> None:
        if (found := self._find(named)) is not None:
            _refuse_batch(found)

    def _find(self, named: Named) -> Endpoint | None:
        """The endpoint, in the first app that has it; None while there is no app; ConfigurationError when none has it."""
        missing: ConfigurationError | None = None
        for app in self._apps:
            try:
                return guards_of(app).endpoint(named)
            except ConfigurationError as error:
                missing = error
        if missing is not None:
            raise missing
        return None


class _Methods:
    """The methods a guarded view must be reachable by, asked for when it gets its route: by then the app is known.

    As a truth value, whether Flask answers OPTIONS by itself: not where the provider's challenge uses it.
    """

    def __init__(self, hooks: HookGuard, endpoint: Named) -> None:
        self._hooks = hooks
        self._endpoint = endpoint

    def __iter__(self) -> Iterator[str]:
        if self:
            yield "OPTIONS"
        endpoint = self._hooks._find(self._endpoint)
        yield from endpoint.methods if endpoint is not None else ()

    def __bool__(self) -> bool:
        endpoint = self._hooks._find(self._endpoint)
        wanted = endpoint is None or "OPTIONS" not in endpoint.methods
        return wanted and all(app.config["PROVIDE_AUTOMATIC_OPTIONS"] for app in self._hooks._apps)


def _read_first(app: Flask, **_: Any) -> None:
    """Read a guarded request's body before any ``before_request`` can, such as one that looks into ``request.form``."""
    mark = mark_of(app, request)
    if mark is None:
        return
    guards = guards_of(app)
    if not guards.routes_seen:
        guards.routes_seen = True
        exempt_guarded(app)
        for unreachable in unreachable_challenges(app, guards):
            app.logger.error("hookguard: %s", unreachable)
    guard = guards.get(mark.endpoint)
    if request.method in guard.endpoint.methods:
        request.environ[_CAME] = receive(request, guard)


def _open(guard: Guard) -> Receipt:
    came: Delivery | Receipt | None = request.environ.pop(_CAME, None)
    if came is None:
        came = receive(request, guard)
    receipt = guard.open(came) if isinstance(came, Delivery) else came
    if receipt.reply is None:
        set_current_webhook(receipt.event)
    return receipt


def _each(guard: Guard, receipt: Receipt, attempt: Callable[[Receipt], Response]) -> Response:
    """Run the view for every event of a delivery that carries several."""
    while True:
        failure: Exception | None = None
        try:
            response = attempt(receipt)
        except Exception as error:
            failure = error
        following = guard.next(receipt)
        if following is None:
            if failure is not None:
                raise failure
            return response
        if following.reply is not None:
            return response_of(following.reply)
        receipt = following
        set_current_webhook(receipt.event)


def _refuse_batch(endpoint: Endpoint) -> None:
    if endpoint.preset.batch is not None:
        raise ConfigurationError(
            f"a delivery of {endpoint.preset.name!r} may carry several events, and protect() runs a view once: put"
            f" @hooks.guard({endpoint.name!r}) under the routes instead"
        )


def _held() -> dict[Guard, Receipt]:
    """What protect() has let in and not yet settled."""
    return cast("dict[Guard, Receipt]", request.environ.setdefault(_HELD, {}))


def _response_from(view: Callable[..., Any], *args: Any, **kwargs: Any) -> Response:
    try:
        return current_app.make_response(view(*args, **kwargs))
    except HTTPException as stop:
        if stop.code is not None or stop.response is None:
            raise
        # abort(a response) is an answer like any other.
        return current_app.make_response(cast("Response", stop.response))
