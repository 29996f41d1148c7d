"""A store that does not await, in the clothes of one that does: what lets guards be written once, as coroutines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, cast

from hookguard.keys import KeySource, Wanted
from hookguard.store import Capabilities, Checked, Claim, Store, StoreKey

__all__ = ["Awaited", "AwaitedKeys", "InThread", "at_once", "finish"]

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
