"""``work_off``: handle everything in an application's inbox, for tests: in one process, and without waiting for time."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from hookguard.errors import ConfigurationError
from hookguard.guard.bridge import call_inline, run_sync
from hookguard.inbox.contract import EntryState
from hookguard.outcome import Outcome
from hookguard.work.asgi import call_asgi, lifespan
from hookguard.work.calling import Answer, Call, is_asgi
from hookguard.work.defaults import LEASE
from hookguard.work.lanes import OpenLane
from hookguard.work.run import Run
from hookguard.work.wsgi import call_wsgi

__all__ = ["awork_off", "work_off"]

#: Entries that are listed at a time.
PAGE = 1000


def work_off(app: Any = None, hooks: Any = None) -> list[Outcome]:
    """Handle each event in the inbox, and its retries, until none waits; return the outcome of each run, in their order.

    Nothing sleeps: an event that failed is due again immediately, until it is handled or its tries are used up. The application
    is called in this thread, so that a test's own database transaction holds. An ASGI application runs with its lifespan.

    ``app`` is the Flask or ASGI application; leave it out in a Django project. ``hooks`` is the HookGuard of an ASGI application.
    Raises ConfigurationError if no endpoint has an inbox. In a running event loop, use ``awork_off``.
    """
    app, lanes, around = _found(app, hooks)

    async def call(call: Call) -> Answer:
        return call_wsgi(app, call)

    with around:
        return asyncio.run(_in_lifespan(app, lanes)) if is_asgi(app) else run_sync(_work_off(lanes, call))


async def awork_off(app: Any = None, hooks: Any = None) -> list[Outcome]:
    """Handle each event in the inbox of an ASGI application, on the running event loop; see ``work_off``."""
    app, lanes, around = _found(app, hooks)
    if not is_asgi(app):
        raise ConfigurationError("awork_off is for ASGI applications: use work_off for this one")
    with around:
        return await _in_lifespan(app, lanes)


async def _in_lifespan(app: Any, lanes: list[OpenLane]) -> list[Outcome]:
    async with lifespan(app) as state:
        return await _work_off(lanes, lambda call: call_asgi(app, call, state))


async def _work_off(lanes: list[OpenLane], call: Callable[[Call], Awaitable[Answer]]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while True:
        ended = [await _run(lane, key, call) for lane in lanes for key in await _waiting(lane)]
        ran = [outcome for outcome in ended if outcome is not None]
        if not ran:
            return outcomes
        outcomes += ran


async def _waiting(lane: OpenLane) -> list[str]:
    """Return the keys of the lane's entries that wait, the one that is due first at the beginning."""
    found = []
    after: int | None = None
    while True:
        page = await lane.call(_page_of_waiting(lane, after))
        found += [entry for entry in page if entry.lane == lane.lane]
        if len(page) < PAGE:
            return [entry.key for entry in sorted(found, key=lambda entry: (entry.due_at or 0.0, entry.seq))]
        after = page[-1].seq


def _page_of_waiting(lane: OpenLane, after: int | None) -> Callable[[Any], Any]:
    return lambda inbox: inbox.find(state=EntryState.WAITING, endpoint=lane.lane.endpoint, after=after, limit=PAGE)


async def _run(lane: OpenLane, key: str, call: Callable[[Call], Awaitable[Answer]]) -> Outcome | None:
    """Run one entry; None if it may not run now, because an earlier one of its line waits."""
    held = await lane.call(lambda inbox: inbox.take_one(key, lease=LEASE, settings=lane.settings))
    if held is None:
        return None
    return await Run(lane, held, sleep=None).through(call, lambda: LEASE)


def _found(app: Any, hooks: Any) -> tuple[Any, list[OpenLane], AbstractContextManager[None]]:
    """Return the application, the lanes of its inbox, whose calls run in this thread, and what the work happens inside of."""
    around: AbstractContextManager[None] = nullcontext()
    if hooks is None:
        known = getattr(app, "extensions", None)
        hooks = known.get("hookguard") if isinstance(known, dict) else None  # Flask's way to find an extension
    if hooks is None and (app is None or type(app).__module__.startswith("django.")):
        # The project's settings name its application and its endpoints.
        hooks = importlib.import_module("hookguard_django.work")
        app = hooks.application() if app is None else app
        around = hooks.keep_connections()
    if hooks is None:
        raise ConfigurationError("work_off needs the HookGuard of an ASGI application: work_off(app, hooks)")
    lanes: list[OpenLane] = hooks.open_lanes(app, in_thread=call_inline)
    return app, lanes, around
