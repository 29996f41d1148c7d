"""Fetches the keys that a provider publishes, over HTTPS, within bounds of size, time and number."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet  # the built-in one from Python 3.11 on
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hookguard.errors import ConfigurationError, HookguardError, UntrustedKeySource, VerificationUnavailable
from hookguard.fetch.budget import FetchBudget
from hookguard.process.locks import Lock

if TYPE_CHECKING:
    import httpx
from hookguard.keys import Wanted

__all__ = ["AsyncHttpKeySource", "HttpKeySource"]

#: Seconds that a document is cached: at least, by default, and at most.
SHORTEST_LIFE, USUAL_LIFE, LONGEST_LIFE = 60.0, 3600.0, 86400.0


#: Seconds between two fetches of a document that does not hold an id. Until then the id may be new, and its deliveries get 503.
REFRESH = 60.0


#: Seconds without a new fetch after one failed.
PAUSE = 10.0


#: Seconds that an expired copy is used while fetches fail.
GRACE = 3600.0


#: Documents in the cache. A sender can name any address that the scheme trusts, so their number is bounded.
MAX_DOCUMENTS = 256


_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*([0-9]{1,9})\s*(?:,|$)", re.IGNORECASE | re.ASCII)


@dataclass(slots=True)
class _Document:
    keys: Mapping[str, Any]
    fetched: float
    expires: float


class _Cache:
    """The cache of both sources: it decides whether a document must be fetched. Its clock is monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._documents: OrderedDict[Any, _Document] = OrderedDict()
        # Separate from the documents, so that made-up names cannot push them out.
        self._failed: OrderedDict[Any, tuple[float, HookguardError]] = OrderedDict()
        self._absent: OrderedDict[Any, float] = OrderedDict()
        self._budget = FetchBudget(clock)
        self._lock = Lock()

    def look(self, wanted: Wanted) -> Any | None:
        """Return the key, or None if it must be fetched; raise the last fetch's error while it is fresh.

        VerificationUnavailable if a fetch less than :data:`REFRESH` seconds ago did not find the key. It may be new: the
        provider may have published it since, and a stranger may have caused that fetch. Only a fetch after the delivery's
        arrival shows that the key does not exist.
        """
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
                    return key
                if key is None and now < document.fetched + REFRESH:
                    raise _absent(wanted, now - document.fetched)
                if failure is not None and failing:
                    return self._old(document, wanted, now, failure)
                return None
            if name in self._absent and now < self._absent[name] + REFRESH:
                raise _absent(wanted, now - self._absent[name])
            if failure is not None and failing:
                raise failure[1].with_reason(str(failure[1]))
            return None

    def admit(self, wanted: Wanted) -> Callable[[], None]:
        """Count a fetch; VerificationUnavailable if there are too many of unknown keys. Call the result when the fetch ends."""
        with self._lock:
            held = _name(wanted) in self._documents
        return _ended if held or wanted.known else self._budget.enter(wanted.asked_by)

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
        """Record the failure; return the old key if there is one, raise otherwise."""
        now = self._clock()
        name = _name(wanted)
        failure = (now, error.with_reason(str(error)))  # without the traceback, whose frames hold what was sent
        with self._lock:
            _put(self._failed, name, failure)
            document = self._documents.get(name)
            if document is None:
                raise error
            return self._old(document, wanted, now, failure)

    @staticmethod
    def _old(document: _Document, wanted: Wanted, now: float, failure: tuple[float, HookguardError]) -> Any:
        key = document.keys.get(wanted.id)
        if key is None or now >= document.expires + GRACE or not isinstance(failure[1], VerificationUnavailable):
            # A new exception each time: one that is raised twice keeps its first traceback.
            raise failure[1].with_reason(str(failure[1]))
        return key


def _absent(wanted: Wanted, age: float) -> VerificationUnavailable:
    return VerificationUnavailable(
        f"{_host(wanted.url)} did not have the key {wanted.id[:64]!r} {age:.0f} s ago, and is asked again {REFRESH:.0f} s after a"
        " fetch: the provider's retry settles whether the key is new or made up"
    )


def _put(known: OrderedDict[Any, Any], name: Any, value: Any) -> None:
    known[name] = value
    known.move_to_end(name)
    while len(known) > MAX_DOCUMENTS:
        known.popitem(last=False)


def _ended() -> None:
    """Do nothing: a fetch that was not counted holds no slot."""


def _name(wanted: Wanted) -> tuple[str, bytes | None]:
    return wanted.url, wanted.body


