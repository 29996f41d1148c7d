"""Endpoints from a settings mapping: what the plugins' settings have in common, read once and strictly."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError
from hookguard.gateway import GatewayVerifier
from hookguard.networks import Networks
from hookguard.outcome import Observer
from hookguard.preset import Preset
from hookguard.presets import generic_hmac
from hookguard.secret import Secret, SecretLike
from hookguard.store import AsyncStore, Store
from hookguard.stores import MemoryStore, SQLiteStore
from hookguard.stores.drivers import install
from hookguard.verifier import SecretLookup, Verifier

__all__ = ["Settings", "sqlite_file", "store_from"]

#: Settings an endpoint may have; those in the second set may also stand at the top, for all endpoints.
_ENDPOINT = frozenset(
    {
        "preset",
        "secrets",
        "tolerance",
        "allow_stale",
        "identity",
        "on_reused_id",
        "store_reply",
        "public_url",
        "accept_secret",
        "confirm_subscription",
    }
    | {"behind", "gateway_secrets", "gateway_holds", "verify_provider"}
)
#: The plain words of a preset in a mapping.
_WORDS = frozenset(inspect.signature(generic_hmac).parameters)
_LIMITS = frozenset({"max_body", "require_https", "allow_from", "max_concurrent"})
_SHARED = _LIMITS | {"lease", "retention", "heartbeat", "worker_timeout", "on_outage", "public_base_url"}
_TOP = frozenset({"endpoints", "store", "observers"}) | _SHARED


class Settings:
    """Every endpoint of an application, built and checked at once.

    ``settings`` has ``endpoints`` (a mapping of name to settings), ``store`` and ``observers``; keys may be in upper or
    lower case. ``observers`` are told besides those in the settings. ``where`` names the setting in error messages.
    ``default_store`` makes the store when none is given; it is not called before the store is asked for. Raises
    ConfigurationError, with a line for each endpoint that is wrong.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        where: str,
        default_store: Callable[[], Store | AsyncStore],
        observers: Iterable[Observer] = (),
    ) -> None:
        if not isinstance(settings, Mapping):
            raise ConfigurationError(f"{where} must be a mapping, not {type(settings).__name__}")
        top = _known(settings, _TOP, where)
        self._make_store = default_store
        self._given_store = top.get("store")
        self._store: Store | AsyncStore | None = None
        self._making = threading.Lock()  # two first deliveries must not make a store each
        told = [*observers, *(cast("Observer", _imported(entry, where)) for entry in top.get("observers", ()))]
        shared = {key: value for key, value in top.items() if key in _SHARED}
        endpoints = top.get("endpoints", {})
        if not isinstance(endpoints, Mapping):
            raise ConfigurationError(f"{where}: endpoints must map names to settings")
        self.endpoints: dict[str, Endpoint] = {}
        wrong: list[ConfigurationError] = []
        for name, given in endpoints.items():
            try:
                self.endpoints[name] = _endpoint(name, given, shared, told, f"{where} endpoint {name!r}")
            except ConfigurationError as error:
                wrong.append(error)  # all of them are told at once: secrets are often missing together
        if wrong:
            raise ConfigurationError("\n".join(str(error) for error in wrong))

    @property
    def names_store(self) -> bool:
        """Whether the settings say which store; else it is the default one, which is made when it is first asked for."""
        return self._given_store is not None

    def open_named_store(self) -> bool:
        """Open the store that the settings name, so that a mistake shows now; whether they name one."""
        return self.names_store and self.store is not None

    @property
    def store(self) -> Store | AsyncStore:
        """The store all endpoints share, opened when it is first asked for."""
        with self._making:
            if self._store is None:
                self._store = self._make_store() if self._given_store is None else store_from(self._given_store)
            return self._store

    def endpoint(self, name: str) -> Endpoint:
        """Return an endpoint by its name; ConfigurationError lists near ones when there is none."""
        try:
            return self.endpoints[name]
        except KeyError:
            near = difflib.get_close_matches(name, self.endpoints, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {sorted(self.endpoints)}"
            raise ConfigurationError(f"no webhook endpoint is called {name!r}: {hint}") from None


def store_from(given: Any) -> Store | AsyncStore:
    """Return a store from what a settings file may hold: a store, a dotted path to one or to its class, or a URL.

    ``memory://``, ``sqlite:///relative/path``, ``sqlite:////var/lib/absolute/path``, ``redis://…`` (also ``rediss://`` and
    ``unix://``), and what SQLAlchemy knows of ``postgresql``, ``mysql``, ``mariadb`` and ``sqlite+…`` URLs; one with an
    asynchronous driver (``postgresql+asyncpg://``) makes an asynchronous store.
    """
    if not isinstance(given, str):
        if isinstance(given, type) or not callable(getattr(given, "claim", None)):
            raise ConfigurationError(f"store is {type(given).__name__}, which has no claim(): give a store or a URL")
        return cast("Store | AsyncStore", given)
    if "://" not in given:
        found = _imported(given, "store")
        if isinstance(found, type):
            try:
                found = found()
            except TypeError as error:
                raise ConfigurationError(f"store: {given} needs arguments ({error}): make it yourself, and name that") from None
        return store_from(found)
    parts = _split(given)
    if parts.scheme == "memory":
        return MemoryStore()
    if parts.scheme == "sqlite" and (file := sqlite_file(given)):
        return SQLiteStore(file)
    # What needs a package that may not be there is imported when it is asked for.
    if parts.scheme in ("redis", "rediss", "unix"):
        from hookguard.stores.redis import RedisStore  # noqa: PLC0415 - an extra

        return RedisStore.from_url(given)
    if re.fullmatch(r"(postgresql|mysql|mariadb)(\+\w+)?|sqlite\+\w+", parts.scheme):
        try:
            from hookguard.stores.sql import store_from_url  # noqa: PLC0415 - an extra
        except ConfigurationError:
            # What it says knows nothing of the URL, whose database has an extra of its own.
            raise ConfigurationError(f"store {parts.scheme}://…: SQLAlchemy is missing: {install(parts.scheme)}") from None
        return store_from_url(given)
    if parts.scheme == "postgres":
        raise ConfigurationError("store postgres://…: SQLAlchemy reads this database's URLs as postgresql://…")
    # The URL may hold a password, so only its scheme is named.
    raise ConfigurationError(
        f"store {parts.scheme}://…: there are memory://, sqlite:///path/to/file (four slashes when absolute), redis://,"
        " postgresql:// and mysql://"
    )


def sqlite_file(url: str) -> str | None:
    """Return the path that the URL of a store in SQLite names, through SQLAlchemy or not; None for any other URL."""
    parts = _split(url)
    kind, through, _ = parts.scheme.partition("+")
    path = unquote(parts.path[1:])
    if kind != "sqlite" or parts.netloc or (through and path.startswith("file:")):  # the last is SQLite's own kind of URL
        return None
    return path or None


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        # Its own text may quote the password.
        raise ConfigurationError("store: this URL cannot be read: percent-encode special characters in the password") from None


def _endpoint(name: str, given: Any, shared: dict[str, Any], observers: Iterable[Observer], where: str) -> Endpoint:
    if isinstance(given, Endpoint):
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{where} must be a mapping of settings, not {type(given).__name__}")
    own = {**shared, **_known(given, _ENDPOINT | _SHARED, where)}
    try:
        verifier = _verifier(name, own)
        if isinstance(own.get("allow_from"), Mapping):
            listed = _known(own["allow_from"], frozenset({"file", "field"}), where)
            own["allow_from"] = Networks.from_file(listed.get("file", ""), field=listed.get("field"))
        if "accept_secret" in own:
            own["accept_secret"] = _imported(own["accept_secret"], "accept_secret")
        return Endpoint(verifier, name=name, observers=observers, **own)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _verifier(name: str, own: dict[str, Any]) -> Verifier:
    """The verifier that the settings describe, taken out of them."""
    options: dict[str, Any] = {key: own.pop(key) for key in ("tolerance", "allow_stale") if key in own}
    preset = _preset(own.pop("preset", name))
    given = (
        [own.pop("secrets")] if "secrets" in own else []
    )  # a setting may be there and hold None, which has a sentence of its own
    behind, secrets, held = (own.pop(key, None) for key in ("behind", "gateway_secrets", "gateway_holds"))
    verify_provider = own.pop("verify_provider", True)
    if not isinstance(verify_provider, bool):
        raise ConfigurationError(f"verify_provider is {verify_provider!r}; choose True or False")
    if behind is None:
        if secrets is not None or held is not None or not verify_provider:
            raise ConfigurationError("which gateway does it stand behind? Give the gateway's preset as behind")
        if not given:
            raise ConfigurationError("secrets are missing: give a list, newest first")
        return Verifier(preset, _secrets(given[0]), **options)
    if secrets is None:
        raise ConfigurationError("gateway_secrets are missing: give a list, newest first")
    if verify_provider and not given:
        raise ConfigurationError(
            "secrets are missing: give the provider's, or say verify_provider=False, and the gateway alone vouches for deliveries"
        )
    options |= {"gateway": Verifier(_preset(behind), _secrets(secrets)), "held": held, "verify_provider": verify_provider}
    return GatewayVerifier(preset, _secrets(given[0]) if given else None, **options)


def _preset(given: Any) -> str | Preset:
    if isinstance(given, Mapping):
        words = _known(given, _WORDS, "preset")
        for needed, what in (("name", "one of your choosing"), ("header", "the one that carries the signature")):
            if needed not in words:
                raise ConfigurationError(f"preset: {needed} is missing: write {what} into the mapping")
        return generic_hmac(**words)
    if isinstance(given, str) and "." in given:
        given = _imported(given, "preset")
    if not isinstance(given, (str, Preset)):
        raise ConfigurationError(f"preset is {type(given).__name__}: give a name, a Preset, or a dotted path to one")
    return given


def _secrets(given: Any) -> SecretLike | list[SecretLike] | SecretLookup:
    if callable(given):
        return cast("SecretLookup", given)
    if isinstance(given, Mapping):
        if {str(key).lower() for key in given} == {"lookup"}:
            return cast("SecretLookup", _imported(next(iter(given.values())), "secrets"))
        return _secret(given)
    if isinstance(given, (str, bytes, Secret)) or not isinstance(given, Iterable):
        return cast("SecretLike", given)
    return [_secret(entry) for entry in given]


def _secret(given: Any) -> SecretLike:
    if not isinstance(given, Mapping):
        return cast("SecretLike", given)
    if any(str(key).lower() == "value" for key in given):
        named = _known(given, frozenset({"value", "name", "not_before", "not_after"}), "secrets")
        return Secret(named.pop("value"), **named)
    # Several values that belong together; which ones, the preset says.
    return Secret.of(**{str(key).lower(): value for key, value in given.items()})


def _known(given: Mapping[Any, Any], allowed: frozenset[str], where: str) -> dict[str, Any]:
    """The mapping with its keys in lower case, each of them one that means something."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        low = str(key).lower()
        if low not in allowed:
            near = difflib.get_close_matches(low, allowed, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(allowed))}"
            raise ConfigurationError(f"{where}: no setting is called {key!r}; {hint}")
        found[low] = value
    return found


def _imported(given: Any, where: str) -> Any:
    """An object named by a dotted path, or the object itself."""
    if not isinstance(given, str):
        if given is None:
            raise ConfigurationError(f"{where}: give an object or a dotted path to one")
        return given
    module, _, attribute = given.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{where}: cannot import {given!r} ({error})") from None
