"""Lease mode in Redis: every operation is one script on one key, run by the server in one step and judged by its clock.

A script whose answer got lost is run again with the same token, which changes nothing if it was done before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.backoff import NoBackoff

from hookguard.errors import ConfigurationError, HookguardError, StoreMisconfigured, StoreUnavailable
from hookguard.store import Claim, StoreKey
from hookguard.stores.redis.calls import (
    CAPABILITIES,
    Call,
    Calls,
    ambiguous,
    on_trial,
    read_claim,
    read_yes,
    remarks,
    translated,
    unbounded,
)
from hookguard.stores.redis.in_time import connection_class, keeps_time, within

__all__ = ["AsyncRedisStore", "RedisStore"]

T = TypeVar("T")

#: How often an operation whose answer got lost is asked for again, while its time lasts.
AGAIN = 2


class RedisStore:
    """Claims in the server that ``client``, a ``redis.Redis``, speaks to; one hash an event, under ``prefix``.

    Every answer comes within ``timeout`` seconds from a client that ``from_url`` makes. One that is given must have a
    ``socket_timeout`` no longer than that, for each time that it waits for the server, and must not try again by itself.
    ``clock`` is for tests. Raises ConfigurationError for a client that does not fit; operations raise StoreUnavailable, and
    StoreMisconfigured for a server that does not let them in.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        client: redis.Redis,
        *,
        timeout: float = 1.0,
        prefix: str = "hookguard",
        clock: Callable[[], float] | None = None,
    ) -> None:
        longest = _fits(client, redis.Redis, "redis.Redis", timeout)
        self._worth = timeout / 4 if keeps_time(client.connection_pool) else longest
        self.client = client
        self._timeout = timeout
        self._calls = Calls(prefix, clock)

    @classmethod
    def from_url(
        cls, url: str, *, timeout: float = 1.0, prefix: str = "hookguard", clock: Callable[[], float] | None = None
    ) -> RedisStore:
        """Return a store with a client of its own for ``redis://``, ``rediss://`` (TLS) or ``unix://``."""
        retry = redis.retry.Retry(NoBackoff(), 0)

        def make(url: str, **options: Any) -> redis.Redis:
            return redis.Redis.from_url(url, connection_class=connection_class(url), **options)

        client = _from_url(make, url, retry=retry, **_timeouts(timeout))
        return cls(client, timeout=timeout, prefix=prefix, clock=clock)

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""
        return self._run(self._calls.claim(key, token, fingerprint, lease, retention), read_claim)

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done; True only for the holder of the claim."""
        return self._run(self._calls.complete(key, token, retention, reply), read_yes)

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""
        return self._run(self._calls.release(key, token), read_yes)

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim for ``lease`` seconds from now."""
        return self._run(self._calls.extend(key, token, lease), read_yes)

    def purge(self, *, limit: int) -> int:
        """Do nothing: Redis itself deletes what expires."""
        return 0

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state."""
        return self._tried(lambda: read_yes(self.client.delete(self._calls.key(key))))

    def check(self) -> list[str]:
        """Look whether the server answers, lets claims be made, keeps what it is given, and agrees on the time."""
        key, token = on_trial()
        self.claim(key, token=token, fingerprint=b"", lease=1.0, retention=1.0)
        self.complete(key, token=token, retention=1.0)
        self.forget(key)

        def look() -> list[str]:
            before = time.time()
            seconds, microseconds = self.client.time()
            offset = seconds + microseconds / 1e6 - (before + time.time()) / 2
            try:
                info = {**self.client.info("memory"), **self.client.info("persistence")}
            except redis.ResponseError:  # a managed server, or a user without the right to ask
                info = {}
            return remarks(info, offset)

        return self._tried(look)

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()

    def _run(self, call: Call, read: Callable[[Any], T]) -> T:
        return self._tried(lambda: read(self._once(call)))

    def _once(self, call: Call) -> Any:
        try:
            return self.client.evalsha(call.script.digest, 1, *call.arguments)
        except redis.exceptions.NoScriptError:
            # The server was restarted, or its scripts flushed; eval makes it remember this one again.
            return self.client.eval(call.script.text, 1, *call.arguments)

    def _tried(self, ask: Callable[[], T]) -> T:
        with within(self._timeout) as ends:
            for left in range(AGAIN, -1, -1):
                try:
                    return ask()
                except HookguardError:
                    raise
                except Exception as error:
                    if left and ambiguous(error) and ends - time.monotonic() >= self._worth:
                        continue
                    if not isinstance(error, (redis.RedisError, OSError)):
                        # What was read cannot be understood, so nothing that this connection still says can be relied on.
                        self.client.connection_pool.disconnect()
                    raise translated(error) from error
        raise AssertionError  # the last round returns or raises

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_where(self.client)})"


class AsyncRedisStore:
    """The same for a ``redis.asyncio.Redis``, whose calls are ended after ``timeout`` seconds whatever they wait for."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        client: redis.asyncio.Redis,
        *,
        timeout: float = 1.0,
        prefix: str = "hookguard",
        clock: Callable[[], float] | None = None,
    ) -> None:
        _fits(client, redis.asyncio.Redis, "redis.asyncio.Redis", timeout)
        self._worth = timeout / 4
        self._loop: asyncio.AbstractEventLoop | None = None
        self.client = client
        self._timeout = timeout
        self._calls = Calls(prefix, clock)

    @classmethod
    def from_url(
        cls, url: str, *, timeout: float = 1.0, prefix: str = "hookguard", clock: Callable[[], float] | None = None
    ) -> AsyncRedisStore:
        """Return a store with a client of its own for ``redis://``, ``rediss://`` (TLS) or ``unix://``."""
        retry = redis.asyncio.retry.Retry(NoBackoff(), 0)
        client = _from_url(redis.asyncio.Redis.from_url, url, retry=retry, **_timeouts(timeout))
        return cls(client, timeout=timeout, prefix=prefix, clock=clock)

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""
        return await self._run(self._calls.claim(key, token, fingerprint, lease, retention), read_claim)

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done; True only for the holder of the claim."""
        return await self._run(self._calls.complete(key, token, retention, reply), read_yes)

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""
        return await self._run(self._calls.release(key, token), read_yes)

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim for ``lease`` seconds from now."""
        return await self._run(self._calls.extend(key, token, lease), read_yes)

    async def purge(self, *, limit: int) -> int:
        """Do nothing: Redis itself deletes what expires."""
        return 0

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state."""

        async def ask() -> bool:
            return read_yes(await self.client.delete(self._calls.key(key)))

        return await self._tried(ask)

    async def check(self) -> list[str]:
        """Look whether all is well, as the other one does."""
        key, token = on_trial()
        await self.claim(key, token=token, fingerprint=b"", lease=1.0, retention=1.0)
        await self.complete(key, token=token, retention=1.0)
        await self.forget(key)

        async def look() -> list[str]:
            before = time.time()
            seconds, microseconds = await self.client.time()
            offset = seconds + microseconds / 1e6 - (before + time.time()) / 2
            try:
                info = {**await self.client.info("memory"), **await self.client.info("persistence")}
            except redis.ResponseError:
                info = {}
            return remarks(info, offset)

        return await self._tried(look)

    async def close(self) -> None:
        """Close the client's connections."""
        await self.client.aclose()

    async def _run(self, call: Call, read: Callable[[Any], T]) -> T:
        async def ask() -> T:
            return read(await self._once(call))

        return await self._tried(ask)

    async def _once(self, call: Call) -> Any:
        try:
            return await self.client.evalsha(call.script.digest, 1, *call.arguments)
        except redis.exceptions.NoScriptError:
            return await self.client.eval(call.script.text, 1, *call.arguments)  # as above

    async def _tried(self, ask: Callable[[], Awaitable[T]]) -> T:
        self._move_to_this_loop()
        try:
            return await asyncio.wait_for(self._asked(ask), self._timeout)
        except asyncio.TimeoutError as error:
            raise StoreUnavailable(f"Redis did not answer within {self._timeout:g} s") from error

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        ends = time.monotonic() + self._timeout
        for left in range(AGAIN, -1, -1):
            try:
                return await ask()
            except HookguardError:
                raise
            except Exception as error:
                if left and ambiguous(error) and ends - time.monotonic() >= self._worth:
                    continue
                if not isinstance(error, (redis.RedisError, OSError)):
                    await self.client.connection_pool.disconnect()  # as above
                raise translated(error) from error
        raise AssertionError  # the last round returns or raises

    def _move_to_this_loop(self) -> None:
        # Connections belong to the loop they were made on. Loops that follow one another are what tests have.
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is not None:
            if not self._loop.is_closed():
                raise StoreMisconfigured("this store is used on two event loops at once: make one for each")
            self.client.connection_pool.reset()  # type: ignore[no-untyped-call]
        self._loop = loop

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_where(self.client)})"


