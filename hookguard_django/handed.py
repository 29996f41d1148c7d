"""Run inbox entries whose keys were handed off to another engine: for the tasks of that engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookguard import Outcome

__all__ = ["arun", "run"]


def run(key: str) -> Outcome | None:
    """Run the inbox entry whose key ``hand_off`` gave to another engine, in this thread; for that engine's task.

    Returns the outcome; None if there is nothing to do, because the entry is done, dead, held or unknown. A failure is settled
    and logged as in a worker, and never raised: the inbox tries again, and the engine must not. It calls the project's WSGI
    application. Raises ConfigurationError if no endpoint has an inbox.
    """
    from hookguard_django import work  # noqa: PLC0415 - a web process runs no entry

    return work.handed().run(key, work.wsgi_application())


async def arun(key: str) -> Outcome | None:
    """Run an entry on the running event loop, through the project's ASGI application; see ``run``."""
    from hookguard_django import work  # noqa: PLC0415 - as above

    return await work.handed_on_loop().arun(key, work.asgi_application())
