"""Lease mode in Redis: every operation is one script on one key, run by the server in one step and judged by its clock.

A script whose answer got lost is run again with the same token, which changes nothing if it was done before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio
from redis.backoff import NoBackoff

from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.store import Claim, StoreKey
from hookguard.stores.redis.calls import CAPABILITIES, Call, Calls, ambiguous, read_claim, remarks, translated, unbounded

__all__ = ["AsyncRedisStore", "RedisStore"]

#: How often an operation whose answer got lost is asked for again, while its time lasts.
AGAIN = 2


class RedisStore:
    """Claims in the server that ``client``, a ``redis.Redis``, speaks to; one hash an event, under ``prefix``.

    Every answer comes within ``timeout`` seconds: the client must have a ``socket_timeout`` and must not try again by itself
    (``from_url`` makes one that fits). ``clock`` is for tests. Raises ConfigurationError for a client that does not fit;
    operations raise StoreUnavailable, and StoreMisconfigured for a server that does not let them in.
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
        _fits(client, redis.Redis, "redis.Redis", timeout)
        self.client = client
        self._timeout = timeout
        self._calls = Calls(prefix, clock)

    @classmethod
    def from_url(
        cls, url: str, *, timeout: float = 1.0, prefix: str = "hookguard", clock: Callable[[], float] | None = None
    ) -> RedisStore:
        """Return a store with a client of its own for ``redis://``, ``rediss://`` (TLS) or ``unix://``."""
        retry = redis.retry.Retry(NoBackoff(), 0)
        client = _from_url(redis.Redis.from_url, url, retry=retry, **_timeouts(timeout))
        return cls(client, timeout=timeout, prefix=prefix, clock=clock)

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""
        return read_claim(self._run(self._calls.claim(key, token, fingerprint, lease, retention)))

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done; True only for the holder of the claim."""
        return bool(self._run(self._calls.complete(key, token, retention, reply)))

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""
        return bool(self._run(self._calls.release(key, token)))

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim for ``lease`` seconds from now."""
        return bool(self._run(self._calls.extend(key, token, lease)))

    def purge(self, *, limit: int) -> int:
        """Do nothing: Redis itself deletes what expires."""
        return 0

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state."""
        return bool(self._tried(lambda: self.client.delete(self._calls.key(key))))

    def check(self) -> list[str]:
        """Look whether the server answers, keeps what it is given, and agrees on the time."""

        def look() -> list[str]:
            seconds, microseconds = self.client.time()
            memory, persistence = self.client.info("memory"), self.client.info("persistence")
            offset = seconds + microseconds / 1e6 - time.time()
            return remarks(memory, persistence, offset)

        return self._tried(look)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()

    def _run(self, call: Call) -> Any:
        return self._tried(lambda: self._once(call))

    def _once(self, call: Call) -> Any:
        try:
            return self.client.evalsha(call.script.digest, 1, *call.arguments)
        except redis.exceptions.NoScriptError:
            # The server was restarted, or its scripts flushed; eval makes it remember this one again.
            return self.client.eval(call.script.text, 1, *call.arguments)

    def _tried(self, ask: Callable[[], Any]) -> Any:
        began = time.monotonic()
        for left in range(AGAIN, -1, -1):
            try:
                return ask()
            except (redis.RedisError, OSError) as error:
                # Asking again may take as long as the first time did.
                over = 2 * (time.monotonic() - began) > self._timeout
                if not left or over or not ambiguous(error):
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
        return read_claim(await self._run(self._calls.claim(key, token, fingerprint, lease, retention)))

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done; True only for the holder of the claim."""
        return bool(await self._run(self._calls.complete(key, token, retention, reply)))

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""
        return bool(await self._run(self._calls.release(key, token)))

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim for ``lease`` seconds from now."""
        return bool(await self._run(self._calls.extend(key, token, lease)))

    async def purge(self, *, limit: int) -> int:
        """Do nothing: Redis itself deletes what expires."""
        return 0

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state."""
        return bool(await self._tried(lambda: self.client.delete(self._calls.key(key))))

    async def check(self) -> list[str]:
        """Look whether the server answers, keeps what it is given, and agrees on the time."""

        async def look() -> list[str]:
            seconds, microseconds = await self.client.time()
            memory, persistence = await self.client.info("memory"), await self.client.info("persistence")
            return remarks(memory, persistence, seconds + microseconds / 1e6 - time.time())

        return await self._tried(look)  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Close the client's connections."""
        await self.client.aclose()

    async def _run(self, call: Call) -> Any:
        return await self._tried(lambda: self._once(call))

    async def _once(self, call: Call) -> Any:
        try:
            return await self.client.evalsha(call.script.digest, 1, *call.arguments)
        except redis.exceptions.NoScriptError:
            return await self.client.eval(call.script.text, 1, *call.arguments)  # as above

    async def _tried(self, ask: Callable[[], Any]) -> Any:
        async def within() -> Any:
            began = time.monotonic()
            for left in range(AGAIN, -1, -1):
                try:
                    return await ask()
                except (redis.RedisError, OSError) as error:
                    over = 2 * (time.monotonic() - began) > self._timeout
                    if not left or over or not ambiguous(error):
                        raise translated(error) from error
            raise AssertionError  # the last round returns or raises

        try:
            return await asyncio.wait_for(within(), self._timeout)
        except asyncio.TimeoutError as error:
            raise StoreUnavailable(f"Redis did not answer within {self._timeout:g} s") from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_where(self.client)})"


def _timeouts(timeout: float) -> dict[str, float]:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ConfigurationError(f"timeout is {timeout!r}: give seconds, more than 0")
    # Half of it, so that an answer that got lost can be asked for again within the whole.
    return {"socket_timeout": timeout / 2, "socket_connect_timeout": timeout / 2}


def _from_url(make: Callable[..., Any], url: str, **options: Any) -> Any:
    try:
        return make(url, **options)
    except ValueError as error:
        raise ConfigurationError(
            f"store: redis-py cannot read this URL: write redis://user:password@host:6379/0 ({error})"
        ) from None


def _fits(client: Any, kind: type[Any], name: str, timeout: float) -> None:
    if not isinstance(client, kind):
        raise ConfigurationError(f"client is {type(client).__module__}.{type(client).__name__}: give a {name}, or use from_url")
    options = client.connection_pool.connection_kwargs
    if options.get("decode_responses"):
        raise ConfigurationError("the client decodes what Redis answers, and tokens are bytes: make it without decode_responses")
    if why := unbounded(options, timeout):
        raise ConfigurationError(f"the client may wait longer than the store's timeout: {why}")


def _where(client: Any) -> str:
    # Never the password.
    options = client.connection_pool.connection_kwargs
    place = options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
    return f"{place}/{options.get('db', 0)}"
