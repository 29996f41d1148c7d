"""One receiver's URL, and the connections to it: to checked addresses only, within one deadline, reading little.

The name is resolved once for a connection. Every address must be allowed, and the connection goes to one that was checked, so a
DNS answer that changes in between changes nothing. The Host header and the certificate's name are those of the URL. Redirects
are not followed, and the environment's proxies and credentials are not used.
"""

from __future__ import annotations

import asyncio
import functools
import select
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from hookguard.errors import ConfigurationError
from hookguard.networks import Networks
from hookguard.privacy.shown import printable, shown_url
from hookguard.sender.addresses import may_connect

if TYPE_CHECKING:
    import httpcore
    import httpx

__all__ = ["TIMEOUT", "Answer", "Connection", "NotAnswered", "Reach", "read_url"]

#: Seconds for a whole exchange, from the look-up of the name to the end of the answer.
TIMEOUT = 15.0

#: Bytes of an answer's body that are read, and bytes of one read.
MOST_READ = 16 * 1024

#: Seconds in which the body of an answer is read. Its status is all that counts.
BODY_WAITS = 1.0

#: Addresses of one name that are tried, and the seconds for each if another follows.
MOST_ADDRESSES = 4
EACH = 5.0


class Answer(NamedTuple):
    """The receiver's answer; ``retry_after`` is the header's text, None if it is missing or comes twice."""

    status: int
    retry_after: str | None = None


class NotAnswered(Exception):
    """No answer came. ``again`` is False if another attempt cannot help: the address is not allowed."""

    def __init__(self, reason: str, *, again: bool = True) -> None:
        super().__init__(printable(reason)[:200])
        self.again = again


@dataclass(frozen=True)
class Reach:
    """Where a connection may go: the settings of a receiver besides its URL. Raises ConfigurationError.

    ``timeout`` is seconds for a whole exchange. ``proxy`` is the URL of a proxy, which then checks the addresses; it may
    hold a user and a password. ``ca_file`` names a PEM file with the roots to trust in place of the usual ones.
    """

    timeout: float = TIMEOUT
    allow_http: bool = False
    allow_networks: Networks | None = None
    proxy: str | None = field(default=None, repr=False)  # it may hold a password
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.timeout, bool) or not isinstance(self.timeout, (int, float)) or not 0 < self.timeout <= 600:
            raise ConfigurationError(f"timeout is {self.timeout!r}; give seconds, more than 0 and at most 600")
        if not isinstance(self.allow_http, bool):
            raise ConfigurationError(f"allow_http is {self.allow_http!r}; choose True or False")
        if self.allow_networks is not None and not isinstance(self.allow_networks, Networks):
            object.__setattr__(self, "allow_networks", Networks(cast("Iterable[str]", self.allow_networks)))
        if self.proxy is not None and not (isinstance(self.proxy, str) and self.proxy.startswith(("http://", "https://"))):
            raise ConfigurationError("proxy is not a URL: write http://host:port")
        if self.proxy is not None:
            read_proxy(self.proxy)
        self.tls()

    def tls(self) -> ssl.SSLContext:
        """Return the context of this receiver's connections; ConfigurationError if ``ca_file`` cannot be read."""
        try:
            return _context(self.ca_file)
        except (OSError, ssl.SSLError, TypeError) as error:
            raise ConfigurationError(f"ca_file: {self.ca_file!r} cannot be read ({error})") from None


@functools.lru_cache(maxsize=16)  # loading the root certificates takes longer than an exchange
def _context(ca_file: str | None) -> ssl.SSLContext:
    if ca_file is not None:
        return ssl.create_default_context(cafile=ca_file)
    return cast("ssl.SSLContext", need_httpx().create_ssl_context(trust_env=False))


def need_httpx() -> Any:
    """Return the package httpx; ConfigurationError if it is not installed."""
    try:
        import httpx  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("webhooks are sent with the package httpx: pip install 'hookguard-webhooks[relay]'") from None
    return httpx


def read_url(url: object, reach: Reach) -> httpx.URL:
    """Return the parsed URL of a receiver; ConfigurationError if nothing may be sent there."""
    package = need_httpx()
    if not isinstance(url, str):
        raise ConfigurationError(f"the URL is {type(url).__name__}; give text, as in https://example.com/hooks")
    try:
        parsed = cast("httpx.URL", package.URL(url))
    except package.InvalidURL as error:
        raise ConfigurationError(f"{shown_url(url)!r} is not a URL ({error}): write https://host/path") from None
    if parsed.scheme not in ("https", "http") or not parsed.raw_host or not 0 < (parsed.port or 443) < 65536:
        raise ConfigurationError(f"{shown_url(url)!r} is not a URL to send to: write https://host/path")
    if parsed.scheme == "http" and not reach.allow_http:
        raise ConfigurationError(f"{shown_url(url)!r} is not encrypted: write https://, or set allow_http to True")
    if parsed.userinfo:
        raise ConfigurationError(f"{shown_url(url)!r} holds a user's name: the signature shows the sender, so leave it out")
    return parsed


def read_proxy(url: str) -> tuple[httpcore.URL, tuple[bytes, bytes] | None]:
    """Return a proxy's URL, and the user and password in it, which a connection sends; ConfigurationError if it is not a URL."""
    package = need_httpx()
    import httpcore  # noqa: PLC0415 - comes with the extra's httpx

    try:
        parsed = cast("httpx.URL", package.URL(url))
    except package.InvalidURL:  # its text may show a part of the password
        parsed = None
    if parsed is None or not parsed.raw_host:
        raise ConfigurationError("proxy is not a URL: write http://host:port, and escape a password's special characters with %")
    place = httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=b"/")
    return place, (parsed.username.encode(), parsed.password.encode()) if parsed.userinfo else None


