"""Adapters that let blocking stores and key sources be awaited, so that the guards' steps are written once, as coroutines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from hookguard.errors import StoreError
from hookguard.keys import KeySource, Wanted
from hookguard.store import AsyncStore, Capabilities, Checked, Claim, ClaimStatus, Store, StoreKey, TwoSided

__all__ = [
    "BlockingKeysAdapter",
    "BlockingStoreAdapter",
    "InlineStoreAdapter",
    "ReleaseOnCancel",
    "ThreadRunner",
    "awaitable_side",
    "call_inline",
    "run_sync",
    "shielded",
    "to_thread",
]

if TYPE_CHECKING:
    # Each function that awaits imports it: asyncio is a third of what a synchronous application loads, which never needs it.
    import asyncio

T = TypeVar("T")

#: Runs a blocking call elsewhere and awaits it, as ``asyncio.to_thread`` and ``anyio.to_thread.run_sync`` do.
ThreadRunner = Callable[..., Awaitable[Any]]


class BlockingStoreAdapter:
    """An asynchronous store that calls a blocking one through ``run``."""

    def __init__(self, store: Store, run: ThreadRunner) -> None:
        self._store = store
        self._run = run

    @property
    def capabilities(self) -> Capabilities:
        """The store's capabilities."""
        return self._store.capabilities

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""

        def call() -> Claim:
            return self._store.claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)

        return cast("Claim", await self._run(call))

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Complete the event."""
        return cast("bool", await self._run(lambda: self._store.complete(key, token=token, retention=retention, reply=reply)))

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the event."""
        return cast("bool", await self._run(lambda: self._store.release(key, token=token)))

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim's lease."""
        return cast("bool", await self._run(lambda: self._store.extend(key, token=token, lease=lease)))

    async def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""
        return cast("int", await self._run(lambda: self._store.purge(limit=limit)))

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event."""
        return cast("bool", await self._run(lambda: self._store.forget(key)))

    async def check(self) -> list[str]:
        """Check the store, if it has a check; an empty list otherwise."""
        return cast("list[str]", await self._run(self._store.check)) if isinstance(self._store, Checked) else []


def awaitable_side(store: Store, run: ThreadRunner) -> AsyncStore | None:
    """Return the asynchronous side of a blocking store that has one, or None.

    None too if the store's methods were replaced, in a subclass or on the object, or if it passes calls on to another store:
    going past such methods would surprise their author.
    """
    if not isinstance(store, TwoSided):
        return None
    for each in (vars(store) if hasattr(store, "__dict__") else {}, *map(vars, type(store).__mro__)):
        if "awaited" in each:
            return store.awaited(run)
        if not _OPERATIONS.isdisjoint(each):
            return None
    return None  # an attribute of something that it wraps


_OPERATIONS = frozenset(("claim", "complete", "release", "extend", "purge", "forget", "check"))


class InlineStoreAdapter(BlockingStoreAdapter):
    """An asynchronous store that calls a blocking one in this thread, and never suspends.

    The three calls of a delivery go directly to the store: a coroutine and a function less for each, 2 us a delivery.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store, call_inline)

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""
        return self._store.claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Complete the event."""
        return self._store.complete(key, token=token, retention=retention, reply=reply)

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the event."""
        return self._store.release(key, token=token)


class BlockingKeysAdapter:
    """An asynchronous key source that calls a blocking one through ``run``."""

    def __init__(self, keys: KeySource, run: ThreadRunner) -> None:
        self._keys = keys
        self._run = run

    async def get(self, wanted: Wanted) -> Any | None:
        """Return the key, or None if its document was fetched and does not hold it."""
        return await self._run(lambda: self._keys.get(wanted))


class ReleaseOnCancel:
    """An asynchronous store that releases a claim if the caller is cancelled before the store answers.

    Otherwise the event would wait for the lease to end, although no worker handles it.
    """

    def __init__(self, store: AsyncStore, release: Callable[..., Awaitable[bool]]) -> None:
        self._store = store
        self._release = release
        if isinstance(store, Checked):
            # Set on the instance, because isinstance() with a protocol does not go through __getattr__.
            self.check = store.check

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""
        import asyncio  # noqa: PLC0415 - see TYPE_CHECKING above

        asked = self._store.claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if (asking := _task(asked)) is None:
            return await asked
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            _task(self._release_when_claimed(asking, key, token))
            raise

    async def _release_when_claimed(self, asking: asyncio.Task[Claim], key: StoreKey, token: bytes) -> None:
        with suppress(StoreError):  # a release that fails is retried in the background
            if (await asking).status == ClaimStatus.ACQUIRED:
                await self._release(key, token=token)


async def shielded(steps: Coroutine[Any, Any, T]) -> T:
    """Let a coroutine run to its end even if its caller is cancelled."""
    import asyncio  # noqa: PLC0415 - see TYPE_CHECKING above

    task = _task(steps)
    return await (steps if task is None else asyncio.shield(task))


#: Tasks that are running: the event loop holds only weak references to them.
_under_way: set[asyncio.Task[Any]] = set()


def _task(steps: Coroutine[Any, Any, T]) -> asyncio.Task[T] | None:
    """Start a task and keep a reference to it; None on an event loop other than asyncio's, which shields in its own way."""
    import asyncio  # noqa: PLC0415 - see TYPE_CHECKING above

    try:
        task = asyncio.get_running_loop().create_task(steps)
    except RuntimeError:
        return None
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return task


async def to_thread(call: Callable[[], Any]) -> Any:
    """Call in a thread of asyncio's."""
    import asyncio  # noqa: PLC0415 - see TYPE_CHECKING above

    return await asyncio.to_thread(call)


async def call_inline(call: Callable[[], T]) -> T:
    """Call in this thread."""
    return call()


def run_sync(steps: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends; RuntimeError if it does."""
    try:
        steps.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    steps.close()
    raise RuntimeError("a store or a secret lookup awaited something inside Guard: use AsyncGuard for asynchronous ones")
