"""Completing and releasing claims, also while the store is unavailable for a moment.

Both are idempotent by the claim's token, and the claim is held until its lease ends. So a failed completion is retried: the
reply waits for it briefly, and after that one thread or task retries it in the background. Without this, a restart of the
store would run handlers twice although they had finished.
"""

from __future__ import annotations

import atexit
import inspect
import logging
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_futures
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from weakref import WeakKeyDictionary

from hookguard.errors import StoreError, StoreUnavailable
from hookguard.guard.bridge import InlineStoreAdapter, run_sync
from hookguard.process.locks import Lazy
from hookguard.process.threads import OwnThread
from hookguard.store import AsyncStore, Store, StoreKey

if TYPE_CHECKING:
    # Each function that awaits imports it: asyncio is a third of what a synchronous application loads, which never needs it.
    import asyncio

__all__ = ["REPLY_WAITS", "Settler", "wait_here", "wait_on_loop"]

_log = logging.getLogger("hookguard")

#: Seconds that a reply waits for a store that is unavailable.
REPLY_WAITS: Final = 1.0

#: Seconds between two tries in the background: at first, and at most.
SOON: Final = 0.02
LATER: Final = 0.25

#: Claims of one store that a process retries. Further claims are left to their leases.
MOST: Final = 10_000

#: Waits until a settlement is made, for at most that many seconds.
Wait = Callable[["Future[bool]", float], Awaitable[None]]


class Settlement(NamedTuple):
    """A completion of a claim, or its release if ``retention`` is None."""

    key: StoreKey
    token: bytes
    retention: float | None = None
    reply: bytes | None = None

    async def make(self, store: AsyncStore) -> bool:
        """Try once; return whether the claim still had this token."""
        if self.retention is None:
            return await store.release(self.key, token=self.token)
        return await store.complete(self.key, token=self.token, retention=self.retention, reply=self.reply)

    def __str__(self) -> str:
        return f"{'release' if self.retention is None else 'completion'} of {self.key.id[:200]!r} in {self.key.scope!r}"


class Settler:
    """Settles the claims of one guard. ``given`` is the user's store, ``store`` its adapter; ``lease`` is seconds."""

    def __init__(self, store: AsyncStore, given: Store | AsyncStore, lease: float, wait: Wait) -> None:
        self._store = store
        self._lease = lease
        self._wait = wait
        self.backlog = _backlog_of(given)

    async def complete(
        self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None, waits: float | None = None
    ) -> bool:
        """Complete a claim; False if another worker holds it by now.

        Raises StoreError if the store has not answered after ``waits`` seconds. The background retries it for one lease.
        """
        began = time.monotonic()
        try:
            return await self._store.complete(key, token=token, retention=retention, reply=reply)
        except StoreError as error:
            settlement = Settlement(key, token, retention, reply)
            return await self._retry(settlement, error, began, REPLY_WAITS if waits is None else waits)

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release a claim; see ``complete``."""
        began = time.monotonic()
        try:
            return await self._store.release(key, token=token)
        except StoreError as error:
            return await self._retry(Settlement(key, token), error, began, REPLY_WAITS)

    async def catch_up(self, key: StoreKey) -> None:
        """Make the event's pending settlement, if any, before the event is claimed once more. Raises StoreError."""
        if (settlement := self.backlog.find(key)) is not None:
            self.backlog.settled(settlement, made=await settlement.make(self._store))

    async def _retry(self, settlement: Settlement, error: StoreError, began: float, waits: float) -> bool:
        """Leave a settlement to the background, and wait for it until ``began + waits``; raise ``error`` if it is not made."""
        # A transaction that could not be committed was rolled back: nothing is left to retry.
        if self._store.capabilities.transactional:
            raise error
        made = self.backlog.add(settlement, began + self._lease)
        if made is None:
            raise error
        if (left := began + waits - time.monotonic()) > 0:
            await self._wait(made, left)
        if not made.done() or made.cancelled():
            raise error
        return made.result()


class _Entry(NamedTuple):
    settlement: Settlement
    until: float  #: by time.monotonic()
    made: Future[bool]  #: cancelled when the retries end without success