class Connection:
    """Posts to one URL, on one event loop. At most ``most`` exchanges run concurrently; connections are used again."""

    def __init__(self, url: httpx.URL, reach: Reach, *, most: int = 64) -> None:
        import httpcore  # noqa: PLC0415 - comes with the extra's httpx

        self._reach = reach
        self._url = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port or (443 if url.scheme == "https" else 80), target=url.raw_path
        )
        options: dict[str, Any] = {
            "ssl_context": reach.tls(),
            "max_connections": most,
            "max_keepalive_connections": most,
            "keepalive_expiry": 20.0,
        }
        if reach.proxy is not None:
            place, user = read_proxy(reach.proxy)
            self._pool: Any = httpcore.AsyncHTTPProxy(proxy_url=place, proxy_auth=user, **options)
        else:
            self._pool = httpcore.AsyncConnectionPool(network_backend=_checked_backend(reach.allow_networks), **options)

    async def post(self, body: bytes, headers: Mapping[str, str], timeout: float | None = None) -> Answer:
        """Send one request, and return the answer. Raises NotAnswered, and nothing else for anything a receiver does.

        ``timeout`` shortens the deadline, in seconds.
        """
        import anyio  # noqa: PLC0415 - comes with the extra's httpx

        seconds = self._reach.timeout if timeout is None else min(timeout, self._reach.timeout)
        answer: Answer | None = None
        try:
            with anyio.fail_after(seconds):
                async with self._pool.stream("POST", self._url, headers=list(headers.items()), content=body) as response:
                    answer = Answer(response.status, _only(response.headers, b"retry-after"))
                    with anyio.move_on_after(BODY_WAITS):
                        await _read_some(response)
        except NotAnswered:
            raise
        except Exception as error:
            if answer is not None:
                return answer  # its status came; nobody needs the rest
            if isinstance(error, TimeoutError):
                raise NotAnswered(f"no answer within {seconds:g} s") from None
            text = str(error)
            raise NotAnswered(f"{type(error).__name__}: {text}" if text else type(error).__name__) from None
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


async def _read_some(response: httpcore.Response) -> None:
    """Read a body that is short, so that the connection can be used again. A longer one is cut off, and the connection closed."""
    size = 0
    async for piece in response.aiter_stream():
        size += len(piece)
        if size > MOST_READ:
            return


def _only(headers: list[tuple[bytes, bytes]], name: bytes) -> str | None:
    found = [value for key, value in headers if key.lower() == name]
    return found[0].decode("latin-1") if len(found) == 1 else None


def _is_readable(connected: socket.socket) -> bool:
    """Whether there is something to read: of an idle connection, that its other side has closed it."""
    poll = select.poll()  # not select(), which knows no descriptor above 1023
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))


@functools.lru_cache(maxsize=64)
def _checked_backend(allowed: Networks | None) -> httpcore.AsyncNetworkBackend:
    """Return what connects for a pool. Defined in here, because its base class comes with an extra."""
    import anyio  # noqa: PLC0415 - comes with the extra's httpx
    import httpcore  # noqa: PLC0415 - likewise

    class ShortReads(httpcore.AsyncNetworkStream):
        """A stream that is read in small pieces: an answer without an end must not fill the memory."""

        def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
            self._stream = stream
            self.write = stream.write  # type: ignore[method-assign]  # as it is
            self.aclose = stream.aclose  # type: ignore[method-assign]  # as it is
            self._socket: Any = stream.get_extra_info("socket")

        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's signature
            return await self._stream.read(min(max_bytes, MOST_READ), timeout)

        def get_extra_info(self, info: str) -> Any:
            if info == "is_readable" and self._socket is not None and hasattr(select, "poll"):
                # A pool asks it of each idle connection before each message: by way of anyio that was a tenth of a send.
                return self._socket.fileno() < 0 or _is_readable(self._socket)
            return self._stream.get_extra_info(info)

        async def start_tls(
            self,
            ssl_context: ssl.SSLContext,
            server_hostname: str | None = None,
            timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        ) -> httpcore.AsyncNetworkStream:
            return ShortReads(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    class Checked(httpcore.AsyncNetworkBackend):
        """Connects to addresses that were checked."""

        def __init__(self) -> None:
            self._inner: Any = httpcore.AnyIOBackend()

        async def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> httpcore.AsyncNetworkStream:
            addresses = await resolve(host, port, allowed)
            for address in addresses[:-1]:
                try:
                    with anyio.fail_after(EACH):
                        return ShortReads(await self._inner.connect_tcp(address, port, None, local_address, socket_options))
                except (TimeoutError, httpcore.ConnectError, httpcore.ConnectTimeout):
                    continue
            return ShortReads(await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options))

        async def sleep(self, seconds: float) -> None:
            await self._inner.sleep(seconds)

    return Checked()


async def resolve(host: str, port: int, allowed: Networks | None) -> list[str]:
    """Return the addresses of a name, all of them checked; NotAnswered if there is no address, or one is not allowed."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotAnswered(f"the name {host} has no address: {error}") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not addresses:
        raise NotAnswered(f"the name {host} has no address")
    for address in addresses:
        if not may_connect(address, allowed):
            raise NotAnswered(
                f"{host} has the address {address}, which is not public: set allow_networks if that is meant", again=False
            )
    return addresses[:MOST_ADDRESSES]
