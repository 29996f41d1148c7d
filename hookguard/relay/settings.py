"""The settings of a relay and its targets, checked when the application starts."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Union, cast
from urllib.parse import urlsplit

from hookguard.errors import ConfigurationError, Rejected
from hookguard.event import Event
from hookguard.preset import Preset
from hookguard.privacy.shown import shown_url
from hookguard.record import hides_arguments
from hookguard.relay.queue_urls import read_route, read_subject
from hookguard.sender.addresses import is_address, may_connect
from hookguard.sender.connection import Reach, read_url
from hookguard.sender.message import Signer
from hookguard.setting_names import known_settings

__all__ = ["CHOSEN_LATER", "HOPS", "RelaySettings", "Spread", "TargetSettings", "provider_headers", "read_relay"]

_log = logging.getLogger("hookguard")

#: The part of an entry whose target is chosen at each attempt, or that no target wants.
CHOSEN_LATER: Final = "relay"

#: The header that counts how many relays an event has passed.
HOPS: Final = "hookguard-hops"

#: Chooses targets: gets the event and the names of the targets that take its type, and returns names.
Spread = Callable[[Event, Sequence[str]], Iterable[str]]

_SPREADS: Final = ("all", "random", "weighted", "failover")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)

#: Schemes of URLs, each with the package that speaks it and the extra that brings the package.
_PACKAGES: Final = {
    "https": ("httpx", "relay"),
    "http": ("httpx", "relay"),
    "amqps": ("aio_pika", "rabbitmq"),
    "amqp": ("aio_pika", "rabbitmq"),
    "nats": ("nats", "nats"),
    "tls": ("nats", "nats"),
}

#: The settings of a connection: of a relay, and in place of those of one target.
_REACH: Final = ("timeout", "allow_http", "allow_networks", "proxy", "ca_file")


@dataclass(frozen=True, kw_only=True)
class TargetSettings:
    """One target. Raises ConfigurationError.

    - ``url``: ``https://…``, ``amqps://host/vhost/exchange/routing.key`` or ``nats://host/subject`` (``tls://`` encrypted).
    - ``to``: in place of ``url``, an object of your own with ``async def send(self, sending: Sending) -> Sent``.
    - ``secrets``: the target's own, for its signature; several sign each message once, during a rotation.
    - ``types``: patterns of event types (``"invoice.*"``); by default every type.
    - ``weight``: how many of the events it gets beside the others, with the spread ``"weighted"``.
    """

    name: str
    url: str = field(default="", repr=False)  # it may hold a password
    to: Any = None
    signer: Signer | None = field(default=None, repr=False)
    types: tuple[str, ...] = ()
    weight: int = 1
    reach: Reach = field(default_factory=Reach)

    @property
    def scheme(self) -> str:
        """The URL's scheme; empty for an object of the user's."""
        return urlsplit(self.url).scheme

    def takes(self, kind: str) -> bool:
        """Whether it takes events of this type."""
        return not self.types or any(fnmatchcase(kind, pattern) for pattern in self.types)

    @classmethod
    def of(cls, name: object, given: object, reach: Mapping[str, Any]) -> TargetSettings:
        """Read one target's mapping; ``reach`` are the relay's own settings of connections."""
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name == CHOSEN_LATER:
            raise ConfigurationError(
                f"relay: a target has the name {name!r}: use letters, digits, '_' and '-', at most 63, and not {CHOSEN_LATER!r}"
            )
        where = f"relay: target {name!r}"
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping):
            raise ConfigurationError(f"{where} is {type(given).__name__}; give a mapping with its url")
        found = known_settings(given, ["secrets", "to", "types", "url", "weight", *_REACH], where)
        try:
            own: dict[str, Any] = {**reach, **{key: found[key] for key in _REACH if key in found}}
            return cls._checked(name, found, Reach(**own))
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error}") from None

    @classmethod
    def _checked(cls, name: str, found: dict[str, Any], reach: Reach) -> TargetSettings:
        url, own = found.get("url", ""), found.get("to")
        if bool(url) == (own is not None):
            raise ConfigurationError("give its url, or an object of your own as to")
        if own is not None and not inspect.iscoroutinefunction(getattr(own, "send", None)):
            raise ConfigurationError(f"to is {type(own).__name__}, which has no coroutine method send(sending)")
        if url:
            _check_url(url, reach)
        signer = Signer(found["secrets"]) if found.get("secrets") is not None else None
        if signer is None and url and url.partition(":")[0].lower() in ("https", "http"):
            raise ConfigurationError("secrets are missing: the target verifies by them that an event comes from you")
        weight = found.get("weight", 1)
        if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= 1000:
            raise ConfigurationError(f"weight is {weight!r}; give a number from 1 to 1000")
        types = found.get("types", ())
        if isinstance(types, str) or not isinstance(types, Iterable) or not all(isinstance(each, str) for each in types):
            raise ConfigurationError(f"types is {types!r}; give a list of event types, such as ['invoice.*']")
        return cls(name=name, url=url, to=own, signer=signer, types=tuple(types), weight=weight, reach=reach)


def _check_url(url: object, reach: Reach) -> None:
    scheme = url.partition(":")[0].lower() if isinstance(url, str) else ""
    if scheme not in _PACKAGES:
        raise ConfigurationError(
            f"url is {shown_url(str(url))!r}; write https://…, amqps://host/vhost/exchange/key or nats://host/subject"
        )
    package, extra = _PACKAGES[scheme]
    if importlib.util.find_spec(package) is None:
        raise ConfigurationError(f"{scheme}:// needs the package {package}: pip install 'hookguard-webhooks[{extra}]'")
    if scheme in ("https", "http"):
        _check_address(read_url(url, reach).host, reach)
    elif extra == "nats":
        read_subject(cast("str", url))
    else:
        read_route(cast("str", url))


def _check_address(host: str, reach: Reach) -> None:
    """Raise ConfigurationError for an address in the URL to which no connection would be made; a proxy checks for itself."""
    name = host.rstrip(".").lower()
    local = name == "localhost" or name.endswith(".localhost")
    addresses = ("127.0.0.1", "::1") if local else (name,) if is_address(name) else ()
    if reach.proxy is None and addresses and not any(may_connect(each, reach.allow_networks) for each in addresses):
        raise ConfigurationError(f"the address {host} in url is not public: set allow_networks if that is meant")


@dataclass(frozen=True, kw_only=True)
class RelaySettings:
    """Where the events of an endpoint go.

    - ``targets``: each target's settings by its name.
    - ``spread``: ``"all"``, ``"random"``, ``"weighted"``, ``"failover"``, or a function that chooses.
    - ``handle``: whether the guarded view handles each event as well.
    - ``keep_provider_headers``: whether the provider's signature is stored, and passed on with the body as it came.

    Raises ConfigurationError.
    """

    targets: Mapping[str, TargetSettings]
    spread: Union[str, Spread] = "all"
    handle: bool = False
    keep_provider_headers: bool = False

    def __post_init__(self) -> None:
        if not self.targets:
            raise ConfigurationError("relay: targets are missing: map a name to each target's settings")
        if not callable(self.spread) and self.spread not in _SPREADS:
            raise ConfigurationError(f"relay: spread is {self.spread!r}; choose {', '.join(_SPREADS)}, or give a function")
        if inspect.iscoroutinefunction(self.spread):
            raise ConfigurationError("relay: spread is a coroutine function: give a plain one")
        for name in ("handle", "keep_provider_headers"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigurationError(f"relay: {name} is {getattr(self, name)!r}; choose True or False")

    @classmethod
    @hides_arguments
    def of(cls, given: object) -> RelaySettings:
        """Read the setting ``relay``: a mapping (keys in upper or lower case), or RelaySettings."""
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping):
            raise ConfigurationError(f"relay is {type(given).__name__}; give a mapping with targets")
        found = known_settings(given, ["handle", "keep_provider_headers", "spread", "targets", *_REACH], "relay")
        reach: dict[str, Any] = {key: found.pop(key) for key in _REACH if key in found}
        targets = found.pop("targets", {})
        if not isinstance(targets, Mapping):
            raise ConfigurationError("relay: targets must map names to settings")
        return cls(targets={str(name): TargetSettings.of(name, each, reach) for name, each in targets.items()}, **found)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the work: those that the settings of today make, and that another ``spread`` may have made."""
        return (*self.targets, CHOSEN_LATER, *(("",) if self.handle else ()))

    def wanted(self, event: Event) -> list[str]:
        """Return the names of the targets that take the event's type, in their order."""
        try:
            kind = event.type
        except Rejected:
            kind = ""  # the body is malformed: it goes to the targets that take everything
        return [name for name, target in self.targets.items() if target.takes(kind)]

    def parts_of(self, event: Event) -> tuple[str, ...]:
        """Return the parts that an event is stored for: one for each target, or one whose target is chosen later."""
        names: Sequence[str] = self.wanted(event)
        if names and callable(self.spread):
            try:
                names = self.chosen(event)
            except Exception:
                _log.exception("the function that spreads events raised: the event is stored, and the worker calls it again")
                names = ()
        elif self.spread != "all":
            names = ()
        return (*(names or (CHOSEN_LATER,)), *(("",) if self.handle else ()))

    def chosen(self, event: Event) -> list[str]:
        """Return the names that the user's function chooses. Raises its exceptions, and ValueError for a name that is unknown."""
        names = self.wanted(event)
        chosen = list(dict.fromkeys(cast("Spread", self.spread)(event, tuple(names))))
        if unknown := [name for name in chosen if name not in self.targets]:
            raise ValueError(f"spread returned {unknown[0]!r}, and the targets are {', '.join(self.targets)}")
        return chosen

    def kept_headers(self, preset: Preset) -> frozenset[str]:
        """Return the lower-case names of the headers that the inbox keeps for the relay, besides its own."""
        return frozenset({HOPS}) | (provider_headers(preset) if self.keep_provider_headers else frozenset())


