"""Answers in time: a store says that it cannot, when the database takes longer than it was given.

A server that is stopped, or a network that swallows packets, makes no error: a driver that has no timeout of its own waits
for ever, and a statement timeout is kept by the very server that hangs. So the wait is ended from this side.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from hookguard.errors import StoreUnavailable

__all__ = ["bounded", "connects_in_time", "in_time", "within"]

T = TypeVar("T")

#: When the step that this thread is at must be over, by time.monotonic().
_ends: ContextVar[float | None] = ContextVar("hookguard_step_ends", default=None)

#: A watchdog with nothing to watch ends after so many seconds.
_IDLE = 30.0


class _Watched:
    __slots__ = ("cut", "ends", "fd")

    def __init__(self, fd: int, ends: float) -> None:
        self.fd = fd
        self.ends = ends
        self.cut = False


class _Watchdog:
    """One thread for all connections of a process: it cuts those whose step has not ended in time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: set[_Watched] = set()
        self._wakes = 0.0
        self._thread: threading.Thread | None = None

    def start(self, fd: int, ends: float) -> _Watched:
        # A duplicate: the driver may close its own in the middle, and the number may be given to another connection.
        watched = _Watched(os.dup(fd), ends)
        with self._changed:
            self._watched.add(watched)
            if self._thread is None or not self._thread.is_alive():
                self._wakes = ends
                self._thread = threading.Thread(target=self._run, name="hookguard-watchdog", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:
                    self._watched.discard(watched)
                    os.close(watched.fd)
                    raise
            elif ends < self._wakes:
                self._changed.notify()
        return watched

    def stop(self, watched: _Watched) -> None:
        with self._changed:
            self._watched.discard(watched)
        os.close(watched.fd)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for late in [watched for watched in self._watched if watched.ends <= now]:
                    self._watched.discard(late)
                    late.cut = True
                    _cut(late.fd)
                self._wakes = min((watched.ends for watched in self._watched), default=now + _IDLE)
                if not self._changed.wait(self._wakes - now) and not self._watched:
                    self._thread = None
                    return


def _cut(fd: int) -> None:
    # Whoever waits on the connection wakes up and finds it closed.
    with suppress(OSError), socket.socket(fileno=os.dup(fd)) as there:
        there.shutdown(socket.SHUT_RDWR)


_watchdog = _Watchdog()


def _in_child() -> None:
    global _watchdog  # noqa: PLW0603 - a child has neither the thread nor, perhaps, the lock in a usable state
    _watchdog = _Watchdog()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


@contextmanager
def within(seconds: float) -> Iterator[float]:
    """Give this thread's step ``seconds``, of which making a connection is a part; the instant at which it must be over."""
    ends = time.monotonic() + seconds
    before = _ends.set(ends)
    try:
        yield ends
    finally:
        _ends.reset(before)


@contextmanager
def bounded(connection: Connection, ends: float) -> Iterator[None]:
    """Cut the connection when what is done with it is not over in time; the driver's error is StoreUnavailable then.

    A process without a file descriptor or a thread to spare does it unwatched: it may be a rollback, which must be done.
    """
    fd = None if connection.closed or connection.invalidated else _fileno(connection.connection.dbapi_connection)
    watchdog = _watchdog
    watched: _Watched | None = None
    if fd is not None:
        with suppress(OSError, RuntimeError):
            watched = watchdog.start(fd, ends)
    if watched is None:
        yield
        return
    try:
        yield
    except Exception as error:
        if watched.cut:
            with suppress(Exception):  # closed already
                connection.invalidate(error)
            raise StoreUnavailable(f"{connection.dialect.name} did not answer in time") from error
        raise
    finally:
        watchdog.stop(watched)


def _fileno(raw: Any) -> int | None:
    """The socket of a blocking driver: psycopg and psycopg2 tell it, PyMySQL has it; others keep timeouts of their own."""
    find = getattr(raw, "fileno", None) or getattr(getattr(raw, "_sock", None), "fileno", None)
    if find is None:
        return None
    try:
        fd = int(find())
    except Exception:  # closed already: what is done with it will fail by itself
        return None
    return fd if fd >= 0 else None


def connects_in_time(engine: Engine, timeout: float) -> None:
    """Give each new connection of a blocking engine what is left of its step, ``timeout`` seconds where there is none.

    Drivers round up to whole seconds, psycopg to two, and looking a host's name up has no timeout at all.
    """

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        ends = _ends.get()
        left = timeout if ends is None else ends - time.monotonic()
        return _in_thread(lambda: dialect.connect(*arguments, **options), left, dialect.name)


def _in_thread(connect: Callable[[], Any], seconds: float, name: str) -> Any:
    lock = threading.Lock()
    over = threading.Event()
    made: list[Any] = []
    failed: list[BaseException] = []
    late = False

    def run() -> None:
        try:
            connection = connect()
        except BaseException as error:
            failed.append(error)
        else:
            with lock:
                if not late:
                    made.append(connection)
            if not made:
                with suppress(Exception):
                    connection.close()
        over.set()

    threading.Thread(target=run, name="hookguard-connect", daemon=True).start()
    over.wait(max(seconds, 0))
    with lock:
        late = True
    if made:
        return made[0]
    if failed:
        raise failed[0]
    raise StoreUnavailable(f"{name} did not take a connection in time")


#: Steps nobody waits for any more: each ends when its driver lets it.
_lingering: set[asyncio.Task[Any]] = set()


async def in_time(work: Coroutine[Any, Any, T], seconds: float, late: Callable[[T], None] | None = None) -> T:
    """Await ``work`` for at most ``seconds``; TimeoutError then, and it is cancelled without waiting for it to notice.

    A driver that is cancelled asks the server to stop, and waits for the answer of one that may be hanging. What was done
    all the same, after nobody waited any more, is handed to ``late``.
    """
    task = asyncio.ensure_future(work)
    over = False
    try:
        await asyncio.wait({task}, timeout=seconds)
        over = task.done()
    finally:
        if not over:
            _let_go(task, late)
    if not over:
        raise asyncio.TimeoutError(f"no answer within {seconds:g} s")
    return task.result()


def _let_go(task: asyncio.Task[T], late: Callable[[T], None] | None) -> None:
    def ended(task: asyncio.Task[T]) -> None:
        _lingering.discard(task)
        if not task.cancelled() and task.exception() is None and late is not None:
            late(task.result())

    task.cancel()
    _lingering.add(task)
    task.add_done_callback(ended)
