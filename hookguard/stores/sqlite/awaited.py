"""The SQLite store for asyncio: no thread for each call, and one commit for all that wait."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

from hookguard.errors import StoreError, StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, Store, StoreKey
from hookguard.stores.sqlite.statements import (
    CLAIM,
    COMPLETE,
    EXTEND,
    LOOK,
    PURGE,
    PURGE_BATCH,
    PURGE_EVERY,
    RELEASE,
    claim_arguments,
)
from hookguard.stores.sqlite.writer import Writer
from hookguard.stores.statements import claim_from_row

if TYPE_CHECKING:
    from hookguard.stores.sqlite.inbox import AwaitedSQLiteInbox, SQLiteInbox

__all__ = ["AwaitedSQLiteStore"]

T = TypeVar("T")

#: How often a claim looks once more, when the clock passed the end of a lease between two statements.
_ROUNDS: Final = 4


class BlockingSide(Store, Protocol):
    """The SQLiteStore, as its awaited side uses it."""

    def inbox(self) -> SQLiteInbox:
        """Return the inbox in the same file."""


class AwaitedSQLiteStore:
    """An AsyncStore over the claims of a SQLiteStore; see :meth:`SQLiteStore.awaited`."""

    def __init__(
        self, store: BlockingSide, writer: Writer, clock: Callable[[], float], in_thread: Callable[..., Awaitable[Any]]
    ) -> None:
        self._store = store  # kept, because it closes the file when it is dropped
        self._writer = writer
        self._clock = clock
        self._in_thread = in_thread
        self._won = 0

    @property
    def capabilities(self) -> Capabilities:
        """The store's guarantees."""
        return self._store.capabilities

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""

        def look(connection: sqlite3.Connection) -> Claim | None:
            row = connection.execute(LOOK, key).fetchone()
            return None if row is None else claim_from_row((*row, self._clock()), token, fingerprint)

        def take(connection: sqlite3.Connection) -> Claim:
            for _ in range(_ROUNDS):
                arguments = claim_arguments(
                    key, token=token, fingerprint=fingerprint, now=self._clock(), lease=lease, retention=retention
                )
                if won := connection.execute(CLAIM, arguments).fetchall():
                    attempt, same = won[0]
                    return Claim(ClaimStatus.ACQUIRED, attempt, 0.0, bool(same))
                if found := look(connection):
                    return found
            raise StoreUnavailable("the event's lease ends while it is read: the provider's retry settles it")

        claim = await self._submit(take, look)
        if claim.status is ClaimStatus.ACQUIRED:
            self._won += 1
            if self._won % PURGE_EVERY == 0:
                # The event is claimed. A failed purge must not reject it.
                with suppress(StoreError):
                    await self.purge(limit=PURGE_BATCH)
        return claim

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done. Returns True only for the holder of the claim."""
        return await self._change(COMPLETE, key, token=token, retention=retention, reply=reply) == 1

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the claim: the next delivery runs the event."""
        return await self._change(RELEASE, key, token=token) == 1

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim to ``lease`` seconds from now."""
        return await self._change(EXTEND, key, token=token, lease=lease) == 1

    async def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events, the oldest first, a few hundred in each transaction."""
        deleted = 0
        while deleted < limit:
            few = min(limit - deleted, PURGE_BATCH)
            gone = await self._change(PURGE, limit=few)
            deleted += gone
            if gone < few:
                break
        return deleted

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event in any state, so that it may run again."""
        return cast("bool", await self._in_thread(lambda: self._store.forget(key)))

    def inbox(self) -> AwaitedSQLiteInbox:
        """Return the inbox in the same file."""
        return self._store.inbox().awaited(self._in_thread)

    def __repr__(self) -> str:
        return repr(self._store)

    async def _change(self, statement: str, key: StoreKey | None = None, **arguments: Any) -> int:
        if key is not None:
            arguments["scope"], arguments["id"] = key

        def change(connection: sqlite3.Connection) -> int:
            return connection.execute(statement, {**arguments, "now": self._clock()}).rowcount

        return await self._submit(change)

    async def _submit(
        self, write: Callable[[sqlite3.Connection], T], read: Callable[[sqlite3.Connection], T | None] | None = None
    ) -> T:
        import asyncio  # noqa: PLC0415 - threads never need it

        try:
            asyncio.get_running_loop()
        except RuntimeError:  # another kind of event loop, such as trio's
            return cast("T", await self._in_thread(lambda: self._writer.run(write, read=read, single=True)))
        return await self._writer.submit(write, read=read, single=True)