class _Process:
    """The backlog of one process: a forked child must not do its parent's work, nor wait for its locks."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entries: dict[StoreKey, _Entry] = {}
        self.runner: threading.Thread | asyncio.Task[None] | None = None
        self.asked_at_exit = False


class Backlog:
    """The settlements that one store could not make yet. ``store`` returns the store, or None after it was collected."""

    def __init__(self, store: Callable[[], Store | AsyncStore | None]) -> None:
        self._store = store
        self._process = Lazy(_Process)
        #: Whether it may hold a settlement: False until the first is added, and then True.
        self.used = False

    def add(self, settlement: Settlement, until: float) -> Future[bool] | None:
        """Retry until ``until``; return None if nothing can retry it."""
        self.used = True
        process = self._process.get()
        entry = _Entry(settlement, until, Future())
        with process.lock:
            if len(process.entries) >= MOST or not self._runs(process):
                _log.error("the %s cannot be retried here: the event waits for its lease to end", settlement)
                return None
            process.entries[settlement.key] = entry
        return entry.made

    def find(self, key: StoreKey) -> Settlement | None:
        """Return the pending settlement of an event, or None."""
        process = self._process.get()
        if not process.entries:
            return None
        with process.lock:
            self._runs(process)  # the loop that worked on it may have ended
            entry = process.entries.get(key)
        return None if entry is None else entry.settlement

    def settled(self, settlement: Settlement, *, made: bool | None) -> None:
        """Remove a settlement: the store has answered, or the retries have ended (None)."""
        process = self._process.get()
        with process.lock:
            entry = process.entries.get(settlement.key)
            if entry is None or entry.settlement != settlement:
                return  # another thread or task was quicker
            del process.entries[settlement.key]
        if made is None:
            entry.made.cancel()
            _log.error("the %s failed for a whole lease and is not retried any more: the event may run again", settlement)
            return
        entry.made.set_result(made)
        if made:
            _log.info("the %s succeeded late, after the store was unavailable", settlement)
        else:
            _log.error("the %s came too late: another worker has taken the event over, or the store has forgotten it", settlement)

    def _runs(self, process: _Process) -> bool:
        """Start a thread or task that works on the backlog, if none is running. The caller holds the lock."""
        store = self._store()
        if store is None:
            return False
        try:
            if not inspect.iscoroutinefunction(store.claim):
                if not isinstance(process.runner, threading.Thread) or not process.runner.is_alive():
                    process.runner = OwnThread(self._in_thread, "hookguard-settle")
                    process.runner.start()
                    if not process.asked_at_exit:
                        process.asked_at_exit = True
                        atexit.register(self._at_exit)
                return True
            import asyncio  # noqa: PLC0415 - see TYPE_CHECKING above

            loop = asyncio.get_running_loop()
            task = process.runner
            if not isinstance(task, asyncio.Task) or task.done() or task.get_loop().is_closed():
                process.runner = loop.create_task(self._on_loop(process))
        except RuntimeError:  # the interpreter is shutting down, or the loop is not asyncio's
            return False
        return True

    def _in_thread(self) -> None:
        run_sync(self._work(self._process.get(), sleep_here))

    async def _on_loop(self, process: _Process) -> None:
        import asyncio  # noqa: PLC0415 - see TYPE_CHECKING above

        try:
            await self._work(process, asyncio.sleep)
        except asyncio.CancelledError:
            # The loop is about to end: try once more.
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._retry_each(process), REPLY_WAITS)
            _log_unsettled(process)
            raise

    def _at_exit(self) -> None:
        process = self._process.get()
        run_sync(self._retry_each(process))
        _log_unsettled(process)

    async def _work(self, process: _Process, sleep: Callable[[float], Awaitable[None]]) -> None:
        seconds = SOON
        while True:
            await sleep(seconds)
            seconds = SOON if await self._retry_each(process) else min(2 * seconds, LATER)
            with process.lock:
                if not process.entries:
                    process.runner = None
                    return

    async def _retry_each(self, process: _Process) -> bool:
        """Try each settlement once; return False as soon as the store is unavailable."""
        store = self._store()
        if store is None:  # the application dropped the store
            process.entries.clear()
            return True
        awaits = inspect.iscoroutinefunction(store.claim)
        awaited = cast("AsyncStore", store) if awaits else InlineStoreAdapter(cast("Store", store))
        answers = True
        for entry in list(process.entries.values()):
            if not answers:
                break
            try:
                self.settled(entry.settlement, made=await entry.settlement.make(awaited))
            except Exception as error:
                # A settlement that always fails moves to the end, so that the others get their turn.
                with process.lock:
                    if process.entries.get(entry.settlement.key) is entry:
                        process.entries[entry.settlement.key] = process.entries.pop(entry.settlement.key)
                answers = not isinstance(error, StoreUnavailable)
        now = time.monotonic()
        for entry in list(process.entries.values()):
            if entry.until <= now:
                self.settled(entry.settlement, made=None)
        return answers


#: One backlog for each store; all guards with this store share it.
_backlogs: WeakKeyDictionary[Any, Backlog] = WeakKeyDictionary()


def _backlog_of(store: Store | AsyncStore) -> Backlog:
    try:
        return _backlogs.get(store) or _backlogs.setdefault(store, Backlog(weakref.ref(store)))
    except TypeError:  # without weak references or a hash, each guard has a backlog of its own
        return Backlog(lambda: store)


def _log_unsettled(process: _Process) -> None:
    if process.entries:
        _log.error(
            "%d claims could not be settled before the process or event loop ended. Their events wait for their leases, and those"
            " that were handled may run again",
            len(process.entries),
        )


async def sleep_here(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 - in a thread of its own


async def wait_here(made: Future[bool], seconds: float) -> None:
    """Wait in the calling thread."""
    wait_for_futures([made], seconds)


async def wait_on_loop(made: Future[bool], seconds: float) -> None:
    """Wait on asyncio's event loop; return immediately on any other."""
    import asyncio  # noqa: PLC0415 - see TYPE_CHECKING above

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    made_here = asyncio.Event()

    def wake(_: Future[bool]) -> None:
        with suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(made_here.set)

    made.add_done_callback(wake)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(made_here.wait(), seconds)
