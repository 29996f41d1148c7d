"""The store contract: which claims a store holds, and what each answer means.

An event is in one of these states. A store moves it from one to another in one atomic step:

====================================  ======================  =====================================
what the store holds for the key      ``claim`` answers       what it holds afterwards
====================================  ======================  =====================================
nothing, or something expired         ACQUIRED, attempt 1     in progress, with the caller's token
in progress, the same token           ACQUIRED, same attempt  unchanged (the first answer got lost)
in progress, another token            IN_PROGRESS             unchanged
in progress, its lease has run out    ACQUIRED, attempt + 1   in progress, with the caller's token
released                              ACQUIRED, attempt + 1   in progress, with the caller's token
done                                  DONE                    unchanged (a duplicate prolongs nothing)
====================================  ======================  =====================================

``complete``, ``release`` and ``extend`` do something only for the token that holds the claim; ``complete`` is True again
for the same token. Tokens are random: with a counter, a stale worker could complete a claim that was released and acquired
once more. A claim is stored for its lease *and* its retention, so that it cannot expire while a worker holds it. The
fingerprint of the first claim stays until the key expires; ``same_fingerprint`` compares with it.

An error is :class:`~hookguard.errors.StoreUnavailable`, never an answer: to report a locked database as "duplicate" would
lose the event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from hookguard.record import Record

__all__ = ["AsyncStore", "Capabilities", "Checked", "Claim", "ClaimStatus", "Store", "StoreKey", "TwoSided"]


class StoreKey(NamedTuple):
    """``scope`` is fixed by configuration (provider, endpoint, tenant); ``id`` is the event's identity in it."""

    scope: str
    id: str

    @property
    def idempotency_key(self) -> str:
        """The same for every run of the event, and unique to the event. It does not reveal the id."""
        return hashlib.sha256(f"{self.scope}\0{self.id}".encode("utf-8", "surrogatepass")).hexdigest()


class ClaimStatus(IntEnum):
    """The three answers to a claim."""

    ACQUIRED = 0
    IN_PROGRESS = 1
    DONE = 2


@dataclass(frozen=True, slots=True, repr=False)
class Claim(Record):
    """A store's answer. ``attempt`` counts runs; ``retry_after`` is the rest of the current lease, in seconds."""

    status: ClaimStatus
    attempt: int = 1
    retry_after: float = 0.0
    same_fingerprint: bool = True
    reply: bytes | None = None

    def __repr__(self) -> str:
        return f"Claim({self.status!r}, attempt={self.attempt}, retry_after={self.retry_after})"


class Capabilities(NamedTuple):
    """A store's guarantees. A guard logs them, and rejects a store that does not fit."""

    durable: bool  #: claims outlive the process
    shared: bool  #: several processes see the same claims
    transactional: bool  #: a claim can be part of the handler's own database transaction
    may_forget: bool  #: a completed event may be forgotten before its retention is over
    clock: Literal["server", "client"]  #: whose clock decides when a lease ends
    blocking: bool  #: a call may wait for a disk, a lock or a network, so an event loop must not make it directly


class Store(Protocol):
    """A store whose calls return when they are done. All durations are seconds; all errors are StoreError."""

    @property
    def capabilities(self) -> Capabilities:
        """The store's guarantees."""

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Complete the event, and store that for ``retention`` seconds from now; True only for the holder of the claim."""

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the event, so that the next delivery runs it; the count of attempts stays."""

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim's lease to ``lease`` seconds from now."""

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events; return how many."""

    def forget(self, key: StoreKey) -> bool:
        """Delete an event in any state, so that it may run again; a tool for operators."""


class AsyncStore(Protocol):
    """The same contract with coroutines."""

    @property
    def capabilities(self) -> Capabilities:
        """The store's guarantees."""

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Complete the event."""

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the event."""

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim's lease."""

    async def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""

    async def forget(self, key: StoreKey) -> bool:
        """Delete an event."""


@runtime_checkable
class Checked(Protocol):
    """A store with a check of itself; an asynchronous store's check is awaited.

    It checks that the store is reachable, has its table, can claim, and is configured not to forget. It returns one sentence
    for each problem or note. Raises StoreUnavailable if the store cannot be reached, and StoreMisconfigured if it answers but
    must not be used with this configuration.
    """

    def check(self) -> list[str] | Awaitable[list[str]]:
        """Check the store."""


@runtime_checkable
class TwoSided(Protocol):
    """A blocking store that can be awaited as well, which spares an event loop the thread for each call."""

    def awaited(self, in_thread: Callable[..., Awaitable[Any]]) -> AsyncStore:
        """Return an asynchronous store over the same claims. ``in_thread`` runs a blocking call, where it needs one."""
