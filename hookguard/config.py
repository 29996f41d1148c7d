"""Endpoints from a settings mapping: the settings that all plugins share, read once and strictly."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar, Union, cast

from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError
from hookguard.gateway import GatewayVerifier
from hookguard.guard import AsyncGuard, Guard
from hookguard.guard.bridge import run_sync
from hookguard.networks import Networks
from hookguard.outcome import Observer
from hookguard.preset import Preset
from hookguard.presets import generic_hmac, get
from hookguard.presets.generic import read_place
from hookguard.privacy.secret_mistakes import is_placeholder
from hookguard.process.locks import Lock
from hookguard.record import hides_arguments
from hookguard.remarks.silenced import read_silenced
from hookguard.secret import Secret, SecretLike
from hookguard.setting_names import known_settings, suggestion
from hookguard.store import AsyncStore, Store
from hookguard.stores.fitness import check_before_use
from hookguard.stores.url import store_at
from hookguard.verifier import SecretLookup, Verifier, VerifierLike

__all__ = ["Guards", "Settings", "check_now", "need_name", "preset_from", "store_from"]

G = TypeVar("G", bound=Union[Guard, AsyncGuard])

#: Settings of one endpoint. Those in ``_SHARED`` may also be at the top, for all endpoints.
_ENDPOINT = frozenset(
    {
        "preset",
        "secrets",
        "tolerance",
        "allow_stale",
        "identity",
        "on_reused_id",
        "store_reply",
        "inbox",
        "relay",
        "public_url",
        "accept_secret",
        "tenant_in",
        "confirm_subscription",
        "pinned_keys",
        "known_keys",
    }
    | {"behind", "gateway_secrets", "gateway_delay", "verify_provider"}
)
#: The keys of a preset that is a mapping.
_WORDS = frozenset(inspect.signature(generic_hmac).parameters)
_LIMITS = frozenset({"max_body", "require_https", "allow_from", "max_concurrent"})
_SHARED = _LIMITS | {"autopsy", "evidence", "lease", "retention", "heartbeat", "worker_timeout", "on_outage", "public_base_url"}
_SWITCHES = ("allow_stale", "autopsy", "confirm_subscription", "heartbeat", "require_https", "store_reply", "verify_provider")
_TOP = frozenset({"endpoints", "store", "observers", "silenced_checks"}) | _SHARED


class Settings:
    """Every endpoint of an application, built and checked together.

    ``settings`` has ``endpoints`` (a mapping of name to settings), ``store`` and ``observers``; keys may be in upper or
    lower case. ``observers`` are called besides those in the settings. ``where`` names the setting in error messages.
    ``default_store`` makes the store if the settings name none; it is called when the store is first used. Raises
    ConfigurationError, with a line for each endpoint with a mistake.
    """

    @hides_arguments
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
        top = known_settings(settings, sorted(_TOP), where)
        self._make_store = default_store
        self._given_store = top.get("store")
        self._store: Store | AsyncStore | None = None
        self._making = Lock()  # two concurrent first deliveries must not make a store each
        self.silenced = read_silenced(top.get("silenced_checks", {}), where)  #: ids of the doctor's checks, with the reasons
        everyone = [*observers, *_observers(top.get("observers", ()), where)]
        shared = {key: value for key, value in top.items() if key in _SHARED}
        endpoints = top.get("endpoints", {})
        if not isinstance(endpoints, Mapping):
            raise ConfigurationError(f"{where}: endpoints must map names to settings")
        self.endpoints: dict[str, Endpoint] = {}
        wrong: list[ConfigurationError] = []
        for name, given in endpoints.items():
            try:
                self.endpoints[name] = _endpoint_from(name, given, shared, everyone, f"{where} endpoint {name!r}")
            except ConfigurationError as error:
                wrong.append(error)  # reported together: often several secrets are missing
        if wrong:
            raise ConfigurationError("\n".join(map(str, wrong)), mistakes=tuple(wrong))

    @property
    def names_store(self) -> bool:
        """Whether the settings name a store; otherwise the default store is made on first use."""
        return self._given_store is not None

    def open_named_store(self) -> bool:
        """Open the store that the settings name, so that a mistake is found now; return whether they name one."""
        return self.names_store and self.store is not None

    @property
    def store(self) -> Store | AsyncStore:
        """The store that all endpoints share, opened on first use."""
        with self._making:
            if self._store is None:
                self._store = self._make_store() if self._given_store is None else store_from(self._given_store)
            return self._store

    def endpoint(self, name: str) -> Endpoint:
        """Return an endpoint by its name; ConfigurationError suggests similar names if there is no such endpoint."""
        try:
            return self.endpoints[name]
        except KeyError:
            hint = suggestion(name, self.endpoints, f"the endpoints are {sorted(self.endpoints)}")
            raise ConfigurationError(f"no webhook endpoint has the name {name!r}: {hint}") from None


class Guards(Generic[G]):
    """The guards of one application: one for each endpoint, made by ``make`` on first use.

    A guard counts running handlers, and a memory store holds claims. So two threads never make one each.
    """

    def __init__(self, settings: Settings, make: Callable[[Endpoint, Any], G]) -> None:
        self.settings = settings
        self._make = make
        self._made: dict[Endpoint, G] = {}
        self._named: dict[object, G] = {}  # the same, by what was asked for: every request asks
        self._making = Lock()

    def endpoint(self, named: str | Endpoint | G) -> Endpoint:
        """Return an endpoint; ConfigurationError if none has that name."""
        if isinstance(named, str):
            return self.settings.endpoint(named)
        return named if isinstance(named, Endpoint) else named.endpoint

    def guard_for(self, named: str | Endpoint | G) -> G:
        """Return the guard of an endpoint, the same one each time; ConfigurationError if no endpoint has that name."""
        if (made := self._named.get(named)) is not None:
            return made
        if not isinstance(named, (str, Endpoint)):
            return named
        endpoint = self.endpoint(named)
        with self._making:
            if endpoint not in self._made:
                self._made[endpoint] = self._make(endpoint, self.settings.store)
            made = self._named[named] = self._made[endpoint]
        return made

    def __iter__(self) -> Iterator[G]:
        return iter(tuple(self._made.values()))


def check_now(store: Store | AsyncStore) -> None:
    """Check a blocking store, once in each process; an asynchronous store belongs to the serving event loop.

    Raises StoreMisconfigured for a store that would lose events or run them twice.
    """
    if not inspect.iscoroutinefunction(store.claim):
        run_sync(check_before_use(store, cast("AsyncStore", store)))


def need_name(given: object, kinds: tuple[type, ...], example: str) -> None:
    """Raise ConfigurationError unless this is an endpoint's name, or an object of one of the ``kinds``.

    A decorator that is written without its argument receives the view in place of a name.
    """
    if not isinstance(given, (str, *kinds)):
        raise ConfigurationError(f"give the endpoint's name, {example}; this is {given!r}")


def store_from(given: Any) -> Store | AsyncStore:
    """Return the store of a setting: a store, a dotted path to one or to its class, or a URL.

    ``memory://``, ``sqlite:///relative/path``, ``sqlite:////var/lib/absolute/path``, ``redis://…`` (also ``rediss://`` and
    ``unix://``), and SQLAlchemy's ``postgresql``, ``mysql``, ``mariadb`` and ``sqlite+…`` URLs. A URL with an asynchronous driver
    (``postgresql+asyncpg://``) makes an asynchronous store. A mapping holds ``url`` and the store's own options:
    ``{"url": "postgresql://…", "timeout": 2, "pool_size": 20}``.
    """
    options: dict[str, Any] = {}
    if isinstance(given, Mapping):
        options = {str(key).lower(): value for key, value in given.items()}
        given = options.pop("url", None)
        if not isinstance(given, str) or "://" not in given:
            raise ConfigurationError(
                "store: a mapping needs the store's URL as url, as in {'url': 'postgresql://…', 'timeout': 2}"
            )
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
                raise ConfigurationError(
                    f"store: {given} needs arguments ({error}): make the store in a module, and give the dotted path to it"
                ) from None
        return store_from(found)
    return store_at(given, options)


def _endpoint_from(name: str, given: Any, shared: dict[str, Any], observers: Iterable[Observer], where: str) -> Endpoint:
    if isinstance(given, Endpoint):
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{where} must be a mapping of settings, not {type(given).__name__}")
    own = {**shared, **known_settings(given, sorted(_ENDPOINT | _SHARED), where)}
    try:
        for switch in _SWITCHES:
            if not isinstance(own.get(switch, False), bool):
                # The text "no" from an environment variable is true in Python, and would switch it on.
                raise ConfigurationError(f"{switch} is {own[switch]!r}; choose True or False (true or false in the environment)")
        verifier = _verifier(name, own)
        if isinstance(own.get("allow_from"), Mapping):
            listed = known_settings(own["allow_from"], ["field", "file"], where)
            own["allow_from"] = Networks.from_file(listed.get("file", ""), field=listed.get("field"))
        if isinstance(own.get("pinned_keys"), Mapping):
            own["pinned_keys"] = {name: _key_text(key) for name, key in own["pinned_keys"].items()}
        if isinstance(own.get("inbox"), Mapping):
            own["inbox"] = _inbox(own["inbox"])
        if isinstance(own.get("relay"), Mapping):
            from hookguard.relay.settings import read_relay  # noqa: PLC0415 - most applications have none

            own["relay"] = read_relay(own["relay"], _secrets, _imported)
        if "accept_secret" in own:
            own["accept_secret"] = _called(own["accept_secret"], "accept_secret")
        return Endpoint(verifier, name=name, observers=observers, **own)
    except ConfigurationError as error:
        said = str(error).removeprefix(f"endpoint {name!r}: ")  # which where has
        raise error.with_reason(f"{where}: {said}") from None


def _inbox(given: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the settings of an inbox with the place that a text names."""
    found = {str(key).lower(): value for key, value in given.items()}
    if isinstance(found.get("order_by"), str):
        found["order_by"] = read_place(found["order_by"])
    return found


def _key_text(given: Any) -> Any:
    """Return a key's text, read from the file if a mapping names one."""
    if not isinstance(given, Mapping):
        return given
    file = known_settings(given, ["file"], "pinned_keys").get("file", "")
    try:
        return Path(file).read_text()
    except (OSError, TypeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"pinned_keys: the file {file!r} cannot be read ({type(error).__name__})") from None


def _verifier(name: str, own: dict[str, Any]) -> VerifierLike:
    """Return the verifier that the settings describe, and remove its settings from them."""
    options: dict[str, Any] = {key: own.pop(key) for key in ("tolerance", "allow_stale") if key in own}
    if "tenant_in" in own:
        named = own.pop("tenant_in")
        options["tenant_in"] = read_place(named) if isinstance(named, str) else named
    preset = preset_from(own.pop("preset", name))
    given = [own.pop("secrets")] if "secrets" in own else []  # None has an error message of its own
    behind, secrets, gateway_delay = (own.pop(key, None) for key in ("behind", "gateway_secrets", "gateway_delay"))
    verify_provider = own.pop("verify_provider", True)
    if behind is None:
        if secrets is not None or gateway_delay is not None or not verify_provider:
            raise ConfigurationError("the gateway is missing: set behind to the gateway's preset")
        if not given:
            raise ConfigurationError("secrets are missing: give a list, newest first", check="S1")
        return Verifier(preset, _secrets(given[0]), **options)
    if secrets is None:
        raise ConfigurationError("gateway_secrets are missing: give a list, newest first", check="G1")
    if verify_provider and not given:
        raise ConfigurationError(
            "secrets are missing: give the provider's, or set verify_provider=False to check the gateway's signature alone",
            check="G1",
        )
    options |= {
        "gateway": Verifier(preset_from(behind), _secrets(secrets)),
        "gateway_delay": gateway_delay,
        "verify_provider": verify_provider,
    }
    return GatewayVerifier(preset, _secrets(given[0]) if given else None, **options)


def preset_from(given: Any) -> Preset:
    """Return the preset of a setting: a Preset, a name, a dotted path to a Preset, or a mapping that describes a simple one.

    Raises ConfigurationError.
    """
    if isinstance(given, Mapping):
        words = known_settings(given, sorted(_WORDS), "preset")
        for needed, what in (("name", "a name that you choose"), ("header", "the header that carries the signature")):
            if needed not in words:
                raise ConfigurationError(f"preset: {needed} is missing: add {what} to the mapping")
        return generic_hmac(**words)
    if isinstance(given, str) and "." in given:
        given = _imported(given, "preset")
    if isinstance(given, str):
        return get(given)
    if not isinstance(given, Preset):
        raise ConfigurationError(f"preset is {type(given).__name__}: give a name, a Preset, or a dotted path to one")
    return given


def _secrets(given: Any) -> SecretLike | list[SecretLike] | SecretLookup:
    if callable(given):
        return cast("SecretLookup", given)
    if isinstance(given, Mapping):
        return _lookup(given) if _is_lookup(given) else _secret(given)
    if isinstance(given, (str, bytes, Secret)) or not isinstance(given, Iterable):
        return _secret(given)
    return [_secret(entry) for entry in given]


def _is_lookup(given: Mapping[Any, Any]) -> bool:
    return {str(key).lower() for key in given} == {"lookup"}


def _lookup(given: Mapping[Any, Any]) -> SecretLookup:
    # Anything that is not a function would be used as a secret.
    return cast("SecretLookup", _called(next(iter(given.values())), "secrets: lookup"))


def _secret(given: Any) -> SecretLike:
    if isinstance(given, Mapping):
        if _is_lookup(given):
            raise ConfigurationError('secrets: {"lookup": "…"} must not be in a list: give it alone')
        if any(str(key).lower() == "value" for key in given):
            named = known_settings(given, ["name", "not_after", "not_before", "value"], "secrets")
            return Secret(_filled_in(named.pop("value")), **named)
        # Several values that belong together: the preset checks which ones.
        return Secret.of(**{str(key).lower(): _filled_in(value) for key, value in given.items()})
    return cast("SecretLike", _filled_in(given))


def _filled_in(value: Any) -> Any:
    if isinstance(value, str) and is_placeholder(value):
        raise ConfigurationError(
            "the secret is a placeholder from a manual, or a variable's name: set it to the value the provider's dashboard shows",
            check="S2",
        )
    return value


def _observers(given: Any, where: str) -> list[Observer]:
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        raise ConfigurationError(f"{where}: observers is {type(given).__name__}; give a list of functions or dotted paths")
    return [cast("Observer", _called(entry, f"{where}: observers")) for entry in given]


def _called(given: Any, where: str) -> Callable[..., Any]:
    """Return a function, imported if a dotted path names it."""
    found = _imported(given, where)
    if not callable(found):
        raise ConfigurationError(f"{where}: {given!r} is {type(found).__name__}, not a function")
    return cast("Callable[..., Any]", found)


def _imported(given: Any, where: str) -> Any:
    """Return the object that a dotted path names, or the object itself."""
    if not isinstance(given, str):
        if given is None:
            raise ConfigurationError(f"{where}: give an object or a dotted path to one")
        return given
    module, _, attribute = given.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{where}: cannot import {given!r} ({error})") from None
