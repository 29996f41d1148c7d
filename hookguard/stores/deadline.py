"""One deadline for everything that a blocking store waits for in one operation.

Drivers have a timeout for each wait, and looking up a host's name has no timeout at all. A store therefore notes when its
operation must be over, and whatever waits in this thread asks how much time is left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any

__all__ = ["Within", "connect_in_thread", "time_left"]

#: When the operation of this thread, or greenlet, must be over, by time.monotonic().
_ends: ContextVar[float | None] = ContextVar("hookguard_operation_ends", default=None)


class Within:
    """Gives this thread ``seconds`` for the block. Enters with the instant, by time.monotonic(), at which they are over."""

    __slots__ = ("_before", "_ends")

    _before: Token[float | None]

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    # Not a generator with contextlib, which takes three times as long.
    def __enter__(self) -> float:
        self._before = _ends.set(self._ends)
        return self._ends

    def __exit__(self, *_: object) -> None:
        _ends.reset(self._before)


def time_left() -> float | None:
    """Return the seconds left of this thread's operation, negative when they are over; None outside of an operation."""
    ends = _ends.get()
    return None if ends is None else ends - time.monotonic()


def connect_in_thread(connect: Callable[[], Any], seconds: float, late: Exception) -> Any:
    """Return the connection that ``connect`` makes in a thread of its own, or raise ``late`` after ``seconds``.

    A connection that is made too late is closed.
    """
    made: Future[Any] = Future()

    def run() -> None:
        try:
            connection = connect()
        except BaseException as error:
            with suppress(InvalidStateError):
                made.set_exception(error)
            return
        try:
            made.set_result(connection)
        except InvalidStateError:  # the caller gave up
            with suppress(Exception):
                connection.close()

    threading.Thread(target=run, name="hookguard-connect", daemon=True).start()
    try:
        return made.result(max(seconds, 0))
    except NotYet:
        if made.cancel():
            raise late from None
        return made.result()  # done in the last moment, or the connection itself timed out
