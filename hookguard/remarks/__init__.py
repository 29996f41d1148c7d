"""A remark on settings: a sentence and the fix, with the id of the check that it belongs to."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Level", "Remark"]

#: How bad a remark is: ``error`` loses events or lets forgeries in, ``warning`` may do so, ``info`` is for reading.
Level = Literal["error", "warning", "info"]


class Remark(NamedTuple):
    """One thing that was found. Without a ``fix`` or a ``level``, those of the check hold."""

    check: str  #: the id of the check, as on the page of the doctor
    sentence: str
    fix: str = ""
    level: Level | None = None

    def __str__(self) -> str:
        return f"{self.sentence}. {self.fix}" if self.fix else self.sentence
