"""Heartbeats: while a handler runs, its claim is extended, so that a lease may be short and a handler long.

A worker that dies stops extending, and another worker takes its events over one lease later. A worker that hangs keeps its
claim: only use a heartbeat for handlers that surely end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from hookguard.process.locks import Lazy
from hookguard.process.threads import OwnThread
from hookguard.store import StoreKey

if TYPE_CHECKING:
    # Each function that awaits imports it: asyncio is a third of what a synchronous application loads, which never needs it.
    import asyncio

__all__ = ["Heartbeat", "TaskHeartbeat", "ThreadHeartbeat"]

_log = logging.getLogger("hookguard")


class Heartbeat(Protocol):
    """Extends each claim from ``start`` until ``stop``."""

    def start(self, key: StoreKey, token: bytes) -> None:
        """Start to extend a claim."""

    def stop(self, token: bytes) -> None:
        """Stop extending a claim."""


class ThreadHeartbeat:
    """One thread for all claims of a guard; it ends when no claim is left. It extends every third of ``lease`` (seconds)."""

    def __init__(self, extend: Callable[..., bool], lease: float) -> None:
        self._extend = extend
        self._lease = lease
        self._held: dict[bytes, StoreKey] = {}
        self._changed = Lazy(threading.Condition)
        self._thread: threading.Thread | None = None

    def start(self, key: StoreKey, token: bytes) -> None:
        """Start to extend a claim."""
        with self._changed.get():
            self._held[token] = key
            if self._thread is None or not self._thread.is_alive():
                self._thread = OwnThread(self._run, "hookguard-heartbeat")
                self._thread.start()

    def stop(self, token: bytes) -> None:
        """Stop extending a claim."""
        with (changed := self._changed.get()):
            self._held.pop(token, None)
            if not self._held:
                changed.notify()

    def _run(self) -> None:
        while True:
            with (changed := self._changed.get()):
                changed.wait_for(lambda: not self._held, timeout=self._lease / 3)
                if not self._held:
                    self._thread = None
                    return
                held = list(self._held.items())
            for token, key in held:
                try:
                    kept = self._extend(key, token=token, lease=self._lease)
                except Exception as error:  # an error of any kind must not end the other claims' leases
                    _log.warning("a lease could not be extended; the next heartbeat retries it: %s", error)
                else:
                    self._check_kept(token, kept)

    def _check_kept(self, token: bytes, kept: bool) -> None:
        with self._changed.get():
            if not kept and self._held.pop(token, None) is not None:
                _log.warning(_LOST)


class TaskHeartbeat:
    """One asyncio task for each claim, for asynchronous stores."""

    def __init__(self, extend: Callable[..., Awaitable[bool]], lease: float) -> None:
        self._extend = extend
        self._lease = lease
        self._tasks: dict[bytes, asyncio.Task[None]] = {}

    def start(self, key: StoreKey, token: bytes) -> None:
        """Start to extend a claim."""
        import asyncio  # noqa: PLC0415 - see TYPE_CHECKING above

        self._tasks[token] = asyncio.get_running_loop().create_task(self._run(key, token))

    def stop(self, token: bytes) -> None:
        """Stop extending a claim."""
        if task := self._tasks.pop(token, None):
            task.cancel()

    async def _run(self, key: StoreKey, token: bytes) -> None:
        import asyncio  # noqa: PLC0415 - see TYPE_CHECKING above

        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                if not await self._extend(key, token=token, lease=self._lease):
                    _log.warning(_LOST)
                    return
            except Exception as error:  # as above
                _log.warning("a lease could not be extended; the next heartbeat retries it: %s", error)


_LOST = "the claim of an event was lost while its handler runs: another worker may run the event too"
