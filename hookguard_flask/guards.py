"""The guards of one app, made from its config: what ``app.extensions["hookguard"]`` holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from flask import Flask

from hookguard import ConfigurationError, Endpoint, Guard, SQLiteStore
from hookguard.config import Guards, Settings
from hookguard.guard.limits import say_smaller_limits
from hookguard.record import hides_arguments
from hookguard_flask.signals import send_outcome

if TYPE_CHECKING:
    from hookguard.doctor import Application
    from hookguard.guard.bridge import ThreadRunner
    from hookguard.work.lanes import OpenLane

__all__ = ["STORE_FILE", "AppGuards", "Named", "Wrapping", "body_limit", "guards_of"]

#: The default store's file in the instance folder.
STORE_FILE = "hookguard.sqlite3"

#: The ways to name an endpoint: its name in the config, an Endpoint, or a guard made by hand.
Named = Union[str, Endpoint, Guard]


class Wrapping(NamedTuple):
    """A guarded view, what the guard was put around, and the endpoint."""

    guarded: Callable[..., Any]
    view: Callable[..., Any]
    endpoint: Named


class AppGuards(Guards[Guard]):
    """Every endpoint of an app's config, checked, and a guard for each one that is asked for."""

    @hides_arguments
    def __init__(self, app: Flask) -> None:
        given = app.config.get("HOOKGUARD") or {}
        if isinstance(given, Mapping):
            given = {str(key).lower(): value for key, value in given.items()} | app.config.get_namespace("HOOKGUARD_")
        self.routes_seen = False
        #: The guards' marks by Flask's endpoint and the method, once a request has asked for them.
        self.marks: dict[tuple[str, str], tuple[Any, ...]] = {}
        #: Whether the app runs plain views in a way of its own.
        self.wraps_views = getattr(app.ensure_sync, "__func__", None) is not Flask.ensure_sync
        self._context = app.app_context
        self.wrappings: Sequence[Wrapping] = ()  #: every view that a guard was put around, in any app
        settings = Settings(given, where="HOOKGUARD", default_store=lambda: _in_instance(app), observers=[send_outcome])
        super().__init__(settings, Guard)
        for endpoint in settings.endpoints.values():
            say_smaller_limits(endpoint, body_limit(app), "Raise it, or lower max_body")
        if settings.open_named_store():
            # A store that cannot be opened, or does not fit, shows when the app starts. The default one makes a file,
            # which commands such as `flask routes` should not leave behind. Within the app's context, which a session of
            # Flask-SQLAlchemy belongs to.
            with app.app_context():
                for endpoint in settings.endpoints.values():
                    self.guard_for(endpoint).start()

    def describe(self, app: Flask) -> Application:
        """Return the description of the app, for ``hookguard doctor``."""
        from hookguard_flask.doctor import describe  # noqa: PLC0415 - a web process needs none of it

        return describe(app)

    def open_lanes(self, app: object, names: Sequence[str] = (), in_thread: ThreadRunner | None = None) -> list[OpenLane]:
        """Return the lanes of the endpoints with an inbox, or of those named; ConfigurationError if no endpoint has one."""
        from hookguard.work.lanes import open_lanes  # noqa: PLC0415 - a web process works on no inbox

        return open_lanes(self.settings, names, in_thread, self._context, keeps_root=isinstance(app, Flask))


def guards_of(app: Flask) -> AppGuards:
    """Return the guards of an app; RuntimeError if the extension was not initialised with it."""
    try:
        return app.extensions["hookguard"]  # type: ignore[no-any-return]  # AppGuards, put there by HookGuard
    except KeyError:
        raise RuntimeError("hookguard does not know this app: call HookGuard(app), or hooks.init_app(app)") from None


def body_limit(app: Flask) -> dict[str, int | None]:
    """Return Flask's limit of a body in bytes, by the name of its setting."""
    return {"MAX_CONTENT_LENGTH": app.config["MAX_CONTENT_LENGTH"]}


def _in_instance(app: Flask) -> SQLiteStore:
    try:
        Path(app.instance_path).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"no store can be kept in the instance folder ({error}): set HOOKGUARD_STORE") from error
    return SQLiteStore(Path(app.instance_path, STORE_FILE))
