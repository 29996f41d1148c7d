"""Lease mode in Redis: every operation is one script on one key, run by the server in one step, with the server's clock.

A script whose answer was lost is run again with the same token. That changes nothing if it ran before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from hookguard.errors import HookguardError, StoreMisconfigured, StoreUnavailable
from hookguard.store import Claim, StoreKey
from hookguard.stores.deadline import Within
from hookguard.stores.fitness import check_event
from hookguard.stores.redis.clients import POOL_SIZE, client_from, fits, number_of_connections, timeouts, where
from hookguard.stores.redis.connections import Pool, connection_class, keeps_deadline
from hookguard.stores.redis.in_loop import LoopPool
from hookguard.stores.redis.scripts import (
    CAPABILITIES,
    SECTIONS,
    Call,
    Calls,
    ambiguous,
    check_info,
    demoted,
    read_claim,
    read_yes,
    translated,
)

if TYPE_CHECKING:
    from hookguard.stores.redis.inbox import AsyncRedisInbox, RedisInbox

__all__ = ["AsyncRedisStore", "RedisStore"]

T = TypeVar("T")

#: How often an operation whose answer was lost is retried, within its timeout.
AGAIN = 2


class RedisStore:
    """Claims in the server of ``client``, a ``redis.Redis``: one hash per event, under ``prefix``.

    With a client from ``from_url``, every operation ends within ``timeout`` seconds. A client of your own must have a
    ``socket_timeout`` of at most that, which counts for each wait, and must not retry on its own. ``clock`` is for tests.
    Raises ConfigurationError for an unfit client. Operations raise StoreUnavailable, and StoreMisconfigured for a server that
    denies access.
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
        longest = fits(client, redis.Redis, "redis.Redis", timeout)
        self._worth = timeout / 4 if keeps_deadline(client.connection_pool) else longest
        self.client = client
        self._timeout = timeout
        self._calls = Calls(prefix, clock)
        self._inbox: RedisInbox | None = None

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        timeout: float = 1.0,
        pool_size: int = POOL_SIZE,
        prefix: str = "hookguard",
        clock: Callable[[], float] | None = None,
    ) -> RedisStore:
        """Return a store with a client of its own for ``redis://``, ``rediss://`` (TLS) or ``unix://``.

        The client opens at most ``pool_size`` connections. A call waits for a free one within the store's timeout.
        """
        retry = Retry(NoBackoff(), 0)
        options = {**timeouts(timeout), "timeout": timeout, "max_connections": number_of_connections(pool_size)}

        def make(url: str, **options: Any) -> Pool:
            return Pool.from_url(url, connection_class=connection_class(url), **options)

        pool = client_from(make, url, retry=retry, **options)
        return cls(redis.Redis.from_pool(pool), timeout=timeout, prefix=prefix, clock=clock)

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""
        return self._run(self._calls.claim(key, token, fingerprint, lease, retention), read_claim)

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done. Returns True only for the holder of the claim."""
        return self._run(self._calls.complete(key, token, retention, reply), read_yes)

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the claim: the next delivery runs the event."""
        return self._run(self._calls.release(key, token), read_yes)

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim to ``lease`` seconds from now."""
        return self._run(self._calls.extend(key, token, lease), read_yes)

    def purge(self, *, limit: int) -> int:
        """Do nothing: Redis itself deletes expired events."""
        return 0

    def forget(self, key: StoreKey) -> bool:
        """Forget an event in any state, so that it may run again; False while an inbox entry of it is waiting or held."""
        return self._run(self._calls.forget(key), read_yes)

    def inbox(self) -> RedisInbox:
        """Return the inbox in the same server, with the store's prefix. :meth:`check` then checks that the server keeps it."""
        if self._inbox is None:
            from hookguard.stores.redis.inbox import RedisInbox  # noqa: PLC0415 - most applications have none

            self._inbox = RedisInbox(self._calls, self._run)
        return self._inbox

    def check(self) -> list[str]:
        """Check that the server answers, accepts claims, keeps its data, and has the right time; return remarks."""
        inbox = self._inbox
        key, token = check_event()
        self.claim(key, token=token, fingerprint=b"", lease=1.0, retention=1.0)
        self.complete(key, token=token, retention=1.0)
        self.forget(key)

        def ask() -> list[str]:
            before = time.time()
            seconds, microseconds = self.client.time()
            offset = seconds + microseconds / 1e6 - (before + time.time()) / 2
            info: dict[str, Any] = {}
            # A managed server may hide them, and so may one whose user lacks the permission.
            with suppress(redis.ResponseError):
                for section in SECTIONS:
                    info |= self.client.info(section)
            if inbox is None:
                return check_info(info, offset)
            with suppress(redis.ResponseError):
                info |= cast("dict[str, Any]", self.client.config_get("*appendfsync*"))
            return [*inbox.check(info), *check_info(info, offset)]

        remarks = self._tried(ask)
        if inbox is not None:
            inbox.try_out()
        return remarks

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()

    def _run(self, call: Call, read: Callable[[Any], T]) -> T:
        return self._tried(lambda: read(self._once(call)))

    def _once(self, call: Call) -> Any:
        try:
            return self.client.evalsha(call.script.digest, call.keys, *call.arguments)
        except NoScriptError:
            # The server was restarted, or its scripts were flushed. eval stores this script again.
            try:
                return self.client.eval(call.script.text, call.keys, *call.arguments)
            except redis.ResponseError as error:
                if (older := self._calls.without_flags(call, error)) is None:
                    raise
                return self.client.eval(older.script.text, older.keys, *older.arguments)

    def _tried(self, ask: Callable[[], T]) -> T:
        with Within(self._timeout) as ends:
            for left in range(AGAIN, -1, -1):
                try:
                    return ask()
                except HookguardError:
                    raise
                except Exception as error:
                    worth = left and ends - time.monotonic() >= self._worth
                    if worth and ambiguous(error):
                        continue
                    if worth and demoted(error):
                        self._leave_server()
                        continue
                    if not isinstance(error, (redis.RedisError, OSError)):
                        # The answer cannot be parsed, so no further answer of this connection can be trusted.
                        self.client.connection_pool.disconnect()
                    raise translated(error) from error
        raise AssertionError  # the last round returns or raises

    def _leave_server(self) -> None:
        # New connections may reach another server. Connections in use fail on their own.
        pool = self.client.connection_pool
        if isinstance(pool, Pool):
            pool.drop_idle()
        else:
            pool.disconnect()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({where(self.client)})"


