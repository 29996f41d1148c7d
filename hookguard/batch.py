"""Deliveries that carry several events, each of which is handled, remembered and retried by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hookguard.errors import BodyTooLarge, MalformedBody

__all__ = ["Batch"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Where the events of a delivery are, and how many there may be.

    ``items`` is the dotted path to the list, or empty where the body is the list. A list on the way is gone through, so
    that ``"entry.changes"`` are the changes of every entry. ``may_be_one`` says that the provider also sends a single
    event without a list around it. The preset's ``event_id`` and ``event_type`` are then looked for in the member.
    """

    items: str = ""
    most: int = 1000
    may_be_one: bool = False

    @property
    def each(self) -> str:
        """What the path to something in a member begins with, among what a scheme covers."""
        return f"{self.items}[*]."

    def members(self, document: Any) -> list[Any]:
        """Return the events that a body's JSON holds.

        MalformedBody when there is no list of objects where it should be, BodyTooLarge when it holds more than ``most``.
        """
        if self.may_be_one and isinstance(document, dict):
            return [document]
        found = _at(document, self.items.split(".") if self.items else [])
        if found is None or not all(isinstance(member, dict) for member in found):
            raise MalformedBody(f"the body holds no list of events at {self.items!r}")
        if len(found) > self.most:
            raise BodyTooLarge(f"the body holds {len(found)} events; {self.most} are allowed")
        return found


def _at(value: Any, steps: list[str]) -> list[Any] | None:
    if not steps:
        return value if isinstance(value, list) else None
    if isinstance(value, dict):
        return _at(value.get(steps[0]), steps[1:])
    if not isinstance(value, list):
        return None
    found = [_at(item, steps) for item in value]
    return None if None in found else [member for members in found if members is not None for member in members]
