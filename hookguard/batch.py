"""Deliveries that carry several events, each of which is claimed, handled and retried on its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from hookguard.errors import BodyTooLarge, ConfigurationError, MalformedBody
from hookguard.facts import NOT_STATED, Fact
from hookguard.json_path import steps, walk

__all__ = ["Batch"]

#: Keys around the events of one delivery, counted once per event: each event gets a copy, so few bytes could fill the memory.
MAX_AROUND = 1_000_000

#: Events in one delivery that are allowed for every provider.
LEAST_EVENTS = 1000

#: The steps that may follow, each with those that may follow it.
_Steps = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """Where the events of a delivery are, and how many there may be.

    ``items`` is the dotted path to the list; it is empty if the body itself is the list. A list on the way is walked
    through: ``"entry.changes"`` are the changes of every entry. ``may_be_one`` means that the provider also sends a single
    event without a list around it. The preset's ``event_id`` and ``event_type`` are then places in the member.

    ``in_place`` is for providers whose events are incomplete without their surroundings. Each event is then the whole
    document, with only this event in its lists, and ``items`` may be several paths. An object without any of the next
    lists (or with empty lists) is itself the event. Only the first list is required.
    """

    items: str | tuple[str, ...] = ""
    most: int | None = None  #: by default as many as the provider states, and at least 1,000
    may_be_one: bool = False
    in_place: bool = False
    largest: Fact[int | None] = (
        NOT_STATED  #: the most events that the provider puts into one delivery; None if no source states it
    )

    def __post_init__(self) -> None:
        if self.in_place and (self.may_be_one or not self.items):
            raise ConfigurationError("a batch in place needs the paths to its lists, and is never one event without a list")
        paths = (self.items,) if isinstance(self.items, str) else self.items
        if not isinstance(paths, tuple) or not all(isinstance(path, str) for path in paths):
            raise ConfigurationError(f"a batch's items are {self.items!r}: give the path to the list, or a tuple of paths")
        for path in paths:
            # Parsed here too, so that a malformed path raises when the batch is made.
            if any(step.isdecimal() for step in steps(path)) and self.in_place:
                raise ConfigurationError(f"a batch in place keeps every item of its lists: {path!r} must not have an index")
        if not self.in_place and not isinstance(self.items, str):
            raise ConfigurationError("a batch with several paths must be in place")
        if self.most is not None and (isinstance(self.most, bool) or not isinstance(self.most, int) or self.most < 1):
            raise ConfigurationError(f"a batch of at most {self.most!r} events: give a number, 1 or more")

    @property
    def each(self) -> str:
        """The prefix of a path into a member, as schemes write it in ``covers``."""
        return f"{self.items}[*]."

    @property
    def limit(self) -> int:
        """The number of events that one delivery may carry."""
        return max(LEAST_EVENTS, self.largest.value or 0) if self.most is None else self.most

    def members(self, document: Any) -> list[Any]:
        """Return the events that a body's JSON holds.

        MalformedBody if the list is missing, BodyTooLarge if it holds more than ``limit`` events. A member that is not an
        object counts as well: it must not stop the others.
        """
        return [member for member, _ in self.split(document)]

    def split(self, document: Any) -> list[tuple[Any, Any]]:
        """Return the events as ``members`` does, each with the value that identifies it.

        That value is the event itself. For an event in place, it is the document without the other lists (with a digest of
        the surroundings): they belong to its neighbours too, and may differ in the next delivery.
        """
        if self.may_be_one and isinstance(document, dict):
            return [(document, document)]
        paths = [self.items] if isinstance(self.items, str) else self.items
        if self.in_place:
            tree: _Steps = {}
            for path in paths:
                inner = tree
                for step in steps(path):
                    inner = inner.setdefault(step, {})
            # Counted before anything is copied.
            self._allow(_count(document, tree) or 0)
            found = _in_place(document, tree) if isinstance(document, dict) else None
        else:
            listed = walk(document, steps(paths[0]))
            found = None if listed is None else [(member, member) for member in listed]
        if found is None:
            raise MalformedBody(f"the body holds no list of events at {' or '.join(map(repr, paths))}")
        self._allow(len(found))
        return found

    def _allow(self, count: int) -> None:
        if count > self.limit:
            raise BodyTooLarge(f"the body holds {count} events; {self.limit} are allowed", events=count, limit=self.limit)


def _count(value: Any, steps: _Steps) -> int | None:
    """Return how many events ``_in_place`` finds; None if there is no list."""
    if isinstance(value, list):
        if not _may_hold_events(value, steps):
            return None
        return sum((_count(item, steps) if isinstance(item, dict) else None) or 1 for item in value)
    if not isinstance(value, dict):
        return None
    found = (_count(value[step], after) for step, after in steps.items() if step in value)
    counts = [count for count in found if count is not None]
    return sum(counts) if counts else None


def _may_hold_events(listed: list[Any], steps: _Steps) -> bool:
    # If more steps follow, a list of only texts or numbers is not one of the lists with events.
    return not steps or not listed or any(isinstance(item, dict) for item in listed)


def _in_place(value: Any, steps: _Steps) -> list[tuple[Any, Any]] | None:
    """Return ``value`` once for each event in it, with the value that identifies the event; None if it holds no list."""
    if isinstance(value, list):
        if not _may_hold_events(value, steps):
            return None
        return [([each], [alone]) for item in value for each, alone in _in_item(item, steps)]
    if not isinstance(value, dict):
        return None
    inner = {step: _in_place(value[step], after) for step, after in steps.items() if step in value}
    lists = {step: events for step, events in inner.items() if events is not None}
    if not lists:
        return None
    beside = {name: held for name, held in value.items() if name not in lists}
    if len(beside) * (count := sum(map(len, lists.values()))) > MAX_AROUND:
        raise BodyTooLarge(
            f"{len(beside)} keys would be copied for each of {count} events; at most {MAX_AROUND} in all are allowed",
            events=count,
        )
    alone = {name: held for name, held in beside.items() if not isinstance(held, list)}
    # One digest for all the events in it.
    around = hashlib.sha256(json.dumps(alone, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return [({**beside, step: each}, [around, step, bare]) for step, events in lists.items() for each, bare in events]


def _in_item(item: Any, steps: _Steps) -> list[tuple[Any, Any]]:
    # An item without any of the lists that may follow, and one that is not an object, is itself the event.
    return (_in_place(item, steps) if isinstance(item, dict) else None) or [(item, item)]
