"""Which steps an endpoint needs: for one event a delivery, for several, or for an inbox."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from hookguard.endpoint import Endpoint
from hookguard.guard.batch_flow import BatchFlow
from hookguard.guard.bridge import ThreadRunner, call_inline
from hookguard.guard.flow import Flow

if TYPE_CHECKING:
    from hookguard.guard.inbox_flow import StoreEvents

__all__ = ["make_flow", "put_of"]


def make_flow(put: StoreEvents | None, endpoint: Endpoint, *parts: Any) -> Flow:
    """Return the steps; ``parts`` are the other arguments of Flow."""
    if put is not None:
        from hookguard.guard.inbox_flow import InboxFlow  # noqa: PLC0415 - most applications have no inbox

        return InboxFlow(endpoint, *parts, put=put)
    return (Flow if endpoint.preset.batch is None else BatchFlow)(endpoint, *parts)


def put_of(endpoint: Endpoint, store: object, run: ThreadRunner, given: object) -> StoreEvents | None:
    """Return the ``put`` of the store's inbox, as a coroutine function; None for an endpoint without one.

    Each put may be followed by a look whether a worker is missed, at the inbox of the ``given`` store.
    """
    if endpoint.inbox is None:
        return None
    from hookguard.guard.inbox_flow import inbox_of  # noqa: PLC0415 - most applications have none
    from hookguard.inbox.overdue import Overdue  # noqa: PLC0415 - most applications have none

    inbox: Any = inbox_of(endpoint, store)
    if run is not call_inline and (awaited := getattr(inbox, "awaited", None)) is not None:
        inbox = awaited(run)  # deliveries that come together share a commit
    put: Any = inbox.put
    overdue = Overdue(endpoint.name, inbox_of(endpoint, given))
    awaits = inspect.iscoroutinefunction(put)

    async def put_and_look(events: Any) -> Any:
        answers = await (put(events) if awaits else run(lambda: put(events)))
        await overdue.look()
        return answers

    return put_and_look
