"""Blocking connections that keep a deadline.

redis-py's timeouts are for each wait on a socket, of which a new connection to a slow server makes many, one that answers
byte by byte any number, and looking a host's name up has no timeout at all. Here all that a thread waits for in one
operation ends at one instant.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

from redis import connection

__all__ = ["connection_class", "keeps_time", "within"]

_operation = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[float]:
    """Give this thread ``seconds`` for what it does in the block; the instant, by time.monotonic(), at which they are over."""
    _operation.ends = ends = time.monotonic() + seconds
    try:
        yield ends
    finally:
        _operation.ends = None


def _left() -> float | None:
    ends = getattr(_operation, "ends", None)
    if ends is None:
        return None
    left: float = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("the store's timeout is over")
    return left


class _Socket:
    """A socket that waits no longer than it was told, nor than is left of the operation."""

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
        if seconds != self._set:  # each time is a call of the system's
            self._raw.settimeout(seconds)
            self._set = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class _InTime:
    """Stands before one of redis-py's classes of connections."""

    def _connect(self) -> _Socket:
        connect: Callable[[], Any] = super()._connect  # type: ignore[misc]  # redis-py's
        left = _left()
        return _Socket(connect() if left is None else _in_thread(connect, left))


def _in_thread(connect: Callable[[], Any], seconds: float) -> Any:
    made: Future[Any] = Future()

    def run() -> None:
        try:
            raw = connect()
        except BaseException as error:
            with suppress(InvalidStateError):
                made.set_exception(error)
            return
        try:
            made.set_result(raw)
        except InvalidStateError:  # nobody waits for it any more
            raw.close()

    threading.Thread(target=run, name="hookguard-redis-connect", daemon=True).start()
    try:
        return made.result(seconds)
    except NotYet:
        if made.cancel():
            raise TimeoutError("no connection in time") from None
        return made.result()  # done in the last moment, or it is the connection that timed out


class _Connection(_InTime, connection.Connection):
    pass


class _SSLConnection(_InTime, connection.SSLConnection):
    pass


class _UnixDomainSocketConnection(_InTime, connection.UnixDomainSocketConnection):
    pass


_CLASSES: Final = {"rediss": _SSLConnection, "unix": _UnixDomainSocketConnection}


def connection_class(url: str) -> type[connection.AbstractConnection]:
    """Return the class of connections for a URL."""
    return _CLASSES.get(urlsplit(url).scheme, _Connection)


def keeps_time(pool: connection.ConnectionPool) -> bool:
    """Whether a pool's connections are of such a class."""
    return issubclass(pool.connection_class, _InTime)
