"""How many unknown keys may be fetched: enough that strangers cannot keep a genuine key from being fetched.

A delivery names its key before it is verified, so strangers can name keys that do not exist. Each sending network has a
budget of its own. Fetches above it continue in a slow lane, a few at a time. So a sender that makes up names uses up its own
budget, and even senders that look like one network (behind a proxy) cannot block all fetches. Senders in many networks can use
up all of that, so the first fetch of a network within a minute needs only a free slot.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hookguard.errors import VerificationUnavailable
from hookguard.process.locks import Lock

__all__ = ["FetchBudget"]

#: Fetches of unknown keys within a minute: for one network, for all networks, and in the slow lane.
MAX_NEW, MAX_NEW_IN_ALL, MAX_NEW_SLOWLY = 30, 600, 600
#: Fetches that the slow lane makes at one time, and as many first ones of networks.
SLOTS = 4
#: Networks that are counted.
MAX_NETWORKS = 1024

#: Where a translator puts IPv4 addresses (RFC 6052).
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class FetchBudget:
    """Counts the fetches of keys whose name a sender chose. Safe to share between threads; ``clock`` is monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._networks: OrderedDict[str, _Window] = OrderedDict()
        self._all, self._slow = _Window(MAX_NEW_IN_ALL), _Window(MAX_NEW_SLOWLY)
        self._slow_lane, self._first_lane = _Lane(), _Lane()
        self._lock = Lock()

    def enter(self, address: str) -> Callable[[], None]:
        """Count a fetch for a sender's address; VerificationUnavailable if it is too many. Call the result at its end."""
        now = self._clock()
        with self._lock:
            own = self._window(_network(address))
            if own.has_room(now) and self._all.has_room(now):
                own.count(now)
                self._all.count(now)
                return _nothing
            lane = self._first_lane if own.is_empty() else self._slow_lane
            if lane.free == 0 or (lane is self._slow_lane and not self._slow.has_room(now)):
                raise VerificationUnavailable(
                    "too many unknown keys were named within a minute: no more are fetched for now."
                    " If this continues, list the genuine keys in known_keys or pinned_keys"
                )
            lane.free -= 1
            (self._slow if lane is self._slow_lane else own).count(now)
            return partial(self._leave, lane)

    def _leave(self, lane: _Lane) -> None:
        with self._lock:
            lane.free += 1

    def _window(self, network: str) -> _Window:
        window = self._networks.pop(network, None) or _Window(MAX_NEW)
        self._networks[network] = window
        if len(self._networks) > MAX_NETWORKS:
            self._networks.popitem(last=False)
        return window


@dataclass(slots=True)
class _Lane:
    """Fetches that are made at one time."""

    free: int = SLOTS


class _Window:
    """At most ``limit`` within any minute."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._moments: list[float] = []

    def has_room(self, now: float) -> bool:
        self._moments = [moment for moment in self._moments if moment > now - 60.0]
        return len(self._moments) < self._limit

    def is_empty(self) -> bool:
        """Whether nothing was counted, as of the last :meth:`has_room`."""
        return not self._moments

    def count(self, now: float) -> None:
        self._moments.append(now)


def _network(address: str) -> str:
    """Return the sender's network: an IPv4 address or an IPv6 /64; "" for any text that is not an address."""
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if read.version == 6 and (own := _ipv4_in(read)) is not None:
        read = own
    return str(read) if read.version == 4 else str(ipaddress.ip_network((read, 64), strict=False))


def _ipv4_in(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address in one of a dual-stack socket (``::ffff:192.0.2.1``) or a translator; None for any other."""
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


def _nothing() -> None:
    """Do nothing: a fetch within the budget holds no slot."""
