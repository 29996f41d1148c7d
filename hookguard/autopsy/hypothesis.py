"""A hypothesis: another delivery that differs in one thing from the one that came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar, Union

from hookguard.delivery import Delivery

__all__ = ["Changed", "Changes", "Hypothesis", "Replayed"]

T = TypeVar("T")


class Hypothesis(NamedTuple):
    """A delivery that may have been signed, and the cause that it would prove."""

    code: str
    detail: str
    delivery: Delivery
    obvious: bool = False  #: whether the header itself shows that it was changed, as by quotation marks around it


#: A code, a detail, and the changed text or bytes.
Changed = tuple[str, str, Union[bytes, str]]
Changes = Iterator[Hypothesis]


class Replayed(Generic[T]):
    """An iterator that can be read again: what it yielded is kept."""

    def __init__(self, source: Iterator[T]) -> None:
        self._source = source
        self._kept: list[T] = []

    def __iter__(self) -> Iterator[T]:
        at = 0
        while True:
            if at == len(self._kept):
                try:
                    self._kept.append(next(self._source))
                except StopIteration:
                    return
            yield self._kept[at]
            at += 1