class _Source:
    """The shared part of both sources."""

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
                "keys are fetched with the package httpx: pip install 'hookguard-webhooks[fetch]', or pass a source of your own",
                check="P2",
            ) from None
        if not 0 < timeout <= 60:
            raise ConfigurationError(f"timeout is {timeout!r}; give seconds, more than 0 and at most 60")
        self._timeout = timeout
        self._max_size = max_size
        self._options: dict[str, Any] = {
            "follow_redirects": False,
            "timeout": timeout,
            # Made once: loading the root certificates takes longer than a fetch.
            "verify": verify or httpx.create_ssl_context(trust_env=False),
            "proxy": proxy,
            # The environment's proxies and credentials are meant for other requests.
            "trust_env": False,
        }
        self._wall_clock = wall_clock
        self._cache = _Cache(clock)

    def _request(self, wanted: Wanted) -> dict[str, Any]:
        parts = urlsplit(wanted.url)
        if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
            raise UntrustedKeySource("keys are fetched over https:// only")
        # Without compression, no small answer can inflate.
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
            raise _Trouble("it came compressed, although the request forbids that")
        return False

    def _size(self, received: int) -> None:
        if received > self._max_size:
            raise _Trouble(f"it is over {self._max_size} bytes")

    def _read(self, wanted: Wanted, content: bytes, cache_control: str) -> Any | None:
        keys = wanted.read(content, self._wall_clock())
        return self._cache.keep(wanted, keys, _life(cache_control))

    def _landed(self, wanted: Wanted) -> Any | None:
        """Return the key of this id from a fetch by another caller."""
        key = self._cache.look(wanted)
        if key is None:
            raise VerificationUnavailable(f"the key at {_host(wanted.url)} was fetched by another caller without success")
        return key

    def _failed(self, wanted: Wanted, error: Exception) -> Any | None:
        if isinstance(error, HookguardError):
            # The document came, and must not be trusted.
            return self._cache.fail(wanted, error)
        reason = str(error) if isinstance(error, _Trouble) else f"{type(error).__name__}"
        return self._cache.fail(wanted, VerificationUnavailable(f"the key at {_host(wanted.url)} cannot be fetched: {reason}"))


class _Trouble(Exception):
    """A problem with an answer."""


def _host(url: str) -> str:
    return urlsplit(url).hostname or "an unknown host"


def _life(cache_control: str) -> float:
    if match := _MAX_AGE.search(cache_control):
        return min(max(float(match[1]), SHORTEST_LIFE), LONGEST_LIFE)
    return SHORTEST_LIFE if "no-" in cache_control.lower() else USUAL_LIFE


class HttpKeySource(_Source):
    """Fetches keys with httpx. Safe to share between threads, and best shared by every guard of a process.

    ``timeout`` is seconds for a whole fetch, ``max_size`` bytes. ``verify`` is an ``ssl.SSLContext`` with the roots to trust,
    ``proxy`` the address of a proxy all fetches go through; the environment's proxy settings are ignored. ``clock`` and
    ``wall_clock`` are for tests. ConfigurationError if httpx is not installed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._flights: dict[Any, Future[Any]] = {}
        self._lock = Lock()

    def get(self, wanted: Wanted) -> Any | None:
        """Return the key; None if its document was fetched and does not hold it.

        VerificationUnavailable if the fetch failed, or if a fetch in the last minute did not find the key.
        """
        try:
            return self._get(wanted)
        except HookguardError as error:
            # The frames below hold the request, which may contain a secret, and an error report would show it.
            raise error.with_traceback(None) from None

    def _get(self, wanted: Wanted) -> Any | None:
        key = self._cache.look(wanted)
        if key is not None:
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
            # Another fetch may have ended between the lookup and this one's start.
            key = self._cache.look(wanted)
            if key is not None:
                return key
            end = self._cache.admit(wanted)
            try:
                return self._fetch(wanted)
            finally:
                end()
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
        """Return the key; None if its document was fetched and does not hold it.

        VerificationUnavailable if the fetch failed, or if a fetch in the last minute did not find the key.
        """
        try:
            return await self._get(wanted)
        except HookguardError as error:
            raise error.with_traceback(None) from None  # as in HttpKeySource

    async def _get(self, wanted: Wanted) -> Any | None:
        key = self._cache.look(wanted)
        if key is not None:
            return key
        # A fetch belongs to its event loop: two loops in two threads may each fetch the same document.
        name = (asyncio.get_running_loop(), _name(wanted))
        flight = self._flights.get(name)
        mine = flight is None
        if flight is None:
            end = self._cache.admit(wanted)
            flight = self._flights[name] = asyncio.create_task(self._fetch(wanted))
            flight.add_done_callback(lambda done: self._land(name, done, end))
        # Shielded, because the first caller may be cancelled while others wait.
        if mine:
            return await asyncio.shield(flight)
        await asyncio.wait([flight])
        return self._landed(wanted)

    def _land(self, name: Any, flight: asyncio.Task[Any], end: Callable[[], None]) -> None:
        end()
        del self._flights[name]
        if not flight.cancelled():
            flight.exception()  # mark the exception as retrieved: every caller may have been cancelled

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
