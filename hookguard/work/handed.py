"""The other engine's side of a hand-off: its task runs the entry of a key, as the worker would have run it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from hookguard.errors import HookguardError
from hookguard.guard.bridge import run_sync
from hookguard.guard.settling import sleep_here
from hookguard.inbox.contract import Held, Kept, Lane, split_key
from hookguard.outcome import Outcome
from hookguard.work.asgi import ASGIApp, call_asgi
from hookguard.work.calling import Answer, Call
from hookguard.work.defaults import LEASE, LONGEST_RUN
from hookguard.work.lanes import OpenLane
from hookguard.work.leases import Leases
from hookguard.work.lifespans import state_of
from hookguard.work.run import Run
from hookguard.work.wsgi import call_wsgi

__all__ = ["Handed"]

_log = logging.getLogger("hookguard.work")

_STAYS: Final = "it stays in the inbox, and its key is handed off again"


class Handed:
    """Runs entries of these lanes by their keys.

    The engine hears nothing of how a run ended, so that it never tries again: the inbox does. A key whose entry is done, dead,
    held or unknown is nothing to do.
    """

    def __init__(self, lanes: Sequence[OpenLane]) -> None:
        self._anywhere = lanes[0]
        self._lanes = {lane.lane: lane for lane in lanes if lane.shipping is None}

    def run(self, key: str, app: Callable[..., Any]) -> Outcome | None:
        """Call a WSGI application in this thread; return the outcome, or None if the entry did not run."""

        async def call(request: Call) -> Answer:
            return call_wsgi(app, request)

        return run_sync(self._run(key, call, sleep_here, None))

    async def arun(self, key: str, app: ASGIApp) -> Outcome | None:
        """Call an ASGI application on the running event loop. Its lifespan starts with the loop's first run."""
        try:
            state = await state_of(app)
        except HookguardError as error:
            _log.error("the entry %s did not run; %s: %s", key, _STAYS, error)
            return None
        return await self._run(key, lambda request: call_asgi(app, request, state), asyncio.sleep, asyncio.get_running_loop())

    async def _run(
        self,
        key: str,
        call: Callable[[Call], Awaitable[Answer]],
        sleep: Callable[[float], Awaitable[None]],
        loop: asyncio.AbstractEventLoop | None,
    ) -> Outcome | None:
        try:
            taken = await self._take(key)
            return None if taken is None else await _run_held(*taken, call, sleep, loop)
        except Exception as error:  # the engine would try again, and log it in its own way
            unexpected = not isinstance(error, HookguardError)
            _log.error("the entry %s did not run to its end; %s: %s", key, _STAYS, error, exc_info=unexpected)
            return None

    async def _take(self, key: str) -> tuple[OpenLane, Held] | None:
        """Take the entry; None if there is nothing to do. Raises StoreError."""
        kept: Kept | None = await self._anywhere.call(lambda inbox: inbox.open(key))
        if kept is None:
            _log.info("nothing to run: no entry has the key %.80r", key)
            return None
        lane = self._lanes.get(Lane(kept.endpoint, split_key(key)[1]))
        if lane is None:
            _log.error(
                "the entry %s is of endpoint %r, which has no inbox here, or it is for a target: leave it to hookguard work",
                key,
                kept.endpoint,
            )
            return None
        held = await lane.call(lambda inbox: inbox.take_one(key, lease=LEASE, settings=lane.settings))
        if held is None:
            _log.info("nothing to run: the entry %s is done, dead, held, or behind another one of its line", key)
            return None
        return lane, held


async def _run_held(
    lane: OpenLane,
    held: Held,
    call: Callable[[Call], Awaitable[Answer]],
    sleep: Callable[[float], Awaitable[None]],
    loop: asyncio.AbstractEventLoop | None,
) -> Outcome:
    cancelled: list[asyncio.CancelledError] = []

    async def noting(request: Call) -> Answer:
        try:
            return await call(request)
        except asyncio.CancelledError as error:
            cancelled.append(error)
            raise

    run = Run(lane, held, sleep)
    leases = Leases(lambda _: run.extend(LEASE, loop), lambda _: run.report_overrun(), lease=LEASE, longest_run=LONGEST_RUN)
    leases.hold(held)
    leases.start()
    try:
        outcome = await run.through(noting, lambda: leases.let_go(held))
    finally:
        leases.stop()
    if cancelled:
        raise cancelled[0]  # the engine stops, or the task has run for too long
    return outcome
