"""The note of a record: a line for each replay, the newest last."""

from __future__ import annotations

from typing import Final

__all__ = ["last_replay", "noted"]

#: Between two lines, and the characters of all of them, which is as much as a store keeps.
_BETWEEN: Final = " | "
LONGEST: Final = 1024
#: The characters of a reason that a line keeps.
LONGEST_REASON: Final = 300
_REPLAYED, _REJECTED = " replayed by ", " replay rejected, asked for by "


def noted(before: str, at: str, by: str, reason: str, outcome: str, *, ran: bool) -> str:
    """Return a note with one line more. If it gets too long, the oldest lines are left out."""
    line = f"{at}{_REPLAYED if ran else _REJECTED}{by}: {reason[:LONGEST_REASON]}: {outcome}".replace(_BETWEEN, " ")
    lines = [*filter(None, before.split(_BETWEEN)), line[-LONGEST:]]
    while len(_BETWEEN.join(lines)) > LONGEST:
        del lines[0]
    return _BETWEEN.join(lines)


def last_replay(note: str) -> str:
    """Return the outcome of the last replay that ran; empty if none did."""
    ran = [line for line in note.split(_BETWEEN) if _REPLAYED in line]
    return ran[-1].rpartition(": ")[2] if ran else ""
