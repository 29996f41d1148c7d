"""The network under a connection, for httpcore: checked addresses, one write for a request, and short reads of its answer."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import anyio
import httpcore

from hookguard.networks import Networks
from hookguard.sender.names import resolve

__all__ = ["Network"]

#: Seconds for each address of a name if another follows.
EACH: Final = 5.0

#: Bytes of an answer that are read, with its head, and bytes of one read: other exchanges go on after each.
MOST_OF_ALL: Final = 64 * 1024
MOST_AT_ONCE: Final = 4 * 1024


class Network(httpcore.AsyncNetworkBackend):
    """Connects to public addresses, and to ``allowed`` ones; without ``checks`` to any address, for a proxy of the operator's."""

    def __init__(self, allowed: Networks | None, *, checks: bool = True) -> None:
        self._inner: Any = httpcore.AnyIOBackend()
        self._allowed = allowed
        self._checks = checks

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to one of the name's addresses."""
        addresses = await resolve(host, port, self._allowed) if self._checks else [host]
        for address in addresses[:-1]:
            try:
                with anyio.fail_after(EACH):
                    return _Stream(await self._inner.connect_tcp(address, port, None, local_address, socket_options))
            except (TimeoutError, httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return _Stream(await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options))

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """Sends a request when its answer is read, and reads the answer in small pieces, up to a limit.

    httpcore writes a head and a body one by one: together they are one system call, and often one packet. The limit is for
    receivers that never end: an endless head, interim answers, or a body fill neither the memory nor the event loop.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._unsent: list[bytes] = []
        self._left = MOST_OF_ALL
        self._socket: Any = stream.get_extra_info("socket")

    @property
    def holds_request(self) -> bool:
        """Whether the request has not been sent. An answer to it came too early then: it was left over from the one before."""
        return bool(self._unsent)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's signature
        self._unsent.append(buffer)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's signature
        if self._unsent:
            request, self._unsent, self._left = b"".join(self._unsent), [], MOST_OF_ALL
            with suppress(httpcore.WriteError):  # the receiver may have answered before it had read all
                await self._stream.write(request, timeout)
        if not self._left:
            raise httpcore.ReadError(f"the answer is longer than {MOST_OF_ALL} bytes")
        found = await self._stream.read(min(max_bytes, MOST_AT_ONCE, self._left), timeout)
        self._left -= len(found)
        return found

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and _holds_more(self._stream.get_extra_info("ssl_object")):
            return True
        if info == "is_readable" and self._socket is not None and hasattr(select, "poll"):
            # Asked before each message. By way of anyio it takes longer.
            return self._socket.fileno() < 0 or _is_readable(self._socket)
        return self._stream.get_extra_info(info)


def _holds_more(encrypted: ssl.SSLObject | None) -> bool:
    """Whether TLS has read more from the socket than was asked for: its end, or bytes that came before their request.

    The bytes are lost, so the connection must be closed.
    """
    if encrypted is None:
        return False
    try:
        encrypted.read(1)
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        return True  # the other side has closed it, or broken it
    return True


def _is_readable(connected: socket.socket) -> bool:
    """Whether there is something to read: of an idle connection, that its other side has closed it."""
    poll = select.poll()  # not select(), which knows no descriptor above 1023
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))
