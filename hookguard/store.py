"""The store contract: who remembers claims, and what each answer means. This module imports nothing of the package.

An event is in one of these states, and a store moves it between them in one atomic step each:

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
for the same token. Tokens are random: a counter would let a stale worker complete a claim that was released and taken
anew. A claim is remembered for its lease *and* its retention, so that it cannot vanish under a worker that lives. The
fingerprint of the first claim stays until the key expires; ``same_fingerprint`` compares with it.

An error is :class:`~hookguard.errors.StoreUnavailable`, never an answer: taking a locked database for "duplicate" loses
the event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from enum import IntEnum
from typing import Literal, NamedTuple, Protocol, runtime_checkable

__all__ = ["AsyncStore", "Capabilities", "Checked", "Claim", "ClaimStatus", "Store", "StoreKey"]


class StoreKey(NamedTuple):
    """``scope`` is fixed by configuration (provider, endpoint, tenant); ``id`` is the event's identity in it."""

    scope: str
    id: str

    @property
    def idempotency_key(self) -> str:
        """The same for every run of the event and for no other event; says nothing of the id it is made of."""
        return hashlib.sha256(f"{self.scope}\0{self.id}".encode("utf-8", "surrogatepass")).hexdigest()


class ClaimStatus(IntEnum):
    """The three answers to a claim."""

    ACQUIRED = 0
    IN_PROGRESS = 1
    DONE = 2


class Claim(NamedTuple):
    """A store's answer. ``attempt`` counts runs; ``retry_after`` is what is left of the other's lease, in seconds."""

    status: ClaimStatus
    attempt: int = 1
    retry_after: float = 0.0
    same_fingerprint: bool = True
    reply: bytes | None = None


class Capabilities(NamedTuple):
    """What a store can promise, so that a guard can say it and refuse what does not fit."""

    durable: bool  #: claims outlive the process
    shared: bool  #: several processes see the same claims
    transactional: bool  #: a claim can be part of the handler's own database transaction
    may_forget: bool  #: a completed event may be forgotten before its retention is over
    clock: Literal["server", "client"]  #: whose clock judges leases
    blocking: bool  #: a call may wait for a disk, a lock or a network, so that an event loop must not make it directly


class Store(Protocol):
    """A store whose calls return when they are done. All durations are seconds; all errors are StoreError."""

    @property
    def capabilities(self) -> Capabilities:
        """What this store promises."""

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done for ``retention`` seconds from now; True only for the holder of the claim."""

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back so that the next delivery runs it; the count of attempts stays."""

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim for ``lease`` seconds from now."""

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events; return how many."""

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state, so that it may run again; an operator's tool."""


class AsyncStore(Protocol):
    """The same contract, awaited."""

    @property
    def capabilities(self) -> Capabilities:
        """What this store promises."""

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done."""

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim longer."""

    async def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event."""


@runtime_checkable
class Checked(Protocol):
    """A store that can say whether it is well; of an asynchronous store the answer is awaited.

    Looks whether it is reachable, has its table, can claim, and is configured not to forget. Returns what is worth
    knowing, a sentence each. Raises StoreUnavailable when it cannot be reached, and StoreMisconfigured when it answers
    but must not be used as it is.
    """

    def check(self) -> list[str] | Awaitable[list[str]]:
        """Look."""
