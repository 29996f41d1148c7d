"""A store that does not await, in the clothes of one that does: what lets guards be written once, as coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, cast

from hookguard.errors import StoreError
from hookguard.keys import KeySource, Wanted
from hookguard.store import AsyncStore, Capabilities, Checked, Claim, ClaimStatus, Store, StoreKey

__all__ = ["Awaited", "AwaitedKeys", "InThread", "Kept", "at_once", "finish", "keep"]

T = TypeVar("T")

#: Runs a blocking call elsewhere and awaits it, as ``asyncio.to_thread`` and ``anyio.to_thread.run_sync`` do.
InThread = Callable[..., Awaitable[Any]]


class Awaited:
    """Calls the store through ``run``."""

    def __init__(self, store: Store, run: InThread) -> None:
        self._store = store
        self._run = run

    @property
    def capabilities(self) -> Capabilities:
        """What the store promises."""
        return self._store.capabilities

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""

        def call() -> Claim:
            return self._store.claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)

        return cast("Claim", await self._run(call))

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done."""
        return cast("bool", await self._run(lambda: self._store.complete(key, token=token, retention=retention, reply=reply)))

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""
        return cast("bool", await self._run(lambda: self._store.release(key, token=token)))

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim longer."""
        return cast("bool", await self._run(lambda: self._store.extend(key, token=token, lease=lease)))

    async def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""
        return cast("int", await self._run(lambda: self._store.purge(limit=limit)))

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event."""
        return cast("bool", await self._run(lambda: self._store.forget(key)))

    async def check(self) -> list[str]:
        """Ask the store whether it is well, where it can say so."""
        return cast("list[str]", await self._run(self._store.check)) if isinstance(self._store, Checked) else []


class AwaitedKeys:
    """A source of keys that does not await, called through ``run``."""

    def __init__(self, keys: KeySource, run: InThread) -> None:
        self._keys = keys
        self._run = run

    async def get(self, wanted: Wanted) -> Any | None:
        """Return the key, or None when its document was had and does not hold it."""
        return await self._run(lambda: self._keys.get(wanted))


class Kept:
    """An asynchronous store whose claim is given back when the one who asked for it is cancelled before the answer came.

    Otherwise the event would wait for a lease that nobody works under.
    """

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        if isinstance(store, Checked):
            # Whether it can be asked is asked of what it has itself: protocols do not go through __getattr__.
            self.check = store.check

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""
        asked = self._store.claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if (asking := _task(asked)) is None:
            return await asked
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            _task(self._give_back(asking, key, token))
            raise

    async def _give_back(self, asking: asyncio.Task[Claim], key: StoreKey, token: bytes) -> None:
        # What cannot be given back now waits for its lease, as after any crash.
        with suppress(StoreError):
            if (await asking).status == ClaimStatus.ACQUIRED:
                await self._store.release(key, token=token)


async def keep(steps: Coroutine[Any, Any, T]) -> T:
    """Let a coroutine run to its end even when the one who awaits it is cancelled."""
    task = _task(steps)
    return await (steps if task is None else asyncio.shield(task))


#: What is under way; the event loop itself would let it be collected.
_under_way: set[asyncio.Task[Any]] = set()


def _task(steps: Coroutine[Any, Any, T]) -> asyncio.Task[T] | None:
    """Start a task that is not forgotten; None on an event loop that is not asyncio's, which shields in its own way."""
    try:
        task = asyncio.get_running_loop().create_task(steps)
    except RuntimeError:
        return None
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return task


async def at_once(call: Callable[[], T]) -> T:
    """Call right here."""
    return call()


def finish(steps: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that has nothing to wait for."""
    try:
        steps.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    steps.close()
    raise RuntimeError("a store or a secret lookup that is used by Guard suspended: use AsyncGuard for asynchronous ones")
