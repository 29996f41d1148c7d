"""Values with named fields that are not sequences.

Error reporters show the local variables of a traceback: every member of a tuple, and the ``repr`` of any other object. A
record's ``repr`` hides the fields that must not be shown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from hookguard.errors import HookguardError

if TYPE_CHECKING:
    from typing_extensions import Self  # of typing itself from Python 3.11 on

__all__ = ["Record", "hides_arguments"]

R = TypeVar("R")
RecordT = TypeVar("RecordT", bound="Record")
P = ParamSpec("P")


class Record:
    """A base for frozen dataclasses, with a method of named tuples."""

    __slots__ = ()

    def _replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]  # every subclass is a dataclass


def hides_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Remove the frames of ``function`` from an error: its arguments are secrets, or settings with secrets."""

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except HookguardError as error:
            del args, kwargs
            raise error.with_traceback(None) from None

    return called
