"""The looks of a worker that has nothing to do: several times a second, so each must be cheap."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from hookguard.inbox.contract import Notices
from hookguard.work.lanes import OpenLane
from hookguard.work.wake import Wake

__all__ = ["Looks"]

#: Seconds between two looks: for a change of an inbox that notices changes, and for due entries.
GLANCE: Final = 0.08
LOOK: Final = 0.15

#: Seconds between two looks for due entries in an inbox that notices changes: a retry comes due without a change.
RETRY: Final = 0.5

#: Looks take at most one part in so many of the time: many entries that wait behind others make them slow.
SHARE: Final = 20

#: Seconds after which the worker takes without a look.
LONGEST: Final = 10.0


class Looks:
    """Waits until something can be taken from the lanes.

    ``has_room`` returns whether a lane's entries could begin now. A blocking inbox is asked in a thread that stays for as long as
    the worker waits: the event loop takes three times the CPU time to wake up.
    """

    def __init__(self, lanes: Iterable[OpenLane], has_room: Callable[[OpenLane], bool], wake: Wake) -> None:
        by_inbox: dict[int, list[OpenLane]] = {}
        for lane in lanes:
            by_inbox.setdefault(id(lane.inbox), []).append(lane)
        self._inboxes = [_Looked(lanes, has_room) for lanes in by_inbox.values()]
        self._wake = wake
        self._pause = min(each.pause for each in self._inboxes)
        self._in_thread = not any(each.is_awaited for each in self._inboxes)
        self._thread: asyncio.Future[Any] | None = None  # the look that is under way

    async def wait(self) -> None:
        """Wait until there is something to take, or until the worker is woken. An error ends the wait: ``take`` meets it too."""
        # A busy worker is woken before it needs the thread.
        await self._wake.wait(self._pause)
        if self._wake.is_set():
            return
        if self._in_thread:
            await self._wait_for_thread()
        else:
            await self._wait_on_loop()

    async def _wait_for_thread(self) -> None:
        if self._thread is not None:
            # A slow look of an earlier wait is still under way. Several of them would take all connections of the store.
            self._thread.add_done_callback(lambda _: self._wake.set())
            await self._wake.wait(LONGEST)
            return
        over = threading.Event()
        looking = asyncio.ensure_future(self._inboxes[0].lanes[0].in_thread(lambda: self._look_until(over)))
        self._thread = looking

        def ended(_: object) -> None:
            self._thread = None
            if not looking.cancelled():
                looking.exception()  # no thread could be started: the worker takes now and then
            if not over.is_set():
                self._wake.set()

        looking.add_done_callback(ended)
        try:
            await self._wake.wait(LONGEST)
        finally:
            over.set()

    def _look_until(self, over: threading.Event) -> None:
        """Look until there is something to take, or until the wait is over."""
        pause = 0.0
        while not over.wait(pause):
            began = time.monotonic()
            try:
                if any(each.look(began) for each in self._inboxes):
                    return
            except Exception:  # ``take`` meets it too, and the worker reports that
                return
            pause = self._next(began)

    async def _wait_on_loop(self) -> None:
        until = time.monotonic() + LONGEST
        while (began := time.monotonic()) < until:
            with suppress(Exception):
                if not any([await each.await_look() for each in self._inboxes]):
                    await self._wake.wait(self._next(began))
                    if not self._wake.is_set():
                        continue
            return

    def _next(self, began: float) -> float:
        """Return the seconds until the next look, by how long this one took."""
        return max(self._pause, SHARE * (time.monotonic() - began))


class _Looked:
    """An inbox and its lanes."""

    def __init__(self, lanes: list[OpenLane], has_room: Callable[[OpenLane], bool]) -> None:
        self.lanes = lanes
        self.is_awaited = inspect.iscoroutinefunction(lanes[0].inbox.take)
        self._inbox: Any = lanes[0].inbox
        self._notices = isinstance(self._inbox, Notices)
        self.pause = GLANCE if self._notices else LOOK
        self._has_room = has_room
        self._looked = float("-inf")

    def look(self, now: float) -> bool:
        """Return whether anything can be taken."""
        if self._notices and not self._inbox.changed() and now - self._looked < RETRY:
            return False
        self._looked = now
        lanes = [lane.lane for lane in self.lanes if self._has_room(lane)]
        return bool(lanes) and self._inbox.due(lanes)

    async def await_look(self) -> bool:
        """Return the same, on the event loop."""
        lanes = [lane.lane for lane in self.lanes if self._has_room(lane)]
        return bool(lanes) and await self.lanes[0].call(lambda inbox: inbox.due(lanes))
