"""Claims in Memcached through the client of Django's PyMemcacheCache: ``add`` for a new entry, ``cas`` for every change.

``cas`` writes only if the entry has not changed since it was read. So each operation is one atomic step, and is retried if
another worker's step came in between. An entry is JSON, not a pickle. Memcached keeps nothing on disk, and a full server
evicts entries that were not used for long. A forgotten event may run again, but none is lost.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, NamedTuple, TypeGuard

from django.core.cache import caches

from hookguard.errors import StoreError, StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.fitness import Problem
from hookguard.stores.statements import claim_from_row

__all__ = ["MemcachedClaims"]

_ROUNDS = 100


class _Entry(NamedTuple):
    """The cache's entry of an event."""

    state: int
    token: bytes
    fingerprint: bytes
    lease_until: float
    expires_at: float
    attempt: int
    reply: bytes | None

    def to_bytes(self) -> bytes:
        plain = [b64encode(value).decode() if isinstance(value, bytes) else value for value in self]
        return json.dumps(plain, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, found: bytes) -> _Entry:
        state, token, fingerprint, lease_until, expires_at, attempt, reply = json.loads(found)
        kept = None if reply is None else b64decode(reply)
        return cls(state, b64decode(token), b64decode(fingerprint), lease_until, expires_at, attempt, kept)


class MemcachedClaims:
    """Claims in the Memcached of the cache ``alias``; ``clock`` is the host's, which decides when leases end."""

    capabilities = Capabilities(durable=False, shared=True, transactional=False, may_forget=True, clock="client", blocking=True)

    def __init__(self, alias: str, clock: Callable[[], float]) -> None:
        self._alias = alias
        self._clock = clock

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event."""

        def attempt(at: _At) -> Claim | None:
            now = self._clock()
            first = _Entry(1, token, fingerprint, now + lease, now + lease + retention, 1, None)
            if at.add(first, now):
                return Claim(ClaimStatus.ACQUIRED)
            entry = at.get()
            if entry is None:
                return None  # the entry expired in between
            if found := claim_from_row((*entry, now), token, fingerprint):
                return found
            if entry.expires_at > now:
                first = first._replace(fingerprint=entry.fingerprint, attempt=entry.attempt + 1)
            if not at.change(first, now):
                return None
            return Claim(ClaimStatus.ACQUIRED, first.attempt, 0.0, first.fingerprint == fingerprint)

        return self._tried(key, attempt)  # type: ignore[no-any-return]

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done. Returns True only for the holder of the claim."""

        def attempt(at: _At) -> bool | None:
            entry, now = at.get(), self._clock()
            if entry is None or entry.token != token or entry.expires_at <= now or entry.state == 0:
                return False
            return entry.state == 2 or at.change(entry._replace(state=2, reply=reply, expires_at=now + retention), now) or None

        return bool(self._tried(key, attempt))

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the claim: the next delivery runs the event."""

        def attempt(at: _At) -> bool | None:
            entry, now = at.get(), self._clock()
            if not _holds(entry, token, now):
                return False
            return at.change(entry._replace(state=0, lease_until=now), now) or None

        return bool(self._tried(key, attempt))

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim to ``lease`` seconds from now."""

        def attempt(at: _At) -> bool | None:
            entry, now = at.get(), self._clock()
            if not _holds(entry, token, now):
                return False
            kept = entry.expires_at - entry.lease_until
            return at.change(entry._replace(lease_until=now + lease, expires_at=now + lease + kept), now) or None

        return bool(self._tried(key, attempt))

    def purge(self, *, limit: int) -> int:
        """Do nothing: entries expire in the server."""
        return 0

    def forget(self, key: StoreKey) -> bool:
        """Forget an event in any state, so that it may run again."""

        def attempt(at: _At) -> bool | None:
            # Read first: a deletion cannot distinguish a server that does not answer from a missing event.
            return False if at.get() is None else at.delete() or None

        return bool(self._tried(key, attempt))

    def check(self) -> list[str]:
        """Check that every server answers and has evicted nothing; return remarks."""
        remarks: list[str] = []
        try:
            cache: Any = caches[self._alias]
            client = cache._cache
            options = client.default_kwargs
            if not options.get("timeout") or not options.get("connect_timeout"):
                remarks.append(
                    f"the cache {self._alias!r} has no timeout, so a server that hangs blocks the worker for ever: set"
                    ' "OPTIONS": {"timeout": 1, "connect_timeout": 1}'
                )
            for name, server in client.clients.items():
                evictions = int(server.stats().get(b"evictions", 0))
                if evictions:
                    evicted = (
                        f"the Memcached {name} has evicted {evictions} entries: handled events may be among them, and would run"
                        " again. Give it more memory, or use another store"
                    )
                    remarks.append(Problem(evicted, "M6"))
        except Exception as error:  # the client raises errors of many kinds
            raise self._unavailable(error) from error
        return remarks

    def _tried(self, key: StoreKey, attempt: Callable[[_At], Any]) -> Any:
        """Repeat ``attempt`` while it returns None, which means that another worker's change came in between."""
        try:
            at = _At(caches[self._alias], f"hookguard:{key.idempotency_key}")
            for _ in range(_ROUNDS):
                found = attempt(at)
                if found is not None:
                    return found
        except StoreError:
            raise
        except Exception as error:  # the client raises errors of many kinds
            raise self._unavailable(error) from error
        raise StoreUnavailable(f"the cache {self._alias!r} neither stores the event nor reports that it has it")

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"the cache {self._alias!r} cannot answer ({type(error).__name__}: {error})")


class _At:
    """One event's key in the cache, and the version of the last read."""

    def __init__(self, cache: Any, name: str) -> None:
        self._cache = cache
        self._client = cache._cache
        self._name = cache.make_and_validate_key(name)
        self._version: Any = None

    def add(self, entry: _Entry, now: float) -> bool:
        return self._client.add(self._name, entry.to_bytes(), self._keep(entry, now), noreply=False) is True

    def get(self) -> _Entry | None:
        answer = self._client.gets(self._name)
        if answer is None:
            # pymemcache has given the server up. A missing event is (None, None).
            raise StoreUnavailable("the Memcached that holds this event does not answer")
        found, self._version = answer
        if found is None:
            return None
        try:
            return _Entry.from_bytes(found)
        except (ValueError, TypeError) as error:
            raise StoreUnavailable("another program uses the event's key for other data") from error

    def change(self, entry: _Entry, now: float) -> bool:
        return self._client.cas(self._name, entry.to_bytes(), self._version, self._keep(entry, now), noreply=False) is True

    def delete(self) -> bool:
        return self._client.delete(self._name, noreply=False) is True

    def _keep(self, entry: _Entry, now: float) -> int:
        # Memcached reads more than 30 days as a date. Django's method converts it.
        keep: int = self._cache.get_backend_timeout(max(1, math.ceil(entry.expires_at - now) + 1))
        return keep


def _holds(entry: _Entry | None, token: bytes, now: float) -> TypeGuard[_Entry]:
    return entry is not None and entry.token == token and entry.state == 1 and entry.expires_at > now
