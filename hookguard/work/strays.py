"""Entries that nothing in the application takes: an endpoint or a target was renamed or removed, or has no inbox any more."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from hookguard.errors import StoreError
from hookguard.inbox.contract import Count, EntryState, Lane
from hookguard.work.lanes import OpenLane

__all__ = ["report_strays"]

_log = logging.getLogger("hookguard.work")


async def report_strays(lanes: Iterable[OpenLane]) -> None:
    """Log the endpoints and targets whose entries wait in the inbox of these lanes, and which this application does not have.

    Another application may share the file, so this is a warning.
    """
    known: set[Lane] = set()
    inboxes: dict[int, OpenLane] = {}
    for lane in lanes:
        known |= lane.known
        inboxes[id(lane.inbox)] = lane
    for lane in inboxes.values():
        try:
            counts: list[Count] = await lane.call(lambda inbox: inbox.counts())
        except StoreError:
            continue  # the worker reports the outage when it takes entries
        waiting: dict[Lane, int] = {}
        for count in counts:
            if count.state in (EntryState.WAITING, EntryState.HELD) and count.lane not in known:
                waiting[count.lane] = waiting.get(count.lane, 0) + count.number
        for (name, part), number in waiting.items():
            if any(name == each.endpoint for each in known):
                _log.warning(
                    "%d events of endpoint %r wait for %s in %r, and this application's settings have none. Bring it back until"
                    " they are handled, or drop them",
                    number,
                    name,
                    f"the target {part!r}" if part else "the view",
                    lane.inbox,
                    extra={"endpoint": name, "part": part, "reason_code": "no_such_part"},
                )
                continue
            _log.warning(
                "%d events of endpoint %r wait in %r, and this application has no endpoint of that name with an inbox. If no"
                " other application takes them, bring the endpoint back, run a worker with --endpoint %s, or drop them",
                number,
                name,
                lane.inbox,
                name,
                extra={"endpoint": name, "reason_code": "no_such_endpoint"},
            )
