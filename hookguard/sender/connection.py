"""One receiver's URL, and the connections to it: to checked addresses only, within one deadline, reading little.

The name is resolved once for a connection. Every address must be allowed, and the connection goes to one that was checked, so a
DNS answer that changes in between changes nothing. The Host header and the certificate's name are those of the URL. Redirects
are not followed, and the environment's proxies and credentials are not used.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from hookguard.errors import ConfigurationError
from hookguard.networks import Networks
from hookguard.privacy.shown import shown_url
from hookguard.sender.names import NotAnswered

if TYPE_CHECKING:
    import httpcore
    import httpx

__all__ = ["TIMEOUT", "Answer", "Connection", "NotAnswered", "Reach", "read_url"]

#: Seconds for a whole exchange, from the look-up of the name to the end of the answer.
TIMEOUT = 15.0

#: Bytes of an answer's body that are read, and pieces that they may come in: chunks of one byte keep the event loop busy.
MOST_READ = 16 * 1024
MOST_PIECES = 100

#: Seconds in which the body of an answer is read. Its status is all that counts.
BODY_WAITS = 1.0

#: Seconds for which an idle connection is kept.
KEPT = 20.0


class Answer(NamedTuple):
    """The receiver's answer; ``retry_after`` is the header's text, None if it is missing or comes twice."""

    status: int
    retry_after: str | None = None


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

        from hookguard.sender.network import Network  # noqa: PLC0415 - likewise

        self._reach = reach
        self._url = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port or (443 if url.scheme == "https" else 80), target=url.raw_path
        )
        options: dict[str, Any] = {"ssl_context": reach.tls(), "keepalive_expiry": KEPT}
        if reach.proxy is not None:
            place, user = read_proxy(reach.proxy)
            options["network_backend"] = Network(None, checks=False)
            pool: Any = httpcore.AsyncHTTPProxy(proxy_url=place, proxy_auth=user, **options)
        else:
            options["network_backend"] = Network(reach.allow_networks)
            pool = httpcore.AsyncConnectionPool(**options)
        # The pool only makes connections. It would ask each of them several times for each message whether it is still open.
        self._make: Any = functools.partial(pool.create_connection, self._url.origin)
        self._idle: list[httpcore.AsyncConnectionInterface] = []  # the one that was used last comes last
        self._room = asyncio.Semaphore(most)

    async def post(self, body: bytes, headers: Mapping[str, str], timeout: float | None = None) -> Answer:
        """Send one request, and return the answer. Raises NotAnswered, and nothing else for anything a receiver does.

        ``timeout`` shortens the deadline, in seconds.
        """
        import anyio  # noqa: PLC0415 - comes with the extra's httpx

        seconds = self._reach.timeout if timeout is None else min(timeout, self._reach.timeout)
        answer: Answer | None = None
        try:
            with anyio.fail_after(seconds):
                async with (
                    self._connected() as connection,
                    connection.stream("POST", self._url, headers=list(headers.items()), content=body) as response,
                ):
                    if response.extensions["network_stream"].holds_request:
                        raise NotAnswered("the answer came before the request: the receiver has answered the last one twice")
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
        while self._idle:
            await self._idle.pop().aclose()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[httpcore.AsyncConnectionInterface]:
        """Lend a connection for one exchange. It is kept if the exchange has left it ready for another."""
        import anyio  # noqa: PLC0415 - comes with the extra's httpx

        async with self._room:
            connection = await self._kept() or self._make()
            ready = False
            try:
                yield connection
                ready = connection.is_idle() and not connection.is_closed()
            finally:
                if ready:
                    self._idle.append(connection)
                else:
                    with anyio.CancelScope(shield=True):
                        await connection.aclose()

    async def _kept(self) -> httpcore.AsyncConnectionInterface | None:
        """Return the connection that was used last, if it is still open. The oldest are closed when their time is over."""
        while self._idle and self._idle[0].has_expired():
            await self._idle.pop(0).aclose()
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None


async def _read_some(response: httpcore.Response) -> None:
    """Read a body that is short, so that the connection can be used again. A longer one is cut off, and the connection closed."""
    size = pieces = 0
    async for piece in response.aiter_stream():
        size += len(piece)
        pieces += 1
        if size > MOST_READ or pieces > MOST_PIECES:
            return


def _only(headers: list[tuple[bytes, bytes]], name: bytes) -> str | None:
    found = [value for key, value in headers if key.lower() == name]
    return found[0].decode("latin-1") if len(found) == 1 else None