class AsyncRedisStore:
    """Claims in the server of a ``redis.asyncio.Redis``. Every operation ends within ``timeout`` seconds."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        client: redis.asyncio.Redis,
        *,
        timeout: float = 1.0,
        prefix: str = "hookguard",
        clock: Callable[[], float] | None = None,
    ) -> None:
        fits(client, redis.asyncio.Redis, "redis.asyncio.Redis", timeout)
        self._worth = timeout / 4
        self._loop: asyncio.AbstractEventLoop | None = None
        self.client = client
        self._timeout = timeout
        self._calls = Calls(prefix, clock)
        self._inbox: AsyncRedisInbox | None = None

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        timeout: float = 1.0,
        pool_size: int = POOL_SIZE,
        prefix: str = "hookguard",
        clock: Callable[[], float] | None = None,
    ) -> AsyncRedisStore:
        """Return a store with a client of its own; see :meth:`RedisStore.from_url`."""
        retry = AsyncRetry(NoBackoff(), 0)
        # Less than the whole timeout, so that the error can name the pool as the cause.
        options = {**timeouts(timeout), "timeout": 0.9 * timeout, "max_connections": number_of_connections(pool_size)}
        pool = client_from(LoopPool.from_url, url, retry=retry, **options)
        return cls(redis.asyncio.Redis.from_pool(pool), timeout=timeout, prefix=prefix, clock=clock)

    async def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""
        return await self._run(self._calls.claim(key, token, fingerprint, lease, retention), read_claim)

    async def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done. Returns True only for the holder of the claim."""
        return await self._run(self._calls.complete(key, token, retention, reply), read_yes)

    async def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the claim: the next delivery runs the event."""
        return await self._run(self._calls.release(key, token), read_yes)

    async def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim to ``lease`` seconds from now."""
        return await self._run(self._calls.extend(key, token, lease), read_yes)

    async def purge(self, *, limit: int) -> int:
        """Do nothing: Redis itself deletes expired events."""
        return 0

    async def forget(self, key: StoreKey) -> bool:
        """Forget an event in any state, so that it may run again; False while an inbox entry of it is waiting or held."""
        return await self._run(self._calls.forget(key), read_yes)

    def inbox(self) -> AsyncRedisInbox:
        """Return the inbox in the same server; see :meth:`RedisStore.inbox`."""
        if self._inbox is None:
            from hookguard.stores.redis.inbox import AsyncRedisInbox  # noqa: PLC0415 - most applications have none

            self._inbox = AsyncRedisInbox(self._calls, self._run)
        return self._inbox

    async def check(self) -> list[str]:
        """Check the server; see :meth:`RedisStore.check`."""
        inbox = self._inbox
        key, token = check_event()
        await self.claim(key, token=token, fingerprint=b"", lease=1.0, retention=1.0)
        await self.complete(key, token=token, retention=1.0)
        await self.forget(key)

        async def ask() -> list[str]:
            before = time.time()
            seconds, microseconds = await self.client.time()
            offset = seconds + microseconds / 1e6 - (before + time.time()) / 2
            info: dict[str, Any] = {}
            with suppress(redis.ResponseError):
                for section in SECTIONS:
                    info |= await self.client.info(section)
            if inbox is None:
                return check_info(info, offset)
            with suppress(redis.ResponseError):
                info |= cast("dict[str, Any]", await self.client.config_get("*appendfsync*"))
            return [*inbox.check(info), *check_info(info, offset)]

        remarks = await self._tried(ask)
        if inbox is not None:
            await inbox.try_out()
        return remarks

    async def close(self) -> None:
        """Close the client's connections."""
        self._move_to_this_loop()
        await self.client.aclose()

    async def _run(self, call: Call, read: Callable[[Any], T]) -> T:
        async def ask() -> T:
            return read(await self._once(call))

        return await self._tried(ask)

    async def _once(self, call: Call) -> Any:
        try:
            return await self.client.evalsha(call.script.digest, call.keys, *call.arguments)
        except NoScriptError:  # as above
            try:
                return await self.client.eval(call.script.text, call.keys, *call.arguments)
            except redis.ResponseError as error:
                if (older := self._calls.without_flags(call, error)) is None:
                    raise
                return await self.client.eval(older.script.text, older.keys, *older.arguments)

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
                worth = left and ends - time.monotonic() >= self._worth
                if worth and ambiguous(error):
                    continue
                if worth and demoted(error):
                    await self.client.connection_pool.disconnect(inuse_connections=False)  # as above
                    continue
                if not isinstance(error, (redis.RedisError, OSError)):
                    await self.client.connection_pool.disconnect()  # as above
                raise translated(error) from error
        raise AssertionError  # the last round returns or raises

    def _move_to_this_loop(self) -> None:
        # Connections belong to the loop that made them. Tests run one loop after another.
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is not None:
            if not self._loop.is_closed():
                raise StoreMisconfigured("this store is used on two event loops concurrently: make one store for each")
            self.client.connection_pool.reset()  # type: ignore[no-untyped-call]
        self._loop = loop

    def __repr__(self) -> str:
        return f"{type(self).__name__}({where(self.client)})"
