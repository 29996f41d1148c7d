"""Wakes the worker's loop early: it waits twenty times a second, so waiting must be cheap."""

from __future__ import annotations

import asyncio

__all__ = ["Wake"]


class Wake:
    """An event for one waiter. Unlike ``asyncio.wait_for`` on an ``asyncio.Event``, a wait makes no task."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """End the wait, or the next one if nobody waits."""
        self._is_set = True
        self._end()

    def clear(self) -> None:
        """Let the next wait wait."""
        self._is_set = False

    def is_set(self) -> bool:
        """Whether a wait would end immediately."""
        return self._is_set

    async def wait(self, seconds: float) -> None:
        """Wait until ``set`` is called, at most for so long."""
        if self._is_set:
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        late = loop.call_later(seconds, self._end)
        try:
            await self._waiter
        finally:
            late.cancel()
            self._waiter = None

    def _end(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
