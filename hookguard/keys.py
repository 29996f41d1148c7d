"""Keys that a provider publishes: certificates, key sets, keys behind an API. Fetched by the guard, checked by the scheme.

A scheme says which document it needs (:class:`Wanted`), and refuses an address that is not the provider's before anything is
fetched. A source has the document or fetches it: over HTTPS only, without redirects, within bounds of size and time, one
flight at a time for each document, kept as long as the provider says (within bounds), asked for again at most once a minute
when it does not hold an id, and not asked for ten seconds after it could not be had.

While a document cannot be had, the keys of its last copy are used for an hour past their time: an outage of the provider's
key server does not stop its deliveries, and a key that was withdrawn works no longer than that.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet  # the built-in one from Python 3.11 on
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from hookguard.errors import ConfigurationError, HookguardError, UntrustedKeySource, VerificationUnavailable

if TYPE_CHECKING:
    import httpx

__all__ = [
    "AsyncHttpKeySource",
    "AsyncKeySource",
    "HttpKeySource",
    "KeySource",
    "Read",
    "Wanted",
    "trusted_url",
]

#: Reads a document: bytes and seconds since 1970 in, keys by their id out. ValueError when it is not what it should be
#: (unknown is not invalid: 503), a Rejected when it can be read and must not be trusted.
Read = Callable[[bytes, float], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key, and the document that holds it. Only a scheme makes one, for an address it trusts.

    ``id`` is the key's name in what ``read`` returns. ``body`` makes the fetch a POST of JSON, for providers whose keys are
    behind their API; it may hold a secret. ``absent`` are statuses that say that there is no such key, not that it cannot be
    had.
    """

    url: str
    id: str
    read: Read = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    absent: frozenset[int] = frozenset()


class KeySource(Protocol):
    """Where keys come from, without awaiting."""

    def get(self, wanted: Wanted) -> Any | None:
        """Return the key; None when its document was had and does not hold it. VerificationUnavailable when it was not."""


class AsyncKeySource(Protocol):
    """Where keys come from, on an event loop."""

    async def get(self, wanted: Wanted) -> Any | None:
        """Return the key; None when its document was had and does not hold it. VerificationUnavailable when it was not."""


def trusted_url(url: str, hosts: Collection[str] | re.Pattern[str], *, path: str | re.Pattern[str] = "/") -> str:
    """Return ``url`` if it is an HTTPS address on one of the hosts, under ``path``; raise UntrustedKeySource otherwise.

    ``hosts`` are names, or a pattern that must match the whole name; ``path`` is what the path begins with, or a pattern that
    must match all of it. A port, a user, a fragment, a query, a backslash, ``..`` or anything but printable ASCII makes an
    address that two parsers may read differently, so none of them is taken.
    """
    match = _ADDRESS.fullmatch(url) if len(url) <= MAX_URL else None
    if match is None:
        raise UntrustedKeySource("the address of the key is no plain https:// address")
    host, target = match["host"].lower(), match["path"]
    known = hosts.fullmatch(host) is not None if isinstance(hosts, re.Pattern) else host in hosts
    if not known:
        raise UntrustedKeySource(f"the key is at {host!r}, which is not the provider's: nothing was fetched")
    below = path.fullmatch(target) is not None if isinstance(path, re.Pattern) else target.startswith(path)
    if not below or ".." in target:
        raise UntrustedKeySource(f"the key is at another path of {host!r} than the provider's keys: nothing was fetched")
    return url


#: Longest address that is read, in characters.
MAX_URL = 1024
_ADDRESS = re.compile(
    r"https://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@/-]*)", re.ASCII
)

