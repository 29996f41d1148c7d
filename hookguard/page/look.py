"""Reading and changing an inbox for the page: counts, lists, one entry, and the dead entries that a rerun would take.

Written once, as coroutines: ``call`` runs one operation of a blocking or an asynchronous inbox.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar, cast

from hookguard.inbox.contract import Count, Entry, EntryState, Kept, Lane

__all__ = [
    "COUNTED",
    "HOURS",
    "MOST",
    "READ",
    "SHOWN",
    "Call",
    "EntryFilter",
    "EntryListing",
    "Hour",
    "InboxReader",
    "LaneRow",
    "Overview",
]

T = TypeVar("T")

#: Runs one operation: ``await call(lambda inbox: inbox.counts())``. Raises the inbox's StoreError.
Call = Callable[[Callable[[Any], Any]], Awaitable[Any]]

#: Entries of a list; entries that one rerun may change; entries that are read at a time.
SHOWN: Final = 100
MOST: Final = 1000
READ: Final = 500

#: Reads for one page, at most, if most of what is read is too old for the filter.
READS: Final = 20

#: Entries of a state that the chart counts, at most; and its hours.
COUNTED: Final = 1000
HOURS: Final = 24


class EntryFilter(NamedTuple):
    """A filter. Instants are seconds since 1970 by the store's clock."""

    endpoint: str | None = None
    state: EntryState | None = None
    type: str | None = None
    earliest: float = 0.0  #: entries that came into their state then, or later
    latest: float | None = None  #: likewise, or earlier
    after: int | None = None  #: the ``seq`` of the last entry that was seen

    def takes(self, entry: Entry) -> bool:
        """Whether the entry's age fits. The inbox's own ``find`` does not ask for it."""
        return entry.changed_at >= self.earliest and (self.latest is None or entry.changed_at <= self.latest)


@dataclass(frozen=True, slots=True)
class LaneRow:
    """The counts of one endpoint and part."""

    lane: Lane
    numbers: dict[EntryState, int]
    overdue: float  #: seconds that the oldest waiting entry has been due; 0.0 if none is


class Hour(NamedTuple):
    """One bar of the chart."""

    begins: float
    done: int
    dead: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page. ``complete``: the hours count all entries that are kept, not only those that were stored last."""

    rows: list[LaneRow]
    hours: list[Hour]
    complete: bool


class EntryListing(NamedTuple):
    """Entries, the newest first; ``after`` where the next ones begin, or None at the end."""

    entries: list[Entry]
    after: int | None


class InboxReader:
    """Reads an inbox through ``call``."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def overview(self, now: float) -> Overview:
        """Return a row for each endpoint and part, and the entries of the last hours."""
        counts: list[Count] = await self._call(lambda inbox: inbox.counts())
        kept: list[Entry] = []
        complete = True
        for state in (EntryState.DONE, EntryState.DEAD):
            number = sum(count.number for count in counts if count.state is state)
            complete = complete and number <= COUNTED
            if number:  # no more than there are: the store would search all other entries for one more
                kept += await self._find(EntryFilter(state=state), None, min(number, COUNTED))
        return Overview(_rows(counts), _hours(kept, now), complete)

    async def listing(self, wanted: EntryFilter) -> EntryListing:
        """Return at most SHOWN entries. There may be fewer and still a next page: those between were too old."""
        found: list[Entry] = []
        after = wanted.after
        for _ in range(READS):
            size = SHOWN + 1 if not wanted.earliest else READ
            read = await self._find(wanted, after, size)
            for entry in read:
                if wanted.takes(entry):
                    if len(found) == SHOWN:
                        return EntryListing(found, after)
                    found.append(entry)
                after = entry.seq
            if len(read) < size:
                return EntryListing(found, None)
        return EntryListing(found, after)

    async def dead(self, wanted: EntryFilter) -> list[Entry]:
        """Return at most MOST + 1 dead entries that the filter takes, the newest first."""
        found: list[Entry] = []
        after: int | None = None
        for _ in range(READS):
            read = await self._find(wanted._replace(state=EntryState.DEAD), after, READ)
            found += [entry for entry in read if wanted.takes(entry)]
            if len(read) < READ or len(found) > MOST:
                break
            after = read[-1].seq
        return found[: MOST + 1]

    async def entry(self, key: str) -> Entry | None:
        """Return the entry with exactly this key."""
        found: list[Entry] = await self._call(lambda inbox: inbox.find(key=key, limit=READ))
        return next((entry for entry in found if entry.key == key), None)

    async def kept(self, key: str) -> Kept | None:
        """Return what is kept of an entry, its body included; None if it is gone by now."""
        return cast("Kept | None", await self._call(lambda inbox: inbox.open(key)))

    async def rerun(self, keys: list[str], reason: str, by: str) -> int:
        """Make done and dead entries due again; return how many."""
        return cast("int", await self._call(lambda inbox: inbox.rerun(keys, reason=reason, by=by)))

    async def drop(self, keys: list[str], reason: str, by: str) -> int:
        """Delete entries that no worker holds; return how many."""
        return cast("int", await self._call(lambda inbox: inbox.drop(keys, reason=reason, by=by)))

    async def _find(self, wanted: EntryFilter, after: int | None, limit: int) -> list[Entry]:
        return cast(
            "list[Entry]",
            await self._call(
                lambda inbox: inbox.find(state=wanted.state, endpoint=wanted.endpoint, type=wanted.type, after=after, limit=limit)
            ),
        )


def _rows(counts: Iterable[Count]) -> list[LaneRow]:
    numbers: dict[Lane, dict[EntryState, int]] = {}
    overdue: dict[Lane, float] = {}
    for count in counts:
        lane = Lane(*count.lane)
        numbers.setdefault(lane, {})[count.state] = count.number
        if count.state is EntryState.WAITING:
            overdue[lane] = max(0.0, count.overdue)
    return [LaneRow(lane, numbers[lane], overdue.get(lane, 0.0)) for lane in sorted(numbers)]


def _hours(entries: Iterable[Entry], now: float) -> list[Hour]:
    """Return how many entries came into their state in each of the last hours, the oldest hour first."""
    last = int(now // 3600)
    hours = {number: [0, 0] for number in range(last - HOURS + 1, last + 1)}
    for entry in entries:
        # A store's clock may be ahead of this one.
        number = min(last, int(entry.changed_at // 3600))
        if number in hours:
            hours[number][entry.state is EntryState.DEAD] += 1
    return [Hour(number * 3600.0, done, dead) for number, (done, dead) in hours.items()]
