"""One operation of an inbox in a database, made of steps without I/O, and how it is performed on a connection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from hookguard.stores.inbox_sides import Operation
from hookguard.stores.inbox_statements import InboxSteps

__all__ = ["InboxWork", "perform"]

T = TypeVar("T")

#: How often an operation is tried that loses a race. In each race another worker made progress.
_ROUNDS: Final = 4


@dataclass(frozen=True)
class InboxWork(Operation[T]):
    """One operation. ``look``, if it returns something, is the answer. ``together``: the steps are one transaction."""

    steps: Callable[[], InboxSteps]
    together: bool = False
    look: Callable[[], InboxSteps] | None = None


def perform(
    work: InboxWork[Any],
    run: Callable[[InboxSteps], Any],
    transaction: Callable[[], AbstractContextManager[Any]],
    may_retry: Callable[[Exception], bool],
) -> Any:
    """Perform the operation, from its first step at each try.

    ``run`` executes steps. ``transaction`` begins one, commits it, and rolls it back after an exception. ``may_retry`` returns
    whether a step failed because another worker won a race.
    """
    if work.look is not None and (found := run(work.look())) is not None:
        return found
    for left in reversed(range(_ROUNDS)):
        try:
            if not work.together:
                return run(work.steps())
            with transaction():
                return run(work.steps())
        except Exception as error:
            if not left or not may_retry(error):
                raise
    raise AssertionError("the last try returns or raises")
