"""Claims in this process's memory: for tests, and for services of one process that may forget at a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from struct import Struct
from typing import Final

from hookguard.errors import ConfigurationError, StoreUnavailable
from hookguard.process.locks import Lock
from hookguard.process.server import declared_workers
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey

__all__ = ["MemoryStore"]

_RELEASED: Final = 0
_IN_PROGRESS: Final = 1
_DONE: Final = 2
_DONE_WITH_REPLY: Final = 3

# A row is bytes under a text, because the garbage collector walks neither. With an object for each row and a tuple for each
# key it stopped the process for 64 ms at 10^5 events and up to 1 s at 10^6 (benchmarks/memory.py).
#: expires_at, lease_until, attempt, state, and the lengths of the token and the fingerprint; these two and the reply follow.
_HEAD: Final = Struct("ddQBII")
_EXPIRES_AT: Final = Struct("d")
_START: Final = _HEAD.size

#: Events in one table of a full store. A table that is swept or grows stops the process for about 1 ms.
_TABLE: Final = 8_000
#: After this many new events, expired events of one table are deleted: 0.4 us for each new event.
_SWEEP_EVERY: Final = 2048

_ACQUIRED: Final = Claim(ClaimStatus.ACQUIRED)


class MemoryStore:
    """At most ``max_entries`` claims in dicts behind one lock.

    If all of them are live claims, a new event gets StoreUnavailable: an event that is forgotten to make room could run
    again. Expired events are deleted in steps, so that no claim waits for more than a few milliseconds.
    Raises ConfigurationError if the environment configures several worker processes, because each would have its own memory;
    ``single_process=True`` allows it. ``clock`` returns monotonic seconds.
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
                f"{workers} worker processes are configured and each would have its own memory, so events would be handled more"
                " than once: use SQLiteStore, which processes share, or set single_process=True",
                check="M5",
            )
        self._max_entries = max_entries
        self._clock = clock
        self._lock = Lock()
        # An odd number: a power of two would choose the table by the same bits of the hash as the place in it.
        self._tables: list[dict[str, bytes]] = [{} for _ in range(max_entries // _TABLE | 1)]
        self._count = 0
        self._new = 0  #: events claimed for the first time
        self._turn = 0  #: the table to sweep next
        self._in_vain = 0  #: tables swept in a row without finding an expired event
        self._full_until = float("-inf")

    def claim(self, key: StoreKey, *, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Claim:
        """Claim the event. Raises StoreUnavailable if there is no room for it."""
        now = self._clock()
        name, table = self._place(key)
        with self._lock.get():
            row = table.get(name)
            if row is None:
                if self._count >= self._max_entries:
                    self._make_room(now)
                self._count += 1
                self._new += 1
                if self._new % _SWEEP_EVERY == 0:
                    self._sweep(now)
            elif _EXPIRES_AT.unpack_from(row)[0] > now:
                return self._claim_again(table, name, row, token, fingerprint, now, lease, retention)
            until = now + lease
            head = _HEAD.pack(until + retention, until, 1, _IN_PROGRESS, len(token), len(fingerprint))
            table[name] = head + token + fingerprint
            return _ACQUIRED

    @staticmethod
    def _claim_again(
        table: dict[str, bytes],
        name: str,
        row: bytes,
        token: bytes,
        fingerprint: bytes,
        now: float,
        lease: float,
        retention: float,
    ) -> Claim:
        _, lease_until, attempt, state, holder, first, reply = _read(row)
        same = first == fingerprint
        if state >= _DONE:
            return Claim(ClaimStatus.DONE, attempt, 0.0, same, reply if state == _DONE_WITH_REPLY else None)
        if state == _IN_PROGRESS and holder == token:
            return Claim(ClaimStatus.ACQUIRED, attempt, 0.0, same)
        if state == _IN_PROGRESS and lease_until > now:
            return Claim(ClaimStatus.IN_PROGRESS, attempt, lease_until - now, same)
        table[name] = _write(now + lease + retention, now + lease, attempt + 1, _IN_PROGRESS, token, first)
        return Claim(ClaimStatus.ACQUIRED, attempt + 1, 0.0, same)

    def complete(self, key: StoreKey, *, token: bytes, retention: float, reply: bytes | None = None) -> bool:
        """Mark the event as done. Returns True only for the holder of the claim."""
        now = self._clock()
        name, table = self._place(key)
        with self._lock.get():
            row = table.get(name)
            if row is None:
                return False
            # Not _read and _write, with which complete took half as long again.
            expires_at, lease_until, attempt, state, holder, first = _HEAD.unpack_from(row)
            if row[_START : _START + holder] != token or expires_at <= now or state == _RELEASED:
                return False
            if state == _IN_PROGRESS:
                done, stored = (_DONE, b"") if reply is None else (_DONE_WITH_REPLY, reply)
                head = _HEAD.pack(now + retention, lease_until, attempt, done, holder, first)
                table[name] = head + row[_START:] + stored
            return True

    def release(self, key: StoreKey, *, token: bytes) -> bool:
        """Release the claim: the next delivery runs the event."""
        now = self._clock()
        name, table = self._place(key)
        with self._lock.get():
            expires_at, _, attempt, state, holder, first, _ = _read(table.get(name, _NOTHING))
            if state != _IN_PROGRESS or holder != token or expires_at <= now:
                return False
            table[name] = _write(expires_at, now, attempt, _RELEASED, token, first)
            return True

    def extend(self, key: StoreKey, *, token: bytes, lease: float) -> bool:
        """Extend the claim to ``lease`` seconds from now."""
        now = self._clock()
        name, table = self._place(key)
        with self._lock.get():
            expires_at, lease_until, attempt, state, holder, first, _ = _read(table.get(name, _NOTHING))
            if state != _IN_PROGRESS or holder != token or expires_at <= now:
                return False
            table[name] = _write(now + lease + expires_at - lease_until, now + lease, attempt, state, token, first)
            return True

    def purge(self, *, limit: int) -> int:
        """Delete at most ``limit`` expired events, one table after the other: a claim waits for one of them at most."""
        deleted, now = 0, self._clock()
        for table in self._tables:
            if deleted >= limit:
                break
            with self._lock.get():
                deleted += self._purge(table, now, limit - deleted)
        return deleted

    def forget(self, key: StoreKey) -> bool:
        """Forget an event in any state, so that it may run again."""
        name, table = self._place(key)
        with self._lock.get():
            if table.pop(name, None) is None:
                return False
            self._count -= 1
            return True

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"MemoryStore({self._count} of {self._max_entries} events)"

    def _place(self, key: StoreKey) -> tuple[str, dict[str, bytes]]:
        name = f"{len(key.scope)}:{key.scope}{key.id}"
        return name, self._tables[hash(name) % len(self._tables)]

    def _purge(self, table: dict[str, bytes], now: float, limit: int) -> int:
        expired = [name for name, row in table.items() if _EXPIRES_AT.unpack_from(row)[0] <= now][:limit]
        for name in expired:
            del table[name]
        self._count -= len(expired)
        return len(expired)

    def _sweep(self, now: float) -> int:
        """Delete what has expired in the table whose turn it is."""
        table = self._tables[self._turn]
        self._turn = (self._turn + 1) % len(self._tables)
        return self._purge(table, now, len(table))

    def _make_room(self, now: float) -> None:
        # Four tables take about 4 ms, so one claim sweeps no more. If nothing has expired in any table, the next sweep is at
        # least a second later.
        if now >= self._full_until:
            for _ in range(min(4, len(self._tables))):
                if self._sweep(now):
                    self._in_vain = 0
                    return
                self._in_vain += 1
            if self._in_vain >= len(self._tables):
                self._in_vain, self._full_until = 0, now + 1
        raise StoreUnavailable(
            f"the memory store is full ({self._max_entries} events), and no event has expired:"
            " raise max_entries, or use a store on disk"
        )


def _write(expires_at: float, lease_until: float, attempt: int, state: int, token: bytes, fingerprint: bytes) -> bytes:
    return _HEAD.pack(expires_at, lease_until, attempt, state, len(token), len(fingerprint)) + token + fingerprint


def _read(row: bytes) -> tuple[float, float, int, int, bytes, bytes, bytes]:
    """Return a row's values: expires_at, lease_until, attempt, state, token, fingerprint, reply."""
    expires_at, lease_until, attempt, state, token, fingerprint = _HEAD.unpack_from(row)
    middle = _START + token
    end = middle + fingerprint
    return expires_at, lease_until, attempt, state, row[_START:middle], row[middle:end], row[end:]


#: The row of an event that nobody has claimed.
_NOTHING: Final = _write(float("-inf"), 0.0, 0, _RELEASED, b"", b"")