#: Seconds a document is kept: at the least, when its server does not say, and at the most.
SHORTEST_LIFE, USUAL_LIFE, LONGEST_LIFE = 60.0, 3600.0, 86400.0
#: Seconds between two fetches of a document that does not hold an id.
REFRESH = 60.0
#: Seconds for which what could not be had is not asked for again.
PAUSE = 10.0
#: Seconds past its time that the last copy is used while no newer one can be had.
GRACE = 3600.0
#: Documents kept. A sender can name any address the scheme trusts, so their number must have an end.
MAX_DOCUMENTS = 64
#: Fetches of documents nobody has asked for before, a minute: a sender that makes addresses up gets no further.
MAX_NEW = 30

_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*([0-9]{1,9})\s*(?:,|$)", re.IGNORECASE | re.ASCII)


@dataclass(slots=True)
class _Document:
    keys: Mapping[str, Any]
    fetched: float
    expires: float


class _Cache:
    """What is known of each document, and whether it must be fetched; the same for both sources. Its clock is monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._documents: OrderedDict[Any, _Document] = OrderedDict()
        # Apart from the documents, so that what a sender makes up cannot push them out.
        self._failed: OrderedDict[Any, tuple[float, type[HookguardError], str]] = OrderedDict()
        self._absent: OrderedDict[Any, float] = OrderedDict()
        self._new: list[float] = []
        self._lock = threading.Lock()

    def look(self, wanted: Wanted) -> tuple[Any | None, bool]:
        """The key, or None, and whether to fetch; raises what the last fetch raised while that is fresh."""
        now = self._clock()
        name = _name(wanted)
        with self._lock:
            document = self._documents.get(name)
            failure = self._failed.get(name)
            failing = failure is not None and now < failure[0] + PAUSE
            if document is not None:
                self._documents.move_to_end(name)
                key = document.keys.get(wanted.id)
                if key is not None and now < document.expires:
                    return key, False
                if key is None and now < document.fetched + REFRESH:
                    return None, False
                if failure is not None and failing:
                    return self._old(document, wanted, now, failure), False
                return None, True
            if name in self._absent and now < self._absent[name] + REFRESH:
                return None, False
            if failure is not None and failing:
                raise failure[1](failure[2])
            return None, True

    def admit(self, wanted: Wanted) -> None:
        """Count a fetch; VerificationUnavailable when too many new documents were asked for."""
        now = self._clock()
        with self._lock:
            if _name(wanted) in self._documents:
                return
            self._new = [moment for moment in self._new if moment > now - 60.0]
            if len(self._new) >= MAX_NEW:
                raise VerificationUnavailable(f"{MAX_NEW} unknown keys were asked for within a minute: no more are fetched")
            self._new.append(now)

    def keep(self, wanted: Wanted, keys: Mapping[str, Any], life: float) -> Any | None:
        now = self._clock()
        name = _name(wanted)
        with self._lock:
            self._failed.pop(name, None)
            self._absent.pop(name, None)
            if keys:
                _put(self._documents, name, _Document(keys, now, now + life))
            else:
                self._documents.pop(name, None)
                _put(self._absent, name, now)
        return keys.get(wanted.id)

    def fail(self, wanted: Wanted, error: HookguardError) -> Any | None:
        """Remember the failure; return the old key where there is one, raise otherwise."""
        now = self._clock()
        name = _name(wanted)
        failure = (now, type(error), str(error))
        with self._lock:
            _put(self._failed, name, failure)
            document = self._documents.get(name)
            if document is None:
                raise error
            return self._old(document, wanted, now, failure)

    @staticmethod
    def _old(document: _Document, wanted: Wanted, now: float, failure: tuple[float, type[HookguardError], str]) -> Any:
        key = document.keys.get(wanted.id)
        if key is None or now >= document.expires + GRACE or not issubclass(failure[1], VerificationUnavailable):
            # A new one each time: an exception that is raised twice drags its first traceback along.
            raise failure[1](failure[2])
        return key


def _put(known: OrderedDict[Any, Any], name: Any, value: Any) -> None:
    known[name] = value
    known.move_to_end(name)
    while len(known) > MAX_DOCUMENTS:
        known.popitem(last=False)


def _name(wanted: Wanted) -> tuple[str, bytes | None]:
    return wanted.url, wanted.body


class _Source:
    """What both sources are made of."""

    def __init__(
        self,
        *,
        timeout: float = 5.0,
        max_size: int = 256 * 1024,
        verify: ssl.SSLContext | None = None,
        proxy: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        try:
            import httpx  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError(
                "keys are fetched with the package httpx: pip install 'hookguard-webhooks[fetch]', or pass a source of your own"
            ) from None
        if not 0 < timeout <= 60:
            raise ConfigurationError(f"timeout is {timeout!r}; give seconds, more than 0 and at most 60")
        self._timeout = timeout
        self._max_size = max_size
        self._options: dict[str, Any] = {
            "follow_redirects": False,
            "timeout": timeout,
            # Made once: reading the roots takes longer than a fetch.
            "verify": verify or httpx.create_ssl_context(trust_env=False),
            "proxy": proxy,
            # What the environment says of proxies and credentials is for other requests than these.
            "trust_env": False,
        }
        self._wall_clock = wall_clock
        self._cache = _Cache(clock)

    def _request(self, wanted: Wanted) -> dict[str, Any]:
        parts = urlsplit(wanted.url)
        if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
            raise UntrustedKeySource("keys are fetched over https:// only")
        # Nothing is inflated, so nothing can grow.
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "hookguard", **dict(wanted.headers)}
        if wanted.body is None:
            return {"method": "GET", "url": wanted.url, "headers": headers}
        headers.setdefault("Content-Type", "application/json")
        return {"method": "POST", "url": wanted.url, "headers": headers, "content": wanted.body}

    def _is_absent(self, wanted: Wanted, response: httpx.Response) -> bool:
        status = response.status_code
        if status in wanted.absent:
            return True
        if status != 200:
            raise _Trouble(f"it answered {status}{': redirects are not followed' if 300 <= status < 400 else ''}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise _Trouble("it came compressed, although it was asked for as it is")
        return False

    def _size(self, received: int) -> None:
        if received > self._max_size:
            raise _Trouble(f"it is over {self._max_size} bytes")

    def _read(self, wanted: Wanted, content: bytes, cache_control: str) -> Any | None:
        keys = wanted.read(content, self._wall_clock())
        return self._cache.keep(wanted, keys, _life(cache_control))

    def _landed(self, wanted: Wanted) -> Any | None:
        """What another's flight brought, for this id."""
        key, fetch = self._cache.look(wanted)
        if fetch:
            raise VerificationUnavailable(f"the key at {_host(wanted.url)} was being fetched and did not come")
        return key

    def _failed(self, wanted: Wanted, error: Exception) -> Any | None:
        if isinstance(error, HookguardError):
            # It was had, and must not be trusted.
            return self._cache.fail(wanted, error)
        reason = str(error) if isinstance(error, _Trouble) else f"{type(error).__name__}"
        return self._cache.fail(wanted, VerificationUnavailable(f"the key at {_host(wanted.url)} cannot be had: {reason}"))


