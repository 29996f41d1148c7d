"""The lanes that a worker takes from: which there are, and whose turn it is."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from typing import Any, TypeVar, Union, cast

from hookguard.config import Settings
from hookguard.endpoint import Endpoint
from hookguard.errors import ConfigurationError
from hookguard.guard.bridge import ThreadRunner, call_inline
from hookguard.inbox.contract import AsyncInbox, HasInbox, Held, Inbox, Lane
from hookguard.inbox.settings import InboxSettings
from hookguard.process.threads import OwnThread
from hookguard.relay.shipping import Shipping
from hookguard.work.threads import Threads

__all__ = ["Around", "Lanes", "OpenLane", "Operation", "open_lanes"]

T = TypeVar("T")

#: Calls one operation of a lane's inbox: ``await lane.call(lambda inbox: inbox.complete(...))``.
Operation = Callable[[Any], Union[T, Awaitable[T]]]

#: Makes a context manager.
Around = Callable[[], AbstractContextManager[Any]]


class OpenLane:
    """One lane with its endpoint and its inbox.

    ``in_thread`` runs the calls of a blocking inbox; ``call_inline`` for a caller without an event loop. Outcomes are reported
    inside of ``around()``: Flask's observers need the application's context.

    ``keeps_root`` is False for an application around the one that received the event: it finds the root of the path on its own.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: InboxSettings,
        inbox: Inbox | AsyncInbox,
        in_thread: ThreadRunner,
        around: Around = nullcontext,
        *,
        keeps_root: bool = True,
        part: str = "",
        shipping: Shipping | None = None,
    ) -> None:
        self.lane = Lane(endpoint.name, part)
        self.shipping = shipping
        self.endpoint = endpoint
        self.settings = settings
        self.inbox = inbox
        self.around = around
        self.keeps_root = keeps_root
        #: All lanes of the application.
        self.known = frozenset({self.lane})
        self.running = 0
        #: Whether nothing was due at the latest take.
        self.was_empty = False
        self._awaited: Any = None
        if inspect.iscoroutinefunction(inbox.take):
            self._awaited = inbox
        elif in_thread is not call_inline and (awaited := getattr(inbox, "awaited", None)) is not None:
            self._awaited = awaited(in_thread)  # spares the event loop a thread for each call, and shares commits
        self.in_thread = in_thread

    async def call(self, operation: Operation[T]) -> T:
        """Call the inbox; raises its StoreError."""
        if self._awaited is not None:
            return await cast("Awaitable[T]", operation(self._awaited))
        return cast("T", await self.in_thread(lambda: operation(self.inbox)))

    def call_from_thread(self, operation: Operation[T], loop: asyncio.AbstractEventLoop | None, seconds: float) -> T:
        """Call the inbox from another thread; an asynchronous inbox belongs to the ``loop``, and gets this many seconds."""
        if loop is None or not inspect.iscoroutinefunction(self.inbox.take):
            return cast("T", operation(self.inbox))

        async def call() -> T:
            await asyncio.sleep(0)  # if the future was cancelled before, the call ends here
            return await cast("Awaitable[T]", operation(self.inbox))

        future = asyncio.run_coroutine_threadsafe(call(), loop)
        try:
            return future.result(seconds)
        finally:
            future.cancel()  # a loop that was blocked must not do it late

    @property
    def room(self) -> float:
        """How many more entries may run: ``max_concurrent``, and what the inbox can do ``at_once``, hold in each worker."""
        limits = [limit for limit in (self.endpoint.max_concurrent, getattr(self.inbox, "at_once", None)) if limit is not None]
        room = max(0, min(limits) - self.running) if limits else float("inf")
        return room if self.shipping is None else min(room, max(0, self.shipping.room(self.lane.part) - self.running))

    async def take(self, limit: int, lease: float) -> list[Held]:
        """Take due entries."""
        held: list[Held] = await self.call(lambda inbox: inbox.take(self.lane, limit=limit, lease=lease, settings=self.settings))
        self.was_empty = not held
        return held


class Lanes:
    """Takes the lanes in turn, so that one endpoint's flood starves no other endpoint."""

    def __init__(self, lanes: Sequence[OpenLane]) -> None:
        self._lanes = list(lanes)
        self._next = 0

    def __iter__(self) -> Iterator[OpenLane]:
        return iter(self._lanes)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep the connections of relays for as long as the block runs."""
        async with AsyncExitStack() as stack:
            for shipping in {id(lane.shipping): lane.shipping for lane in self._lanes if lane.shipping is not None}.values():
                await stack.enter_async_context(shipping.opened())
            yield

    def turn(self) -> Iterator[OpenLane]:
        """Return each lane once. The next turn begins behind the last lane that took something: see ``took``."""
        first = self._next
        for offset in range(len(self._lanes)):
            yield self._lanes[(first + offset) % len(self._lanes)]

    def took(self, lane: OpenLane) -> None:
        """Let the next turn begin behind this lane."""
        self._next = (self._lanes.index(lane) + 1) % len(self._lanes)

    def share(self, free: int) -> int:
        """Return how many of the free slots one lane may fill in one turn; 1 or more. Lanes that were empty get no share."""
        return max(1, free // max(1, sum(not lane.was_empty for lane in self._lanes)))


def open_lanes(
    settings: Settings,
    names: Sequence[str] = (),
    in_thread: ThreadRunner | None = None,
    around: Around = nullcontext,
    *,
    keeps_root: bool = True,
) -> list[OpenLane]:
    """Return the lane of each endpoint with an inbox, or of the ``names``.

    ``in_thread`` calls a blocking inbox; by default in threads of the worker. Raises ConfigurationError for an endpoint that is
    unknown, and if no name is given and no endpoint has an inbox. A named endpoint without one is a lane too, with the usual
    settings: entries may wait from the time when it had one.
    """
    chosen = list(settings.endpoints.values()) if not names else [settings.endpoint(name) for name in dict.fromkeys(names)]
    with_inbox = [(endpoint, endpoint.inbox or InboxSettings()) for endpoint in chosen if names or endpoint.inbox is not None]
    if not with_inbox:
        raise ConfigurationError(
            "no endpoint has an inbox, so there is nothing to work on: set inbox to True for an endpoint. If entries wait from"
            " the time when it had one, name the endpoint: --endpoint NAME"
        )
    store = settings.store
    if not isinstance(store, HasInbox):
        raise ConfigurationError(
            f"{store!r} cannot keep deliveries: use a store with an inbox, such as sqlite:///hookguard.sqlite3"
        )
    run = in_thread or Threads(OwnThread, "hookguard-inbox").run
    lanes = [
        OpenLane(endpoint, own, store.inbox(), run, around, keeps_root=keeps_root, part=part, shipping=shipping)
        for endpoint, own in with_inbox
        for part, shipping in _parts_of(endpoint)
    ]
    everyone = [endpoint for endpoint in settings.endpoints.values() if endpoint.inbox is not None]
    known = {Lane(endpoint.name, part) for endpoint in everyone for part, _ in _parts_of(endpoint)}
    for lane in lanes:
        lane.known = frozenset(known | {each.lane for each in lanes})
    return lanes


def _parts_of(endpoint: Endpoint) -> list[tuple[str, Shipping | None]]:
    """Return the parts of an endpoint's work, each with what ships it; None for the view's own."""
    if endpoint.relay is None:
        return [("", None)]
    shipping = Shipping(endpoint.name, endpoint.preset, endpoint.relay, endpoint.observers)
    return [(part, shipping if part else None) for part in endpoint.relay.parts]
