"""Locks that are made on first use, not when an application is imported.

A server may import the application first and fork its workers afterwards, and a worker may replace threads by greenlets in
between (gunicorn's ``--preload`` with ``-k gevent``). A lock from before belongs to the other world: a greenlet that waits
for it stops its whole process, and one that another thread held at the fork is never released.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Lazy", "Lock", "World", "world"]

T = TypeVar("T")

#: The process and the function that makes its locks, which changes when gevent replaces threads by greenlets.
World = tuple[int, object]


# This process's id. To ask the system each time cost 2.4 us of each delivery. Python's own forks call the hook: threading
# renews its own locks in the same way.
_pid = os.getpid()

# uWSGI forks in C, and without --enable-threads it calls no hook. Every interpreter of it has this module.
_forks_in_c = "uwsgi" in sys.modules


def _note_fork() -> None:
    global _pid  # noqa: PLW0603 - there is one process
    _pid = os.getpid()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_note_fork)


def world() -> World:
    """Return the world that a lock, a thread or a connection made now belongs to."""
    return os.getpid() if _forks_in_c else _pid, threading.Lock


class Lazy(Generic[T]):
    """An object that ``make`` makes once in each world."""

    __slots__ = ("_last", "_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[World, T] = {}
        # The world of the last use and its object, in one tuple: another thread sees all of it or nothing.
        self._last: tuple[int, object, T] | None = None

    def get(self) -> T:
        """Return this world's object, made on first use."""
        # Without the lookup below, which costs 0.5 us.
        if (last := self._last) is not None and last[1] is threading.Lock and last[0] == (os.getpid() if _forks_in_c else _pid):
            return last[2]
        here = world()
        try:
            made = self._made[here]
        except KeyError:
            made = self._made.setdefault(here, self._make())  # the first of two threads wins
        self._last = (*here, made)
        return made


class Lock(Lazy[Any]):
    """A ``threading.Lock`` for ``with``, or a ``threading.RLock`` if its holder may enter it again.

    ``with lock.get():`` does the same with three calls less, 0.6 us.
    """

    __slots__ = ()

    def __init__(self, *, reentrant: bool = False) -> None:
        super().__init__(_rlock if reentrant else _lock)

    def try_enter(self) -> bool:
        """Acquire the lock if it is free; the caller then calls ``__exit__``, as by an ExitStack."""
        return bool(self.get().acquire(blocking=False))

    def __enter__(self) -> None:
        self.get().acquire()

    def __exit__(self, *_: object) -> None:
        self.get().release()

    def acquire(self, seconds: float) -> bool:
        """Wait at most that long; return whether the lock is held now."""
        return bool(self.get().acquire(timeout=seconds))

    def release(self) -> None:
        """End what ``acquire`` began."""
        self.get().release()


# Looked up in the module each time, because gevent may have replaced them.
def _lock() -> Any:
    return threading.Lock()


def _rlock() -> Any:
    return threading.RLock()
