"""Claims in this process's memory: for tests, and for services that are one process and may forget at a restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Final

from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.workers import declared_workers

__all__ = ["MemoryStore"]

_RELEASED: Final = 0
_IN_PROGRESS: Final = 1
_DONE: Final = 2


class _Row:
    __slots__ = ("attempt", "expires_at", "fingerprint", "lease_until", "reply", "state", "token")

    def __init__(self, token: bytes, fingerprint: bytes, lease_until: float, expires_at: float) -> None:
        self.state = _IN_PROGRESS
        self.token = token
        self.fingerprint = fingerprint
        self.lease_until = lease_until
        self.expires_at = expires_at
        self.attempt = 1
        self.reply: bytes | None = None


class MemoryStore:
    """At most ``max_entries`` claims in a dict behind one lock.

    When it is full of claims that have not expired, a new event gets StoreUnavailable: making room by forgetting one
    would run that one again. Raises ConfigurationError when the environment says that several worker processes will
    serve (each would have its own memory), unless ``single_process=True``. ``clock`` is any monotonic count of seconds.
    """

    capabilities = Capabilities(
        durable=False, shared=False, transactional=False, may_forget=False, clock="client", blocking=False
    )

    def __init__(
        self,
        max_entries: int = 100_000,
        *,
        single_process: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_entries < 1:
            raise ConfigurationError(f"max_entries is {max_entries}: a memory store needs room for at least one event")
        if not single_process and (workers := declared_workers()) > 1:
            raise ConfigurationError(
                f"{workers} worker processes are configured and each would keep a memory of its own, so events would be"
                " handled more than once: use SQLiteStore, which processes share, or say single_process=True"
            )
        self._max_entries = max_entries
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[StoreKey, _Row] = {}
        self._full_until = float("-inf")

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Ask for the event; StoreUnavailable when there is no room for another."""
        now = self._clock()
        with self._lock:
            row = self._rows.get(key)
            if row is None or row.expires_at <= now:
                if row is None and len(self._rows) >= self._max_entries:
                    self._make_room(now)
                self._rows[key] = _Row(token, fingerprint, now + lease, now + lease + retention)
                return Claim(ClaimStatus.ACQUIRED)
            same = row.fingerprint == fingerprint
            if row.state == _DONE:
                return Claim(ClaimStatus.DONE, row.attempt, 0.0, same, row.reply)
            if row.state == _IN_PROGRESS and row.token == token:
                return Claim(ClaimStatus.ACQUIRED, row.attempt, 0.0, same)
            if row.state == _IN_PROGRESS and row.lease_until > now:
                return Claim(ClaimStatus.IN_PROGRESS, row.attempt, row.lease_until - now, same)
            row.state = _IN_PROGRESS
            row.token = token
            row.attempt += 1
            row.lease_until = now + lease
            row.expires_at = now + lease + retention
            return Claim(ClaimStatus.ACQUIRED, row.attempt, 0.0, same)

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Remember the event as done; True only for the holder of the claim."""
        now = self._clock()
        with self._lock:
            row = self._held(key, token, now)
            if row is None:
                return False
            if row.state == _IN_PROGRESS:
                row.state, row.reply, row.expires_at = _DONE, reply, now + retention
            return row.state == _DONE

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Give the event back."""
        now = self._clock()
        with self._lock:
            row = self._held(key, token, now)
            if row is None or row.state != _IN_PROGRESS:
                return False
            row.state, row.lease_until = _RELEASED, now
            return True

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Hold the claim for ``lease`` seconds from now."""
        now = self._clock()
        with self._lock:
            row = self._held(key, token, now)
            if row is None or row.state != _IN_PROGRESS:
                return False
            retention = row.expires_at - row.lease_until
            row.lease_until = now + lease
            row.expires_at = row.lease_until + retention
            return True

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events."""
        with self._lock:
            return self._purge(self._clock(), limit)

    def forget(self, key: StoreKey) -> bool:
        """Forget an event, whatever its state."""
        with self._lock:
            return self._rows.pop(key, None) is not None

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._rows)} of {self._max_entries} events)"

    def _held(self, key: StoreKey, token: bytes, now: float) -> _Row | None:
        row = self._rows.get(key)
        return row if row is not None and row.token == token and row.expires_at > now else None

    def _purge(self, now: float, limit: int) -> int:
        expired = list(islice((key for key, row in self._rows.items() if row.expires_at <= now), limit))
        for key in expired:
            del self._rows[key]
        return len(expired)

    def _make_room(self, now: float) -> None:
        # Looking through everything takes milliseconds: when it was in vain, not again within a second.
        if now >= self._full_until and self._purge(now, self._max_entries):
            return
        self._full_until = now + 1 if now >= self._full_until else self._full_until
        raise StoreUnavailable(
            f"the memory store holds its {self._max_entries} events and none has expired:"
            " raise max_entries or use a store on disk"
        )