def _timeouts(timeout: float) -> dict[str, float]:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ConfigurationError(f"timeout is {timeout!r}: give seconds, more than 0")
    # Half of it, so that an answer that got lost can be asked for again, on a new connection, within the whole.
    return {"socket_timeout": timeout / 2, "socket_connect_timeout": timeout / 2}


def _from_url(make: Callable[..., Any], url: str, **options: Any) -> Any:
    try:
        return make(url, **options)
    except ValueError:
        # Without its text, which shows a piece of the URL, and that may be one of the password.
        raise ConfigurationError(
            "store: redis-py cannot read this URL: write redis://user:password@host:6379/0, and percent-encode special"
            " characters in the password"
        ) from None


def _fits(client: Any, kind: type[Any], name: str, timeout: float) -> float:
    """Return how long the client waits for an answer; ConfigurationError for one that does not fit."""
    if not isinstance(client, kind):
        raise ConfigurationError(f"client is {type(client).__module__}.{type(client).__name__}: give a {name}, or use from_url")
    options = client.connection_pool.connection_kwargs
    if options.get("decode_responses"):
        raise ConfigurationError("the client decodes what Redis answers, and tokens are bytes: make it without decode_responses")
    # A BlockingConnectionPool waits for a connection to become free.
    if (waits := getattr(client.connection_pool, "timeout", 0)) is None or waits > timeout:
        raise ConfigurationError(
            f"the client's pool may wait longer than the store's timeout: give its timeout at most {timeout:g}"
        )
    if why := unbounded(options, timeout):
        raise ConfigurationError(f"the client may wait longer than the store's timeout: {why}")
    return float(options["socket_timeout"])


def _where(client: Any) -> str:
    # Never the password.
    options = client.connection_pool.connection_kwargs
    place = options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
    return f"{place}/{options.get('db', 0)}"