def provider_headers(preset: Preset) -> frozenset[str]:
    """Return the lower-case names of the headers that a receiver needs to verify the provider's own signature.

    Raises ConfigurationError if the signature of the relay would overwrite them.
    """
    scheme = preset.scheme
    covered = {part for part in scheme.covers if ":" not in part and part not in ("body", "method", "url", "path", "query")}
    places = (preset.event_id, preset.event_type, *preset.id_scope, getattr(scheme, "timestamp", None))
    read = {part for place in places if place is not None for part in getattr(place, "parts", ())}
    found = frozenset(scheme.signature_headers | covered | (read - {"arrival", "body"}))
    if any(name.startswith("webhook-") for name in found):
        raise ConfigurationError(
            f"relay: {preset.name} has its signature in headers that the relay's own signature takes: leave keep_provider_headers"
            " out"
        )
    return found


def read_relay(given: Mapping[Any, Any], secrets: Callable[[Any], Any], imported: Callable[[Any, str], Any]) -> dict[str, Any]:
    """Return the mapping of a relay with what its texts name: functions and objects by a dotted path, and secrets.

    ``secrets`` and ``imported`` read them, as for the other settings of an endpoint.
    """
    found = {str(key).lower(): value for key, value in given.items()}
    if isinstance(spread := found.get("spread"), str) and "." in spread:
        found["spread"] = imported(spread, "relay: spread")
    if not isinstance(targets := found.get("targets"), Mapping):
        return found
    found["targets"] = {}
    for name, target in targets.items():
        if isinstance(target, Mapping):
            own = {str(key).lower(): value for key, value in target.items()}
            if "secrets" in own:
                own["secrets"] = secrets(own["secrets"])
            if isinstance(own.get("to"), str):
                own["to"] = imported(own["to"], f"relay: target {name!r}: to")
            found["targets"][name] = own
        else:
            found["targets"][name] = target
    return found
