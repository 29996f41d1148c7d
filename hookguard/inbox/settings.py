"""The settings of an endpoint's inbox, checked when the application starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final, Union

from hookguard.errors import ConfigurationError
from hookguard.inbox.hand_off import HandOff, check_hand_off, split_path
from hookguard.inbox.hidden import read_pointers
from hookguard.inbox.schedule import Schedule
from hookguard.place import Place, need_place
from hookguard.setting_names import known_settings

__all__ = ["NEVER_KEPT", "InboxSettings"]

#: Headers that hold what opens other doors: an inbox never keeps them, nor the headers that carry the endpoint's signature.
NEVER_KEPT: Final = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})

#: Ten years, in seconds.
LONGEST: Final = 3650 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxSettings:
    """How long an endpoint's entries are tried and kept. The defaults try for three days.

    - ``tries``: attempts before an entry is dead; those whose worker died do not count.
    - ``first``, ``longest_wait``: seconds until the second attempt, and at most between two. The wait doubles each time.
    - ``keep``, ``keep_dead``: seconds that an entry is kept after it is done, or dead. 0 deletes it immediately.
    - ``order_by``: the place of a value; events with the same value are handled in the order in which they were stored.
    - ``keep_headers``: further headers to keep for the handler.
    - ``hand_off``: gives an entry's key to another engine, whose worker runs it; or its path (``"shop.tasks:run.delay"``).
    - ``patience``: seconds after which a key that was handed off and did not run is handed off again.
    - ``hide``: JSON pointers to values of the body that the page and Django's admin show to nobody.

    Raises ConfigurationError.
    """

    tries: int = 24
    first: float = 5.0
    longest_wait: float = 21_600.0
    keep: float = 86_400.0
    keep_dead: float = 2_592_000.0
    order_by: Place | None = None
    keep_headers: tuple[str, ...] = ()
    hand_off: Union[HandOff, str, None] = None
    patience: float = 900.0
    hide: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.tries, bool) or not isinstance(self.tries, int) or self.tries < 1:
            raise ConfigurationError(f"inbox: tries is {self.tries!r}; give a number of attempts, 1 or more")
        for name, least in (
            ("first", "more than 0"),
            ("longest_wait", "more than 0"),
            ("patience", "more than 0"),
            ("keep", "0 or more"),
            ("keep_dead", "0 or more"),
        ):
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not 0 <= value <= LONGEST
                or (value == 0 and least == "more than 0")
            ):
                raise ConfigurationError(f"inbox: {name} is {value!r}; give seconds, {least}")
            object.__setattr__(self, name, float(value))
        if self.first > self.longest_wait:
            raise ConfigurationError(
                f"inbox: first is {self.first:g} s and longest_wait is {self.longest_wait:g} s: longest_wait must not be shorter"
            )
        if self.order_by is not None:
            need_place(self.order_by, "inbox: order_by")
        if isinstance(self.keep_headers, (str, bytes)) or not isinstance(self.keep_headers, Iterable):
            raise ConfigurationError(f"inbox: keep_headers is {self.keep_headers!r}; give a list of header names")
        object.__setattr__(self, "keep_headers", tuple(map(_header, self.keep_headers)))
        read_pointers(self.hide)
        object.__setattr__(self, "hide", tuple(self.hide))
        if isinstance(self.hand_off, str):
            split_path(self.hand_off)  # its module may import this one: the worker imports it
        elif self.hand_off is not None:
            check_hand_off(self.hand_off)

    @classmethod
    def of(cls, given: object) -> InboxSettings | None:
        """Read the setting ``inbox``: True, False, None, a mapping (keys in upper or lower case), or InboxSettings."""
        if given is None or given is False:
            return None
        if given is True:
            return cls()
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping):
            raise ConfigurationError(f"inbox is {given!r}; choose True, False, or give a mapping of settings")
        return cls(**known_settings(given, [field.name for field in fields(cls)], "inbox"))

    @classmethod
    def beside(cls, given: object, *, store_reply: bool, on_outage: str) -> InboxSettings | None:
        """Read the setting ``inbox``, and check it against an endpoint's other settings."""
        settings = cls.of(given)
        if settings is None:
            return None
        if store_reply:
            raise ConfigurationError("inbox: the answer is sent before the handler runs: leave store_reply or inbox out")
        if on_outage == "open":
            raise ConfigurationError("inbox: no event can run while the store is down: leave on_outage='open' or inbox out")
        return settings

    @property
    def schedule(self) -> Schedule:
        """The wait after an attempt."""
        return Schedule(self.tries, self.first, self.longest_wait)


def _header(name: object) -> str:
    if not isinstance(name, str) or not name or not name.isascii() or not name.isprintable() or set(name) & set(" _:,;\"'"):
        raise ConfigurationError(f"inbox: keep_headers: {name!r} is not a header name: write it like the provider, with hyphens")
    if name.lower() in NEVER_KEPT:
        raise ConfigurationError(f"inbox: keep_headers: {name!r} may hold a password or a session, and is never kept")
    return name.lower()
