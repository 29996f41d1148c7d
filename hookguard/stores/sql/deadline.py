"""Ends each wait for the database in time, and raises StoreUnavailable then.

A stopped server, or a network that drops packets, causes no error. A driver without a timeout waits for ever, and a statement
timeout depends on the very server that hangs. So this side ends the wait.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from hookguard.errors import StoreUnavailable
from hookguard.process.locks import Lazy
from hookguard.stores.deadline import connect_in_thread, time_left

__all__ = ["Bounded", "connects_in_time", "in_time"]

T = TypeVar("T")

#: Seconds after which a watchdog without connections ends its thread.
_IDLE = 30.0


class _Watchdog:
    """One thread for all connections of a process. It cuts the connections whose step did not end in time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._watched: set[Bounded] = set()
        self._wakes = 0.0
        self._thread: threading.Thread | None = None

    def start(self, watched: Bounded) -> None:
        with self._lock:
            if self._thread is None:
                self._wakes = watched.ends
                self._thread = threading.Thread(target=self._run, name="hookguard-watchdog", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:
                    self._thread = None
                    raise
            elif watched.ends < self._wakes:
                self._changed.notify()
            self._watched.add(watched)

    def stop(self, watched: Bounded) -> None:
        with self._lock:
            self._watched.discard(watched)

    def _run(self) -> None:
        with self._lock:
            try:
                while True:
                    now = time.monotonic()
                    for late in [watched for watched in self._watched if watched.ends <= now]:
                        self._watched.discard(late)
                        late.cut = True
                        _cut(late.fd)
                    self._wakes = min((watched.ends for watched in self._watched), default=now + _IDLE)
                    if not self._changed.wait(self._wakes - now) and not self._watched:
                        return
            finally:
                self._thread = None


def _cut(fd: int) -> None:
    # The thread that waits on the connection wakes up and finds it closed.
    with suppress(OSError), socket.socket(fileno=os.dup(fd)) as there:
        there.shutdown(socket.SHUT_RDWR)


_watchdog: Lazy[_Watchdog] = Lazy(_Watchdog)


class Bounded:
    """Cuts the open connection if the block does not end in time. The driver's error becomes StoreUnavailable then.

    In a process without a spare file descriptor or thread, the block runs unwatched: it may be a rollback, which must happen.
    """

    __slots__ = ("_connection", "_watchdog", "cut", "ends", "fd")

    def __init__(self, connection: Connection, ends: float) -> None:
        self._connection = connection
        self.ends = ends
        self.fd = -1
        self.cut = False

    # Not a generator with contextlib, which costs as much as the watchdog.
    def __enter__(self) -> None:
        fd = _fileno(self._connection.connection.dbapi_connection)
        if fd is None:
            return
        self._watchdog = _watchdog.get()
        try:
            # A duplicate: the driver may close its own meanwhile, and another connection may get the number.
            self.fd = os.dup(fd)
            self._watchdog.start(self)
        except (OSError, RuntimeError):
            self._forget_fd()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self.fd < 0:
            return
        self._watchdog.stop(self)
        self._forget_fd()
        if self.cut and isinstance(error, Exception):
            with suppress(Exception):  # closed already
                self._connection.invalidate(error)
            raise StoreUnavailable(f"{self._connection.dialect.name} did not answer in time") from error

    def _forget_fd(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _fileno(raw: Any) -> int | None:
    """Return the socket of a blocking driver (psycopg, psycopg2, PyMySQL); other drivers have timeouts of their own."""
    find = getattr(raw, "fileno", None) or getattr(getattr(raw, "_sock", None), "fileno", None)
    if find is None:
        return None
    try:
        fd = int(find())
    except Exception:  # closed already: its next use fails anyway
        return None
    return fd if fd >= 0 else None


def connects_in_time(engine: Engine, timeout: float) -> None:
    """Limit each new connection of a blocking engine to the time left of its operation, or else to ``timeout`` seconds.

    Drivers round up to whole seconds, psycopg to two, and looking up a host's name has no timeout at all.
    """

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        left = time_left()
        late = StoreUnavailable(f"{dialect.name} did not accept a connection in time")
        seconds = timeout if left is None else left
        return connect_in_thread(lambda: dialect.connect(*arguments, **options), seconds, late)


#: Steps that were cancelled and have not ended yet: each ends when its driver lets it.
_lingering: set[asyncio.Task[Any]] = set()


async def in_time(work: Coroutine[Any, Any, T], seconds: float, late: Callable[[T], None] | None = None) -> T:
    """Await ``work`` for at most ``seconds``. Then cancel it, without waiting for its end, and raise TimeoutError.

    A driver that is cancelled asks the server to stop, and waits for an answer that may never come. If the work succeeds
    nevertheless, ``late`` receives its result.
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
