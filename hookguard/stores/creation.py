"""Whether stores create what is missing: their tables, and SQLite's file. The doctor switches it off while it looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hookguard.errors import MissingTable

__all__ = ["NotYetCreated", "creating_nothing", "may_create"]

#: How many callers want nothing created now.
_against = 0


class NotYetCreated(MissingTable):
    """A table or file is missing that the store creates when its application starts."""


def may_create() -> bool:
    """Whether a store may create what is missing."""
    return _against == 0


@contextmanager
def creating_nothing() -> Iterator[None]:
    """Keep every store of the process from creating anything: in its place they raise NotYetCreated."""
    global _against  # noqa: PLW0603 - stores are used in threads of their own, which see no context variable
    _against += 1
    try:
        yield
    finally:
        _against -= 1
