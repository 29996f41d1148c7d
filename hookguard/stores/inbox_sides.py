"""The inbox's two sides over any database: the contract's operations, each one made by the backend and run by its ``_do``."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

from hookguard.inbox.contract import Count, Entry, EntryState, Held, Kept, Lane, Put, Survives, entry_key, split_key
from hookguard.inbox.settings import InboxSettings
from hookguard.privacy.shown import printable
from hookguard.store import StoreKey

__all__ = ["AwaitedInbox", "BlockingInbox", "Operation", "Operations"]

T = TypeVar("T")

_log = logging.getLogger("hookguard.inbox")

#: Characters of a key that the log shows, as lists do.
SHOWN: Final = 12


class Operation(Generic[T]):
    """One operation that a backend made and can run; its answer is a ``T``."""

    __slots__ = ()


class Operations(Protocol):
    """Makes the operations. The arguments are those of the contract, in its order."""

    @abstractmethod
    def put(self, events: Sequence[Kept]) -> Operation[list[Put]]:
        """Make ``Inbox.put``."""

    @abstractmethod
    def take(self, lane: Lane, limit: int, lease: float, settings: InboxSettings) -> Operation[list[Held]]:
        """Make ``Inbox.take``."""

    @abstractmethod
    def due(self, lanes: Sequence[Lane]) -> Operation[bool]:
        """Make ``Inbox.due``."""

    @abstractmethod
    def take_one(self, key: str, lease: float, settings: InboxSettings) -> Operation[Held | None]:
        """Make ``Inbox.take_one``."""

    @abstractmethod
    def complete(self, key: str, token: bytes, settings: InboxSettings) -> Operation[bool]:
        """Make ``Inbox.complete``."""

    @abstractmethod
    def release(self, key: str, token: bytes, after: float, reason: str, settings: InboxSettings) -> Operation[bool]:
        """Make ``Inbox.release``."""

    @abstractmethod
    def extend(self, key: str, token: bytes, lease: float) -> Operation[bool]:
        """Make ``Inbox.extend``."""

    @abstractmethod
    def give_back(self, key: str, token: bytes, after: float) -> Operation[bool]:
        """Make ``Inbox.give_back``."""

    @abstractmethod
    def give_up(self, key: str, token: bytes, reason: str, settings: InboxSettings) -> Operation[bool]:
        """Make ``Inbox.give_up``."""

    @abstractmethod
    def counts(self) -> Operation[list[Count]]:
        """Make ``Inbox.counts``."""

    @abstractmethod
    def find(
        self,
        state: EntryState | None,
        endpoint: str | None,
        event_type: str | None,
        key: str | None,
        after: int | None,
        limit: int,
    ) -> Operation[list[Entry]]:
        """Make ``Inbox.find``."""

    @abstractmethod
    def open(self, key: str) -> Operation[Kept | None]:
        """Make ``Inbox.open``."""

    @abstractmethod
    def rerun(self, keys: Sequence[str], reason: str, by: str) -> Operation[int]:
        """Make ``Inbox.rerun``."""

    @abstractmethod
    def drop(self, keys: Sequence[str]) -> Operation[int]:
        """Make ``Inbox.drop``."""

    @abstractmethod
    def prune(self, limit: int) -> Operation[int]:
        """Make ``Inbox.prune``."""

    @abstractmethod
    def forget(self, key: StoreKey) -> Operation[bool]:
        """Make ``Inbox.forget``."""


class BlockingInbox(ABC):
    """An Inbox over the operations of a backend, which runs them in ``_do``."""

    survives: Survives = "power"

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    @abstractmethod
    def _do(self, operation: Operation[T]) -> T:
        """Run an operation."""

    def put(self, events: Sequence[Kept]) -> list[Put]:
        """Store all events, or none of them."""
        return self._do(self._operations.put(events)) if events else []

    def take(self, lane: Lane, *, limit: int, lease: float, settings: InboxSettings) -> list[Held]:
        """Take due entries, the longest due first."""
        return self._do(self._operations.take(lane, limit, lease, settings))

    def due(self, lanes: Sequence[Lane]) -> bool:
        """Return whether anything can be taken from one of the lanes now."""
        return self._do(self._operations.due(lanes))

    def take_one(self, key: str, *, lease: float, settings: InboxSettings) -> Held | None:
        """Take one entry if it waits."""
        return self._do(self._operations.take_one(key, lease, settings))

    def complete(self, key: str, *, token: bytes, settings: InboxSettings) -> bool:
        """Mark the entry as done."""
        return self._do(self._operations.complete(key, token, settings))

    def release(self, key: str, *, token: bytes, after: float, reason: str, settings: InboxSettings) -> bool:
        """Let it be due in ``after`` seconds; dead if its tries are used up."""
        return self._do(self._operations.release(key, token, after, reason, settings))

    def extend(self, key: str, *, token: bytes, lease: float) -> bool:
        """Let the lease end ``lease`` seconds from now."""
        return self._do(self._operations.extend(key, token, lease))

    def give_back(self, key: str, *, token: bytes, after: float = 0.0) -> bool:
        """Let it be due in ``after`` seconds, as if it had not been taken."""
        return self._do(self._operations.give_back(key, token, after))

    def give_up(self, key: str, *, token: bytes, reason: str, settings: InboxSettings) -> bool:
        """Mark it as dead."""
        return self._do(self._operations.give_up(key, token, reason, settings))

    def counts(self) -> list[Count]:
        """Return how many entries of each lane are in each state."""
        return self._do(self._operations.counts())

    def find(
        self,
        *,
        state: EntryState | None = None,
        endpoint: str | None = None,
        type: str | None = None,  # noqa: A002 - the field's own word
        key: str | None = None,
        after: int | None = None,
        limit: int,
    ) -> list[Entry]:
        """Return entries, the newest first; ``key`` is the beginning of an entry's key."""
        return self._do(self._operations.find(state, endpoint, type, key, after, limit))

    def open(self, key: str) -> Kept | None:
        """Return what is kept of an entry."""
        return self._do(self._operations.open(key))

    def rerun(self, keys: Sequence[str], *, reason: str, by: str) -> int:
        """Make done or dead entries due now; return how many."""
        return _report("rerun", self._do(self._operations.rerun(keys, reason, by)), keys, reason, by)

    def drop(self, keys: Sequence[str], *, reason: str, by: str) -> int:
        """Delete entries that nobody holds; return how many."""
        return _report("drop", self._do(self._operations.drop(keys)), keys, reason, by)

    def prune(self, *, limit: int) -> int:
        """Delete at most ``limit`` entries that were kept long enough; return how many."""
        return self._do(self._operations.prune(limit))

    def forget(self, key: StoreKey) -> bool:
        """Forget an event with its done and dead entries, for the store's ``forget``; False while an entry is waiting or held."""
        return self._do(self._operations.forget(key))


