"""Claims in Django's cache, over Redis or Memcached alone.

The cache API has one atomic step, ``add``. A change of an entry is made by whoever wins the ``add`` of a second key that is
named after the entry's version, so that of two workers who want to change the same state one does. A worker that stops
between the two steps frees its turn after some seconds; one that merely pauses there for longer can overwrite another's
claim, and the event may run twice. The Redis store has no such gap: use that where you can.

Other backends are refused, because they lose events: the database cache answers "exists" while the database is locked, the
local-memory and database caches forget beyond 300 entries, and the file cache lets several win.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache, InvalidCacheBackendError

from hookguard.errors import StoreError, StoreMisconfigured, StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.statements import seen

__all__ = ["CacheStore"]

_SERVERS = ("RedisCache", "ValkeyCache", "PyMemcacheCache", "PyLibMCCache")
_TURN = 10  # seconds that a worker may take between winning a change and writing it
_ROUNDS = 20


class _Entry(NamedTuple):
    """What the cache holds for an event."""

    state: int
    token: bytes
    fingerprint: bytes
    lease_until: float
    expires_at: float
    attempt: int
    reply: bytes | None
    version: str


class CacheStore:
    """Claims in the cache ``alias`` of ``CACHES``. Raises StoreMisconfigured, with the reason, for a backend that loses events.

    Leases are judged by the clocks of the hosts, which must agree to within a few seconds. ``clock`` is for tests.
    """

    capabilities = Capabilities(durable=False, shared=True, transactional=False, may_forget=True, clock="client", blocking=True)

    def __init__(self, alias: str = "default", *, clock: Callable[[], float] = time.time) -> None:
        self.alias = alias
        self._clock = clock
        self._checked = False

    def check(self) -> None:
        """Raise StoreMisconfigured unless the backend is one that keeps what it is given."""
        try:
            cache = caches[self.alias]
        except InvalidCacheBackendError as error:
            raise StoreMisconfigured(f"CACHES has no usable {self.alias!r}: {error}") from error
        names = {kind.__name__ for kind in type(cache).__mro__}
        if names.isdisjoint(_SERVERS):
            raise StoreMisconfigured(
                f"the cache {self.alias!r} is a {type(cache).__name__}, which loses events: the database cache answers 'exists'"
                " while its database is locked, the local-memory and database caches forget beyond MAX_ENTRIES (300), and the"
                " file cache lets several workers win. Use a Redis or Memcached backend, or leave STORE out"
            )
        self._checked = True

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event."""

        def attempt(cache: BaseCache, name: str) -> Claim | None:
            now = self._clock()
            first = _Entry(1, token, fingerprint, now + lease, now + lease + retention, 1, None, secrets.token_hex(8))
            if cache.add(name, tuple(first), self._keep(first)):
                return Claim(ClaimStatus.ACQUIRED)
            entry = self._entry(cache, name)
            if entry is None:
                return None  # gone in between, or a cache that swallows its errors: ask again
            if found := seen((*entry[:7], now), token, fingerprint):
                return found
            if entry.expires_at > now:
                first = first._replace(fingerprint=entry.fingerprint, attempt=entry.attempt + 1)
            if not self._change(cache, name, entry, first):
                return None
            return Claim(ClaimStatus.ACQUIRED, first.attempt, 0.0, first.fingerprint == fingerprint)

        return self._tried(key, attempt)  # type: ignore[no-any-return]

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done; True only for the holder of the claim."""

        def attempt(cache: BaseCache, name: str) -> bool | None:
            entry, now = self._entry(cache, name), self._clock()
            if entry is None or entry.token != token or entry.expires_at <= now or entry.state == 0:
                return False
            if entry.state == 2:
                return True
            return self._change(cache, name, entry, entry._replace(state=2, reply=reply, expires_at=now + retention)) or None

        return bool(self._tried(key, attempt))

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""

        def attempt(cache: BaseCache, name: str) -> bool | None:
            entry, now = self._entry(cache, name), self._clock()
            if entry is None or not _holds(entry, token, now):
                return False
            return self._change(cache, name, entry, entry._replace(state=0, lease_until=now)) or None

        return bool(self._tried(key, attempt))

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim for ``lease`` seconds from now."""

        def attempt(cache: BaseCache, name: str) -> bool | None:
            entry, now = self._entry(cache, name), self._clock()
            if entry is None or not _holds(entry, token, now):
                return False
            kept = entry.expires_at - entry.lease_until
            longer = entry._replace(lease_until=now + lease, expires_at=now + lease + kept)
            return self._change(cache, name, entry, longer) or None

        return bool(self._tried(key, attempt))

    def purge(self, *, limit: int) -> int:
        """Do nothing: the server lets entries expire."""
        return 0

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state."""
        return bool(self._tried(key, lambda cache, name: bool(cache.delete(name))))

    def _tried(self, key: StoreKey, attempt: Callable[[BaseCache, str], Any]) -> Any:
        """Attempt until somebody's change is through; None means that another's came in between."""
        try:
            if not self._checked:
                self.check()
            name = f"hookguard:{key.idempotency_key}"
            for turn in range(_ROUNDS):
                found = attempt(caches[self.alias], name)
                if found is not None:
                    return found
                time.sleep(0.001 * turn)
        except StoreError as error:
            # It could be used when the application started, or nobody looked.
            raise StoreUnavailable(str(error)) from error
        except Exception as error:  # whatever the backend's client raises
            raise StoreUnavailable(f"the cache {self.alias!r} cannot answer ({type(error).__name__}: {error})") from error
        raise StoreUnavailable(f"the cache {self.alias!r} neither keeps the event nor says that it does")

    def _entry(self, cache: BaseCache, name: str) -> _Entry | None:
        found = cache.get(name)
        return None if found is None else _Entry(*found)

    def _change(self, cache: BaseCache, name: str, old: _Entry, new: _Entry) -> bool:
        if not cache.add(f"{name}:{old.version}", 1, _TURN):
            return False
        new = new._replace(version=secrets.token_hex(8))
        cache.set(name, tuple(new), self._keep(new))
        return True

    def _keep(self, entry: _Entry) -> int:
        return max(1, math.ceil(entry.expires_at - self._clock()) + 1)

    def __repr__(self) -> str:
        return f"CacheStore({self.alias!r})"


def _holds(entry: _Entry, token: bytes, now: float) -> bool:
    return entry.token == token and entry.state == 1 and entry.expires_at > now
