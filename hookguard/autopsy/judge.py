"""The only judge: the scheme's own ``verify``, called within bounds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hookguard.delivery import Delivery
from hookguard.errors import Rejected, SignatureMismatch
from hookguard.schemes.base import Key, Scheme, Verified

__all__ = ["COMMAND_LINE", "DEEP", "DEEP_UNKNOWN", "LIVE", "UNKNOWN", "BoundReached", "Bounds", "Judge"]


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much an autopsy may cost. The defaults are those in a running application."""

    calls: int = 1500  #: calls of ``verify``
    hashed: int = 4 << 20  #: bytes hashed
    costly: int = 40  #: operations with public keys
    seconds: float = 0.1  #: of the thread's processor time, so that a busy machine finds as much as an idle one
    rewritten: int = 32 << 10  #: largest body that is parsed and written again, in bytes
    guesses: bool = False  #: whether a character of a secret may be guessed


LIVE = Bounds()
COMMAND_LINE = Bounds(calls=4000, hashed=32 << 20, costly=300, seconds=5.0, rewritten=256 << 10, guesses=True)
#: For an unknown sender: its search makes most hashes itself, each in a few microseconds.
UNKNOWN = Bounds(calls=2_000_000, hashed=1 << 30, costly=100, seconds=10.0, rewritten=256 << 10)
DEEP_UNKNOWN = Bounds(calls=20_000_000, hashed=16 << 30, costly=1000, seconds=120.0, rewritten=4 << 20)
DEEP = Bounds(calls=20_000, hashed=512 << 20, costly=2000, seconds=60.0, rewritten=4 << 20, guesses=True)


class BoundReached(Exception):
    """The search ends here."""


class Judge:
    """Asks a scheme whether a hypothesis is genuine, and counts the cost. Raises BoundReached over a bound."""

    __slots__ = ("_deadline", "_fetches", "_price", "_scheme", "_started", "bounds", "calls", "costly", "hashed", "why")

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.calls = self.costly = self.hashed = 0
        #: Why the last hypothesis was rejected.
        self.why: Exception | None = None
        self._scheme: Scheme | None = None  # the last one, and what a check with it costs
        self._price, self._fetches = 0, False
        self._started = time.thread_time()
        self._deadline = self._started + bounds.seconds

    @property
    def seconds(self) -> float:
        """Seconds of processor time since the search began."""
        return time.thread_time() - self._started

    def look(self) -> None:
        """Raise BoundReached if the time is over."""
        if time.thread_time() > self._deadline:
            raise BoundReached

    def affords(self, size: int, keys: int) -> int:
        """How many more deliveries of that size may be checked with that many keys."""
        return min((self.bounds.hashed - self.hashed) // max(size * keys, 1), self.bounds.calls - self.calls)

    def count(self, size: int) -> None:
        """Count a hash that a search makes itself; raise BoundReached over a bound."""
        self.calls += 1
        self.hashed += size
        if self.calls > self.bounds.calls or self.hashed > self.bounds.hashed:
            raise BoundReached

    def within(self, changes: Iterable[T], share: int) -> Iterator[T]:
        """Yield while no more than ``share`` operations with public keys were spent on them, so that others have their turn."""
        start = self.costly
        for each in changes:
            if self.costly - start >= share:
                return
            yield each

    def ask(self, scheme: Scheme, delivery: Delivery, keys: Sequence[Key], found: Any = None) -> Verified | None:
        """Return the name of the key that makes the delivery genuine and the signed time; None if none does."""
        self.look()
        if scheme is not self._scheme:
            self._scheme, self._price, self._fetches = scheme, int(is_costly(scheme)), hasattr(scheme, "wants")
        bounds = self.bounds
        self.hashed += (len(delivery.body) + len(delivery.url)) * len(keys)
        price = self._price if found is not None else self._price * len(keys)
        if self.calls >= bounds.calls or self.hashed > bounds.hashed or self.costly + price > bounds.costly:
            raise BoundReached
        self.calls += 1
        verify: Any = scheme.verify
        self.why = None
        try:
            # Only a scheme that fetches keys takes a third argument.
            verified: Verified = verify(delivery, keys, found) if self._fetches else verify(delivery, keys)
            self.costly += price
        except Rejected as error:
            self.why = error.with_traceback(None)
            # A malformed signature is rejected before any arithmetic.
            self.costly += price if isinstance(error, SignatureMismatch) else 0
        except Exception as error:
            # A hypothesis may be stranger than any delivery. It is then simply not the right one.
            self.why = error.with_traceback(None)
        else:
            return verified
        return None


def is_costly(scheme: Scheme) -> bool:
    """Whether a check is an operation with a public key."""
    return scheme.signs_privately or hasattr(scheme, "wants")
