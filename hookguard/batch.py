"""Deliveries that carry several events, each of which is handled, remembered and retried by itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from hookguard.errors import BodyTooLarge, ConfigurationError, MalformedBody

__all__ = ["Batch"]

#: Names that stand around events in place, all copies together: each event has its own, so few bytes could fill the memory.
MAX_AROUND = 1_000_000

#: What may follow, and what may follow that.
_Steps = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """Where the events of a delivery are, and how many there may be.

    ``items`` is the dotted path to the list, or empty where the body is the list. A list on the way is gone through, so
    that ``"entry.changes"`` are the changes of every entry. ``may_be_one`` says that the provider also sends a single
    event without a list around it. The preset's ``event_id`` and ``event_type`` are then looked for in the member.

    ``in_place`` is for providers whose events say too little without what stands around them. Each is then the whole
    document with this one event alone in its lists, and ``items`` may be several paths: where an object on the way holds
    none of the lists that may follow, or only empty ones, it is the event itself. Nothing but the first list must be there.
    """

    items: str | tuple[str, ...] = ""
    most: int = 1000
    may_be_one: bool = False
    in_place: bool = False

    def __post_init__(self) -> None:
        if self.in_place and (self.may_be_one or not self.items):
            raise ConfigurationError("a batch in place needs the paths to its lists, and is never one event without a list")
        paths = (self.items,) if isinstance(self.items, str) else self.items
        if not isinstance(paths, tuple) or not all(isinstance(path, str) for path in paths):
            raise ConfigurationError(f"a batch's items are {self.items!r}: give the path to the list, or a tuple of paths")
        if not self.in_place and not isinstance(self.items, str):
            raise ConfigurationError("a batch with several paths must be in place")
        if isinstance(self.most, bool) or not isinstance(self.most, int) or self.most < 1:
            raise ConfigurationError(f"a batch of at most {self.most!r} events: give a number, 1 or more")

    @property
    def each(self) -> str:
        """What the path to something in a member begins with, among what a scheme covers."""
        return f"{self.items}[*]."

    def members(self, document: Any) -> list[Any]:
        """Return the events that a body's JSON holds.

        MalformedBody when there is no list of objects where it should be, BodyTooLarge when it holds more than ``most``.
        """
        return [member for member, _ in self.split(document)]

    def split(self, document: Any) -> list[tuple[Any, Any]]:
        """Return the events as ``members`` does, each with what tells it from others.

        That is the event itself, or of one in place the document without the lists beside it (as the digests of what stands
        around the event): they are its neighbours' as well, and others the next time.
        """
        if self.may_be_one and isinstance(document, dict):
            return [(document, document)]
        paths = [self.items] if isinstance(self.items, str) else self.items
        if self.in_place:
            steps: _Steps = {}
            for path in paths:
                inner = steps
                for step in path.split("."):
                    inner = inner.setdefault(step, {})
            # Counted before anything is copied.
            self._allow(_count(document, steps) or 0)
            found = _in_place(document, steps) if isinstance(document, dict) else None
        else:
            listed = _at(document, paths[0].split(".") if paths[0] else [])
            if listed is not None and not all(isinstance(member, dict) for member in listed):
                listed = None
            found = None if listed is None else [(member, member) for member in listed]
        if found is None:
            raise MalformedBody(f"the body holds no list of events at {' or '.join(map(repr, paths))}")
        self._allow(len(found))
        return found

    def _allow(self, count: int) -> None:
        if count > self.most:
            raise BodyTooLarge(f"the body holds {count} events; {self.most} are allowed")


def _at(value: Any, steps: list[str]) -> list[Any] | None:
    if not steps:
        return value if isinstance(value, list) else None
    if isinstance(value, dict):
        return _at(value.get(steps[0]), steps[1:])
    if not isinstance(value, list):
        return None
    found = [_at(item, steps) for item in value]
    return None if None in found else [member for members in found if members is not None for member in members]


def _count(value: Any, steps: _Steps) -> int | None:
    """How many events ``_in_place`` finds; None if there is no list."""
    if isinstance(value, list):
        if not steps:
            return len(value)
        return sum(_count(item, steps) or 1 for item in value) if all(isinstance(item, dict) for item in value) else None
    if not isinstance(value, dict):
        return None
    found = (_count(value[step], after) for step, after in steps.items() if step in value)
    counts = [count for count in found if count is not None]
    return sum(counts) if counts else None


def _in_place(value: Any, steps: _Steps) -> list[tuple[Any, Any]] | None:
    """``value`` once for each event in it, as the handler reads it and as it is told from others; None if it holds no list."""
    if isinstance(value, list):
        if not all(isinstance(item, dict) for item in value):
            if steps:
                return None  # a list of something else, where an object was to hold the events
            raise MalformedBody("a list of events holds something that is no object")
        return [
            ([each], [alone]) for item in value for each, alone in (_in_place(item, steps) if steps else None) or [(item, item)]
        ]
    if not isinstance(value, dict):
        return None
    inner = {step: _in_place(value[step], after) for step, after in steps.items() if step in value}
    lists = {step: events for step, events in inner.items() if events is not None}
    if not lists:
        return None
    beside = {name: held for name, held in value.items() if name not in lists}
    if len(beside) * sum(map(len, lists.values())) > MAX_AROUND:
        raise BodyTooLarge(f"{len(beside)} names stand around each event")
    alone = {name: held for name, held in beside.items() if not isinstance(held, list)}
    # Its digest, once for all the events in it.
    around = hashlib.sha256(json.dumps(alone, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return [({**beside, step: each}, [around, step, bare]) for step, events in lists.items() for each, bare in events]