class _Trouble(Exception):
    """What is wrong with an answer."""


def _host(url: str) -> str:
    return urlsplit(url).hostname or "an unknown host"


def _life(cache_control: str) -> float:
    if match := _MAX_AGE.search(cache_control):
        return min(max(float(match[1]), SHORTEST_LIFE), LONGEST_LIFE)
    return SHORTEST_LIFE if "no-" in cache_control.lower() else USUAL_LIFE


class HttpKeySource(_Source):
    """Fetches keys with httpx. Safe to share between threads, and best shared by every guard of a process.

    ``timeout`` is seconds for a whole fetch, ``max_size`` bytes. ``verify`` is an ``ssl.SSLContext`` with the roots to trust,
    ``proxy`` the address of a proxy all fetches go through; the environment's proxy settings are not looked at. ``clock`` and
    ``wall_clock`` are for tests. ConfigurationError when httpx is not installed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._flights: dict[Any, Future[Any]] = {}
        self._lock = threading.Lock()

    def get(self, wanted: Wanted) -> Any | None:
        """Return the key; None when its document was had and does not hold it. VerificationUnavailable when it was not."""
        key, fetch = self._cache.look(wanted)
        if not fetch:
            return key
        name = _name(wanted)
        with self._lock:
            flight = self._flights.get(name)
            mine = flight is None
            if flight is None:
                flight = self._flights[name] = Future()
        if not mine:
            try:
                flight.result(self._timeout + 1)
            except NotYet:
                raise VerificationUnavailable(f"the key at {_host(wanted.url)} did not come in time") from None
            return self._landed(wanted)
        try:
            # Another flight may have landed between the look and the start of this one.
            key, fetch = self._cache.look(wanted)
            if not fetch:
                return key
            self._cache.admit(wanted)
            return self._fetch(wanted)
        finally:
            with self._lock:
                del self._flights[name]
            flight.set_result(None)

    def _fetch(self, wanted: Wanted) -> Any | None:
        import httpx  # noqa: PLC0415 - an extra

        try:
            request = self._request(wanted)
            deadline = time.monotonic() + self._timeout
            content = bytearray()
            with httpx.Client(**self._options) as client, client.stream(**request) as response:
                if self._is_absent(wanted, response):
                    return self._cache.keep(wanted, {}, SHORTEST_LIFE)
                for piece in response.iter_raw():
                    content += piece
                    self._size(len(content))
                    if time.monotonic() > deadline:
                        raise _Trouble(f"it took longer than {self._timeout:g} s")
            return self._read(wanted, bytes(content), response.headers.get("cache-control", ""))
        except Exception as error:
            return self._failed(wanted, error)


class AsyncHttpKeySource(_Source):
    """Fetches keys with httpx on the event loop it is asked on; otherwise like :class:`HttpKeySource`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._flights: dict[Any, asyncio.Task[Any]] = {}

    async def get(self, wanted: Wanted) -> Any | None:
        """Return the key; None when its document was had and does not hold it. VerificationUnavailable when it was not."""
        key, fetch = self._cache.look(wanted)
        if not fetch:
            return key
        # A flight belongs to its loop: two loops in two threads may fetch the same document once each.
        name = (asyncio.get_running_loop(), _name(wanted))
        flight = self._flights.get(name)
        mine = flight is None
        if flight is None:
            self._cache.admit(wanted)
            flight = self._flights[name] = asyncio.create_task(self._fetch(wanted))
            flight.add_done_callback(lambda done: self._land(name, done))
        # Shielded, because the first who asked may hang up while others wait.
        if mine:
            return await asyncio.shield(flight)
        await asyncio.wait([flight])
        return self._landed(wanted)

    def _land(self, name: Any, flight: asyncio.Task[Any]) -> None:
        del self._flights[name]
        if not flight.cancelled():
            flight.exception()  # whoever waited was told; nobody may have waited to the end

    async def _fetch(self, wanted: Wanted) -> Any | None:
        import httpx  # noqa: PLC0415 - an extra

        async def fetch() -> tuple[bytes, str] | None:
            content = bytearray()
            async with httpx.AsyncClient(**self._options) as client, client.stream(**self._request(wanted)) as response:
                if self._is_absent(wanted, response):
                    return None
                async for piece in response.aiter_raw():
                    content += piece
                    self._size(len(content))
            return bytes(content), response.headers.get("cache-control", "")

        try:
            found = await asyncio.wait_for(fetch(), self._timeout)
            if found is None:
                return self._cache.keep(wanted, {}, SHORTEST_LIFE)
            return self._read(wanted, *found)
        except asyncio.TimeoutError:
            return self._failed(wanted, _Trouble(f"it took longer than {self._timeout:g} s"))
        except Exception as error:
            return self._failed(wanted, error)