class AwaitedInbox(ABC):
    """The same as an AsyncInbox."""

    survives: Survives = "power"

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    @abstractmethod
    async def _do(self, operation: Operation[T]) -> T:
        """Run an operation."""

    async def put(self, events: Sequence[Kept]) -> list[Put]:
        """Store all events, or none of them."""
        return await self._do(self._operations.put(events)) if events else []

    async def take(self, lane: Lane, *, limit: int, lease: float, settings: InboxSettings) -> list[Held]:
        """Take due entries, the longest due first."""
        return await self._do(self._operations.take(lane, limit, lease, settings))

    async def due(self, lanes: Sequence[Lane]) -> bool:
        """Return whether anything can be taken from one of the lanes now."""
        return await self._do(self._operations.due(lanes))

    async def take_one(self, key: str, *, lease: float, settings: InboxSettings) -> Held | None:
        """Take one entry if it waits."""
        return await self._do(self._operations.take_one(key, lease, settings))

    async def complete(self, key: str, *, token: bytes, settings: InboxSettings) -> bool:
        """Mark the entry as done."""
        return await self._do(self._operations.complete(key, token, settings))

    async def release(self, key: str, *, token: bytes, after: float, reason: str, settings: InboxSettings) -> bool:
        """Let it be due in ``after`` seconds; dead if its tries are used up."""
        return await self._do(self._operations.release(key, token, after, reason, settings))

    async def extend(self, key: str, *, token: bytes, lease: float) -> bool:
        """Let the lease end ``lease`` seconds from now."""
        return await self._do(self._operations.extend(key, token, lease))

    async def give_back(self, key: str, *, token: bytes, after: float = 0.0) -> bool:
        """Let it be due in ``after`` seconds, as if it had not been taken."""
        return await self._do(self._operations.give_back(key, token, after))

    async def give_up(self, key: str, *, token: bytes, reason: str, settings: InboxSettings) -> bool:
        """Mark it as dead."""
        return await self._do(self._operations.give_up(key, token, reason, settings))

    async def counts(self) -> list[Count]:
        """Return how many entries of each lane are in each state."""
        return await self._do(self._operations.counts())

    async def find(
        self,
        *,
        state: EntryState | None = None,
        endpoint: str | None = None,
        type: str | None = None,  # noqa: A002 - the field's own word
        key: str | None = None,
        after: int | None = None,
        limit: int,
    ) -> list[Entry]:
        """Return entries, the newest first; ``key`` is the beginning of an entry's key."""
        return await self._do(self._operations.find(state, endpoint, type, key, after, limit))

    async def open(self, key: str) -> Kept | None:
        """Return what is kept of an entry."""
        return await self._do(self._operations.open(key))

    async def rerun(self, keys: Sequence[str], *, reason: str, by: str) -> int:
        """Make done or dead entries due now; return how many."""
        return _report("rerun", await self._do(self._operations.rerun(keys, reason, by)), keys, reason, by)

    async def drop(self, keys: Sequence[str], *, reason: str, by: str) -> int:
        """Delete entries that nobody holds; return how many."""
        return _report("drop", await self._do(self._operations.drop(keys)), keys, reason, by)

    async def prune(self, *, limit: int) -> int:
        """Delete at most ``limit`` entries that were kept long enough; return how many."""
        return await self._do(self._operations.prune(limit))

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event with its done and dead entries, for the store's ``forget``; False while an entry is waiting or held."""
        return await self._do(self._operations.forget(key))


def _report(what: str, count: int, keys: Sequence[str], reason: str, by: str) -> int:
    """Log what a person did; return the count."""
    what_of = f"{len(keys)} entries"
    if len(keys) == 1:
        start, part = split_key(keys[0])
        what_of = f"the entry {entry_key(printable(start[:SHOWN]), printable(part))}"
    # A person with the right to rerun must not write log lines in another's name.
    _log.warning("%s of %s by %s, changed %d: %s", what, what_of, printable(by), count, printable(reason))
    return count
