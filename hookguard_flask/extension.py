"""The extension: a guard for views and one for whole blueprints."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar, cast

from flask import Blueprint, Flask, Response, current_app, has_app_context
from werkzeug.exceptions import HTTPException

from hookguard import ConfigurationError, Endpoint, GiveUp, Guard, Receipt, Rejected, Reply
from hookguard.config import need_name
from hookguard.relay import NO_VIEW, need_relay
from hookguard_flask.commands import commands
from hookguard_flask.current import set_current_webhook
from hookguard_flask.delivery import reply_of, response_of
from hookguard_flask.failures import status_to
from hookguard_flask.guards import AppGuards, Named, Wrapping, guards_of
from hookguard_flask.receiving import app_and_request, held, hold, log_no_decisions, open_receipt, read_first
from hookguard_flask.rejections import answer, rejection
from hookguard_flask.routes import (
    Mark,
    lets_through,
    marks_on,
    reject_routes_past_guards,
    set_mark,
    set_wrapped,
    unreachable_challenges,
    watch_routes,
)

if TYPE_CHECKING:
    from hookguard import Outcome
    from hookguard.doctor import Application
    from hookguard.guard.bridge import ThreadRunner
    from hookguard.work.lanes import OpenLane
    from hookguard_flask.page import Allow, PageBlueprint

__all__ = ["HookGuard"]

P = ParamSpec("P")
R = TypeVar("R")


class HookGuard:
    """AppGuards webhook views of one or more apps; keeps nothing of any of them itself but which views it guards.

    Configuration: the mapping ``HOOKGUARD``, or keys like ``HOOKGUARD_ENDPOINTS`` and ``HOOKGUARD_STORE``, or both.
    Everything is checked by ``init_app``, which raises ConfigurationError. Without a store in the config, claims are kept
    in ``hookguard.sqlite3`` in the app's instance folder.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        self._wrappings: list[Wrapping] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read and check the app's endpoints, and see to it that guarded bodies are read before anything else."""
        guards = AppGuards(app)
        guards.wrappings = self._wrappings
        for owner in (app, *app.blueprints.values(), *app.view_functions.values()):
            for mark in marks_on(owner):
                endpoint = guards.endpoint(mark.endpoint)
                if isinstance(owner, (Flask, Blueprint)):
                    _reject_batch(endpoint)
        reject_routes_past_guards(app, guards)
        app.extensions["hookguard"] = guards
        app.cli.add_command(commands)
        self._apps.add(app)
        watch_routes(app, guards)
        if unreachable := next(unreachable_challenges(app, guards), None):
            raise ConfigurationError(f"{unreachable}; or initialise the extension before the view gets its route", check="W5")
        read_first(app)
        log_no_decisions(app)

    def guard(self, endpoint: Named) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a view, under the route: it runs only for a genuine, fresh event that nobody handled before.

        For sync and async views, ``MethodView.decorators`` and single methods. ConfigurationError when an app is
        initialised already and no endpoint has that name.
        """
        need_name(endpoint, (Endpoint, Guard), 'as in @hooks.guard("stripe")')
        self._find(endpoint)

        def decorate(view: Callable[P, R]) -> Callable[P, R]:
            if isinstance(view, type):
                raise ConfigurationError(f"{view.__name__} is a class: put the guard into its `decorators`, or on its methods")

            asynchronous = iscoroutinefunction(view)

            @wraps(view)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
                app, came = app_and_request()
                guards = guards_of(app)
                guard = guards.guard_for(endpoint)
                run: Callable[..., Any] = app.ensure_sync(view) if asynchronous or guards.wraps_views else view
                if guard in held(came):
                    return run(*args, **kwargs)  # protect() has let it in, and will settle it
                receipt = open_receipt(came, guard)
                if receipt.reply is not None:
                    return answer(receipt.reply, receipt.error)

                def attempt(receipt: Receipt) -> Response:
                    set_current_webhook(came, receipt.event)
                    try:
                        response = _response_from(app, run, *args, **kwargs)
                        answered = reply_of(response) if guard.endpoint.store_reply else None
                    except BaseException as error:
                        reply = guard.settle(receipt, status=status_to(app, came, error), error=error)
                        if reply is None or not isinstance(error, Rejected):
                            raise
                        return answer(reply, error)
                    reply = guard.settle(receipt, status=response.status_code, reply=answered)
                    return response if reply is None else response_of(reply)

                if guard.endpoint.preset.batch is None:
                    return attempt(receipt)  # it has settled, and no event follows: what each() would find out
                answered = guard.each(receipt, attempt)
                return response_of(answered) if isinstance(answered, Reply) else answered

            set_mark(guarded, Mark(endpoint))
            set_wrapped(view, guarded, endpoint)
            self._wrappings.append(Wrapping(guarded, view, endpoint))
            for app in self._apps:
                reject_routes_past_guards(app, guards_of(app))
            methods = _Methods(self, endpoint)
            cast("Any", guarded).required_methods = methods
            cast("Any", guarded).provide_automatic_options = methods
            return cast("Callable[P, R]", guarded)

        return decorate

    def protect(self, scaffold: Flask | Blueprint, endpoint: Named, *, prefix: str = "") -> None:
        """Guard every view of a blueprint, or of an app below a path ``prefix`` such as ``"/hooks/"``.

        GET, HEAD and OPTIONS pass untouched, unless the provider uses them. ConfigurationError for a view that would run
        unguarded by one of them and is guarded for other methods.
        """
        if prefix and (isinstance(scaffold, Blueprint) or not prefix.startswith("/")):
            # Taken otherwise than it was meant, it would leave views unguarded.
            raise ConfigurationError(f"prefix is {prefix!r}: give a path from the root, for an app; a blueprint is guarded whole")
        need_name(endpoint, (Endpoint, Guard), 'as in hooks.protect(blueprint, "stripe")')
        self._check_whole(endpoint)
        if isinstance(scaffold, Blueprint):
            scaffold.record(lambda _: self._check_whole(endpoint))
        mark = Mark(endpoint, prefix)
        set_mark(scaffold, mark)
        if isinstance(scaffold, Flask) and scaffold in self._apps:
            reject_routes_past_guards(scaffold, guards_of(scaffold))

        def before() -> Response | None:
            app, came = app_and_request()
            if not mark.covers(came.path):
                return None
            guard = guards_of(app).guard_for(endpoint)
            if guard in held(came) or lets_through(came.method, guard.endpoint.methods):
                return None
            receipt = open_receipt(came, guard)
            if receipt.reply is not None:
                return answer(receipt.reply, receipt.error)
            set_current_webhook(came, receipt.event)
            hold(came, guard, receipt)
            return None

        def after(response: Response) -> Response:
            reply = _settle(endpoint, response=response)
            return response if reply is None else response_of(reply)

        def rejected(error: Rejected) -> Any:
            reply = _settle(endpoint, error=error)
            if reply is None:
                raise error  # from elsewhere in the app
            return current_app.handle_http_exception(rejection(reply, error))

        def gave_up(error: GiveUp) -> NoReturn:
            _settle(endpoint, error=error)  # after(), which comes later, sees a 500 only
            raise error

        def teardown(error: BaseException | None) -> None:
            # Still held when no response was made: an exception is on its way out.
            _settle(endpoint, error=error)

        scaffold.before_request(before)
        scaffold.after_request(after)
        scaffold.register_error_handler(Rejected, rejected)
        scaffold.register_error_handler(GiveUp, gave_up)
        scaffold.teardown_request(teardown)

    def relay(self, endpoint: str) -> Callable[[], Any]:
        """Return the view of an endpoint whose setting ``relay`` has targets: it stores each event, and a worker passes it on.

        ``app.add_url_rule("/hooks/stripe", view_func=hooks.relay("stripe"), methods=["POST"])``
        """
        found = self._find(endpoint)
        if found is not None:
            need_relay(found)

        def relayed() -> Any:
            raise RuntimeError(f"endpoint {endpoint!r} passes nothing on: {NO_VIEW}")

        relayed.__name__ = relayed.__qualname__ = f"relay_{endpoint}".replace(".", "_")
        return self.guard(endpoint)(relayed)

    def page(self, *, allow: Allow | None = None, secret_key: str | bytes | None = None) -> PageBlueprint:
        """Return the page of the inbox: ``app.register_blueprint(hooks.page(allow=who), url_prefix="/ops/webhooks")``.

        ``allow`` gets the request. It returns None, which is answered 404, or the visitor's name and a set of ``look``, ``open``,
        ``rerun``, ``drop``. ``secret_key`` signs the forms; by default it is the app's. Raises ConfigurationError, now and when
        the blueprint is registered.
        """
        from hookguard_flask.page import PageBlueprint  # noqa: PLC0415 - most applications have none

        return PageBlueprint(allow, secret_key)

    def guard_for(self, endpoint: Named) -> Guard:
        """Return the guard of an endpoint of the current app; ConfigurationError if no endpoint has that name."""
        return guards_of(current_app).guard_for(endpoint)

    def open_lanes(self, app: object, names: Sequence[str] = (), in_thread: ThreadRunner | None = None) -> list[OpenLane]:
        """Return the lanes of the endpoints with an inbox, or of those named; ConfigurationError if no endpoint has one.

        ``app`` is the Flask application; if it is something around it, the extension must know one app only.
        """
        return guards_of(self._only(app)).open_lanes(app, names, in_thread)

    def run(self, key: str, app: Callable[..., Any] | None = None) -> Outcome | None:
        """Run the inbox entry whose key ``hand_off`` gave to another engine; for that engine's task.

        Returns the outcome; None if there is nothing to do, because the entry is done, dead, held or unknown. A failure is
        settled and logged as in a worker, and never raised: the inbox tries again, and the engine must not.

        ``app`` is the Flask application, or the WSGI application around it; by default the current app, or the only one that
        the extension knows. Raises ConfigurationError if no endpoint has an inbox.
        """
        from hookguard.guard.bridge import call_inline  # noqa: PLC0415 - a web process runs no entry
        from hookguard.work.handed import Handed  # noqa: PLC0415 - as above

        called: Callable[..., Any] | None = app
        if called is None:
            called = cast("Flask", cast("Any", current_app)._get_current_object()) if has_app_context() else self._only(None)
        return Handed(self.open_lanes(called, in_thread=call_inline)).run(key, called)

    def describe(self, app: object) -> Application:
        """Return the description of an application, for ``hookguard doctor``."""
        from hookguard_flask.doctor import describe  # noqa: PLC0415 - a web process needs none of it

        return describe(self._only(app))

    def _only(self, app: object) -> Flask:
        """Return the app, or the only one that the extension knows, if ``app`` is something around it."""
        known = [app] if isinstance(app, Flask) else list(self._apps)
        if len(known) != 1:
            raise ConfigurationError(f"the extension knows {len(known)} apps: give the command the Flask app itself")
        return known[0]

    def _check_whole(self, named: Named) -> None:
        if (found := self._find(named)) is not None:
            _reject_batch(found)

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

    As a truth value, whether Flask answers OPTIONS on its own: not where the provider's challenge uses it.
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


def _reject_batch(endpoint: Endpoint) -> None:
    if endpoint.preset.batch is not None:
        raise ConfigurationError(
            f"a delivery of {endpoint.preset.name!r} may carry several events, and protect() runs a view once: put"
            f" @hooks.guard({endpoint.name!r}) under the routes instead"
        )


def _response_from(app: Flask, view: Callable[..., Any], *args: Any, **kwargs: Any) -> Response:
    try:
        return app.make_response(view(*args, **kwargs))
    except HTTPException as stop:
        if stop.code is not None or stop.response is None:
            raise
        # abort(a response) is an answer like any other.
        return app.make_response(cast("Response", stop.response))


def _settle(endpoint: Named, *, response: Response | None = None, error: BaseException | None = None) -> Reply | None:
    """Settle the request's receipt of ``endpoint``, if it is held; a returned reply is sent in place of the view's."""
    app, came = app_and_request()
    if not (let_in := held(came)):
        return None
    guard = guards_of(app).guard_for(endpoint)
    if guard not in let_in:
        return None
    answered = reply_of(response) if response is not None and guard.endpoint.store_reply else None
    status = response.status_code if response is not None else None
    return guard.settle(let_in.pop(guard), status=status, error=error, reply=answered)
