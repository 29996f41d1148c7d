"""The guards of one app, made from its config: what ``app.extensions["hookguard"]`` holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Union, cast

from flask import Flask

from hookguard import ConfigurationError, Endpoint, Guard, SQLiteStore, Store
from hookguard.config import Settings
from hookguard_flask.signals import send_outcome

__all__ = ["Guards", "Named", "guards_of"]

#: What names an endpoint: its name in the config, an Endpoint, or a guard made by hand.
Named = Union[str, Endpoint, Guard]


class Guards:
    """Every endpoint of an app's config, checked, and a guard for each one that is asked for."""

    def __init__(self, app: Flask) -> None:
        given = app.config.get("HOOKGUARD") or {}
        if isinstance(given, Mapping):
            given = {str(key).lower(): value for key, value in given.items()} | app.config.get_namespace("HOOKGUARD_")
        self.routes_seen = False
        self._settings = Settings(given, where="HOOKGUARD", default_store=lambda: _in_instance(app), observers=[send_outcome])
        self._made: dict[Endpoint, Guard] = {}
        # A guard counts what is running and a memory store remembers: two threads must never make one each.
        self._making = Lock()
        if self._settings.open_named_store():
            # A store that cannot be opened, or does not fit, shows when the app starts. The default one makes a file,
            # which commands such as `flask routes` should not leave behind.
            for endpoint in self._settings.endpoints.values():
                self.get(endpoint).start()

    def endpoint(self, named: Named) -> Endpoint:
        """Return an endpoint; ConfigurationError when none has that name."""
        if isinstance(named, Guard):
            return named.endpoint
        return named if isinstance(named, Endpoint) else self._settings.endpoint(named)

    def get(self, named: Named) -> Guard:
        """Return an endpoint's guard."""
        if isinstance(named, Guard):
            return named
        endpoint = self.endpoint(named)
        with self._making:
            if endpoint not in self._made:
                self._made[endpoint] = Guard(endpoint, cast("Store", self._settings.store))
            return self._made[endpoint]


def guards_of(app: Flask) -> Guards:
    """Return the guards of an app; RuntimeError when the extension was not initialised with it."""
    try:
        return cast("Guards", app.extensions["hookguard"])
    except KeyError:
        raise RuntimeError("hookguard does not know this app: call HookGuard(app), or hooks.init_app(app)") from None


def _in_instance(app: Flask) -> SQLiteStore:
    try:
        Path(app.instance_path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"no store can be kept in the instance folder ({error}): set HOOKGUARD_STORE") from error
    return SQLiteStore(Path(app.instance_path, "hookguard.sqlite3"))
