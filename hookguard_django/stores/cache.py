"""Claims in the server of Django's cache, Redis or Memcached, with the server's own atomic steps.

The cache API has no compare-and-set, so claims bypass it. In Redis the Redis store's scripts make them, on a client of their
own. In Memcached every change is a ``cas`` on the cache's client.

Other backends are rejected, because they lose events. The database cache answers "exists" while the database is locked. The
local-memory and database caches forget beyond 300 entries. The file cache lets several workers claim the same event.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Union

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache, InvalidCacheBackendError

from hookguard.errors import StoreMisconfigured
from hookguard.store import Capabilities, Claim, StoreKey
from hookguard_django.stores.memcached import MemcachedClaims

if TYPE_CHECKING:
    from hookguard.stores.redis import RedisStore

__all__ = ["CacheStore"]

_REDIS = "django.core.cache.backends.redis.RedisCache"
_DJANGO_REDIS = "django_redis.cache.RedisCache"
_MEMCACHED = "django.core.cache.backends.memcached.PyMemcacheCache"

_Claims = Union["RedisStore", MemcachedClaims]


class CacheStore:
    """Claims in the server of the cache ``alias`` of ``CACHES``. For Redis, ``RedisStore`` with its URL does the same.

    ``timeout`` is how many seconds an answer of Redis may take; Memcached's timeout is set in CACHES. Clearing the cache
    forgets every claim. For a backend that loses events, operations raise StoreMisconfigured with the reason. ``clock`` is for
    tests.
    """

    def __init__(self, alias: str = "default", *, timeout: float = 1.0, clock: Callable[[], float] | None = None) -> None:
        self.alias = alias
        self._timeout = timeout
        self._clock = clock
        self._made: _Claims | None = None

    @property
    def capabilities(self) -> Capabilities:
        """The promises of this store."""
        return self.claims.capabilities

    @property
    def claims(self) -> _Claims:
        """The store that does the work, not yet connected. Raises StoreMisconfigured for a backend that loses events."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""
        return self.claims.claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done. Returns True only for the holder of the claim."""
        return self.claims.complete(key, token=token, retention=retention, reply=reply)

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the claim: the next delivery runs the event."""
        return self.claims.release(key, token=token)

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim to ``lease`` seconds from now."""
        return self.claims.extend(key, token=token, lease=lease)

    def purge(self, *, limit: int) -> int:
        """Do nothing: the server itself deletes expired events."""
        return 0

    def forget(self, key: StoreKey) -> bool:
        """Forget an event in any state, so that it may run again."""
        return self.claims.forget(key)

    def check(self) -> list[str]:
        """Check that the server answers and keeps its data; return remarks.

        Raises StoreUnavailable if it cannot be reached, and StoreMisconfigured if it must not be used as it is.
        """
        return self.claims.check()

    def _make(self) -> _Claims:
        try:
            cache = caches[self.alias]
        except InvalidCacheBackendError as error:
            raise StoreMisconfigured(f"CACHES has no usable {self.alias!r}: {error}") from error
        kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(cache).__mro__}
        if _MEMCACHED in kinds:
            return MemcachedClaims(self.alias, self._clock or time.time)
        if _REDIS in kinds or _DJANGO_REDIS in kinds:
            return self._redis(cache, django_redis=_DJANGO_REDIS in kinds)
        if any(kind.startswith("django.core.cache.backends.memcached.") for kind in kinds):
            raise StoreMisconfigured(
                f"the cache {self.alias!r} is a {type(cache).__name__}, which is not tested for claims: use PyMemcacheCache"
            )
        raise StoreMisconfigured(
            f"the cache {self.alias!r} is a {type(cache).__name__}, which loses events: the database cache answers 'exists'"
            " while its database is locked, the local-memory and database caches forget beyond MAX_ENTRIES (300), and the file"
            " cache lets several workers claim an event. Use Django's RedisCache or PyMemcacheCache, or leave STORE out",
            check="M6",
        )

    def _redis(self, cache: Any, *, django_redis: bool) -> RedisStore:
        # Imported here, because redis-py is an extra.
        from redis import Redis, SSLConnection, UnixDomainSocketConnection  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        from hookguard.stores.redis import RedisStore  # noqa: PLC0415
        from hookguard.stores.redis.connections import Pool, connection_class  # noqa: PLC0415

        try:
            theirs = cache.client.get_client(write=True) if django_redis else cache._cache.get_client(write=True)
            pool = theirs.connection_pool
        except (AttributeError, TypeError, NotImplementedError) as error:
            raise StoreMisconfigured(
                f"the cache {self.alias!r} is spread over several Redis servers in a way that claims cannot follow"
                f' ({type(error).__name__}): give a Redis of its own, "STORE": "redis://…"'
            ) from error
        # The cache's client may wait for ever and retry on its own. A web worker must not, so the store has its own client.
        own = {"socket_timeout": self._timeout / 2, "socket_connect_timeout": self._timeout / 2, "decode_responses": False}
        options = {**pool.connection_kwargs, **own, "retry": Retry(NoBackoff(), 0), "retry_on_timeout": False}
        schemes = {SSLConnection: "rediss", UnixDomainSocketConnection: "unix"}
        scheme = next((name for kind, name in schemes.items() if issubclass(pool.connection_class, kind)), "redis")
        kind = connection_class(f"{scheme}://")
        lending = Pool(timeout=self._timeout, connection_class=kind, **options)  # type: ignore[no-untyped-call]
        client = Redis.from_pool(lending)
        return RedisStore(client, timeout=self._timeout, prefix=_prefix(cache), clock=self._clock)

    def __repr__(self) -> str:
        return f"CacheStore({self.alias!r})"


def _prefix(cache: BaseCache) -> str:
    """Return a prefix under the cache's own, so that two projects can share one server."""
    name: str = cache.make_key("hookguard")
    return name
