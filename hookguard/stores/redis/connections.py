"""Blocking connections that keep a deadline.

redis-py has a timeout for each wait on a socket. A new connection to a slow server waits many times, and so does an answer
that comes byte by byte; looking up a host's name has no timeout at all. With these connections, all waits of one operation
end at one instant.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from typing import Any, Final
from urllib.parse import urlsplit

from redis import connection

from hookguard.stores.deadline import connect_in_thread, time_left

__all__ = ["Pool", "connection_class", "keeps_deadline"]


def _left() -> float | None:
    left = time_left()
    if left is not None and left <= 0:
        raise TimeoutError("the store's timeout is over")
    return left


class _Socket:
    """A socket that waits no longer than its own timeout, and no longer than the operation has left."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._given = self._set = raw.gettimeout()

    def settimeout(self, seconds: float | None) -> None:
        self._given = seconds

    def recv(self, *arguments: Any) -> Any:
        self._limit()
        return self._raw.recv(*arguments)

    def recv_into(self, *arguments: Any) -> Any:
        self._limit()
        return self._raw.recv_into(*arguments)

    def sendall(self, *arguments: Any) -> Any:
        self._limit()
        return self._raw.sendall(*arguments)

    def _limit(self) -> None:
        left, seconds = _left(), self._given
        if left is not None and (seconds is None or left < seconds):
            seconds = left
        if seconds != self._set:  # each change is a system call
            self._raw.settimeout(seconds)
            self._set = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class _KeepsDeadline:
    """A mixin for redis-py's classes of connections."""

    def _connect(self) -> _Socket:
        connect: Callable[[], Any] = super()._connect  # type: ignore[misc]  # redis-py's
        left = _left()
        return _Socket(connect() if left is None else connect_in_thread(connect, left, TimeoutError("no connection in time")))


class _Connection(_KeepsDeadline, connection.Connection):
    pass


class _SSLConnection(_KeepsDeadline, connection.SSLConnection):
    pass


class _UnixDomainSocketConnection(_KeepsDeadline, connection.UnixDomainSocketConnection):
    pass


_CLASSES: Final = {"rediss": _SSLConnection, "unix": _UnixDomainSocketConnection}


def connection_class(url: str) -> type[connection.AbstractConnection]:
    """Return the class of connections for the scheme of a URL."""
    return _CLASSES.get(urlsplit(url).scheme, _Connection)


class Pool(connection.BlockingConnectionPool):
    """A pool in which a thread waits for a connection no longer than its operation has left."""

    @property
    def timeout(self) -> float:
        """How many seconds a thread may wait for a connection."""
        left = _left()
        return self._timeout if left is None else min(left, self._timeout)

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._timeout = seconds

    def drop_idle(self) -> None:
        """Disconnect the idle connections. They are taken out of the pool first, so that no thread borrows one meanwhile."""
        idle = []
        with suppress(Empty):
            while True:
                idle.append(self.pool.get_nowait())
        for each in reversed(idle):
            if each is not None:
                each.disconnect()
            self.pool.put_nowait(each)


def keeps_deadline(pool: connection.ConnectionPool) -> bool:
    """Whether a pool's connections keep the deadline of their operation."""
    return issubclass(pool.connection_class, _KeepsDeadline)
