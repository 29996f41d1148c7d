"""The lifespan of an ASGI application whose runs are called one by one: it starts once on each event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

from hookguard.work.asgi import ASGIApp, lifespan

__all__ = ["state_of"]


class _Started(NamedTuple):
    app: ASGIApp  #: held, so that no other object gets its identity
    running: AsyncGenerator[dict[str, Any], None]
    state: asyncio.Future[dict[str, Any]]


#: By event loop, and by the identity of the application.
_started: dict[asyncio.AbstractEventLoop, dict[int, _Started]] = {}


async def state_of(app: ASGIApp) -> dict[str, Any]:
    """Return the state of the application's lifespan on this loop; it is started if this is the first call.

    It ends with the loop, if that ends as ``asyncio.run`` ends one. ConfigurationError if the application does not start.
    """
    loop = asyncio.get_running_loop()
    for other in [each for each in _started if each.is_closed()]:
        del _started[other]
    apps = _started.setdefault(loop, {})
    if id(app) not in apps:
        # asyncio.run() closes the generators that are not at their end, and this one shuts the application down.
        running = _running(app)
        apps[id(app)] = _Started(app, running, asyncio.ensure_future(_first(running)))
    starting = apps[id(app)].state
    try:
        return await asyncio.shield(starting)
    except BaseException:
        if starting.done():
            apps.pop(id(app), None)  # the next run tries again
        raise


async def _first(running: AsyncGenerator[dict[str, Any], None]) -> dict[str, Any]:
    return await anext(running)


async def _running(app: ASGIApp) -> AsyncGenerator[dict[str, Any], None]:
    async with lifespan(app) as state:
        yield state
