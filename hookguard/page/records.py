"""Reading the records of rejected deliveries for the page, where the store keeps any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from hookguard.evidence.contract import DeliveryRecord
from hookguard.page.look import HOURS, READ, SHOWN, Call, Hour

__all__ = ["RecordFilter", "RecordListing", "RecordReader", "RejectedHours"]

#: Reads for one chart, at most.
READS: Final = 6


class RecordFilter(NamedTuple):
    """A filter of rejected deliveries."""

    endpoint: str | None = None
    cause: str | None = None
    since: float | None = None  #: the earliest instant, in seconds since 1970
    after: int | None = None


class RecordListing(NamedTuple):
    """Records, the newest first; ``after`` where the next ones begin, or None at the end."""

    records: list[DeliveryRecord]
    after: int | None


@dataclass(frozen=True, slots=True)
class RejectedHours:
    """The rejected deliveries of the last hours. ``complete``: all of the records were counted."""

    hours: list[Hour]
    complete: bool


class RecordReader:
    """Reads a store's evidence through ``call``."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def listing(self, sought: RecordFilter) -> RecordListing:
        """Return at most SHOWN records of rejected deliveries."""
        found = await self._find(sought, SHOWN + 1)
        shown = found[:SHOWN]
        return RecordListing(shown, shown[-1].seq if len(found) > SHOWN else None)

    async def hours(self, now: float) -> RejectedHours:
        """Return how many deliveries were rejected in each of the last hours, the oldest hour first."""
        last = int(now // 3600)
        numbers = dict.fromkeys(range(last - HOURS + 1, last + 1), 0)
        sought = RecordFilter(since=min(numbers) * 3600.0)
        for _ in range(READS):
            read = await self._find(sought, READ)
            for record in read:
                numbers[min(last, int(record.at // 3600))] += 1
            if len(read) < READ:
                return RejectedHours(_bars(numbers), complete=True)
            sought = sought._replace(after=read[-1].seq)
        return RejectedHours(_bars(numbers), complete=False)

    async def _find(self, sought: RecordFilter, limit: int) -> list[DeliveryRecord]:
        return cast(
            "list[DeliveryRecord]",
            await self._call(lambda evidence: evidence.find(rejected=True, limit=limit, **sought._asdict())),
        )


def _bars(numbers: dict[int, int]) -> list[Hour]:
    return [Hour(number * 3600.0, 0, count) for number, count in numbers.items()]
