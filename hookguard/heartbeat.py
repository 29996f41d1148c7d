"""Leases that live: while a handler runs, its claim is extended, so that a lease may be short and a handler long.

A worker that dies stops extending, and its events are taken over one lease later. One that hangs without dying goes on
holding its claim: only use a heartbeat for handlers that end.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Protocol

from hookguard.store import StoreKey

__all__ = ["Heartbeat", "TaskHeartbeat", "ThreadHeartbeat"]

_log = logging.getLogger("hookguard")


class Heartbeat(Protocol):
    """Extends claims from when they are started until they are stopped."""

    def start(self, key: StoreKey, token: bytes) -> None:
        """Begin to extend a claim."""

    def stop(self, token: bytes) -> None:
        """Extend it no more."""


class ThreadHeartbeat:
    """One thread for all claims of a guard; it ends when none is left. ``lease`` is seconds; a third of it passes between."""

    def __init__(self, extend: Callable[..., bool], lease: float) -> None:
        self._extend = extend
        self._lease = lease
        self._held: dict[bytes, StoreKey] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self, key: StoreKey, token: bytes) -> None:
        """Begin to extend a claim."""
        with self._changed:
            self._held[token] = key
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="hookguard-heartbeat", daemon=True)
                self._thread.start()

    def stop(self, token: bytes) -> None:
        """Extend it no more."""
        with self._changed:
            self._held.pop(token, None)
            if not self._held:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._held, timeout=self._lease / 3)
                if not self._held:
                    self._thread = None
                    return
                held = list(self._held.items())
            for token, key in held:
                try:
                    kept = self._extend(key, token=token, lease=self._lease)
                except Exception as error:  # whatever it is, the others' leases must not end with it
                    _log.warning("a lease could not be extended and will be tried again: %s", error)
                else:
                    self._judge(token, kept)

    def _judge(self, token: bytes, kept: bool) -> None:
        with self._changed:
            if not kept and self._held.pop(token, None) is not None:
                _log.warning(_LOST)


class TaskHeartbeat:
    """One asyncio task for each claim, for stores that are awaited."""

    def __init__(self, extend: Callable[..., Awaitable[bool]], lease: float) -> None:
        self._extend = extend
        self._lease = lease
        self._tasks: dict[bytes, asyncio.Task[None]] = {}

    def start(self, key: StoreKey, token: bytes) -> None:
        """Begin to extend a claim."""
        self._tasks[token] = asyncio.get_running_loop().create_task(self._run(key, token))

    def stop(self, token: bytes) -> None:
        """Extend it no more."""
        if task := self._tasks.pop(token, None):
            task.cancel()

    async def _run(self, key: StoreKey, token: bytes) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                if not await self._extend(key, token=token, lease=self._lease):
                    _log.warning(_LOST)
                    return
            except Exception as error:  # as above
                _log.warning("a lease could not be extended and will be tried again: %s", error)


_LOST = "the claim of an event that is being handled was lost: another worker may run it as well"
