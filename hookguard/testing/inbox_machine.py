"""A Hypothesis state machine that runs an inbox beside a model of its contract and compares every answer and every state.

::

    TestMyInboxMachine = inbox_machine(lambda clock: MyStore(clock=clock)).TestCase
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hookguard.inbox.contract import CRASHES, EntryState, Held, Kept, Lane, Put, PutStatus
from hookguard.inbox.settings import InboxSettings
from hookguard.store import StoreKey
from hookguard.testing.clock import FrozenClock

__all__ = ["inbox_machine"]

WAITING, HELD, DONE, DEAD = EntryState.WAITING, EntryState.HELD, EntryState.DONE, EntryState.DEAD

LANE = Lane("pay")
#: Each event with its line: three share one, one has none.
LINES = {StoreKey("s", "1"): "a" * 64, StoreKey("s", "2"): "a" * 64, StoreKey("s", "3"): "a" * 64, StoreKey("s", "4"): None}
KEYS = list(LINES)
BY_ID = {key.idempotency_key: key for key in KEYS}
FINGERPRINTS = [b"\x01" * 32, b"\x02" * 32]
RETENTION = 100.0
SETTINGS = {keep: InboxSettings(tries=3, first=8.0, longest_wait=64.0, keep=keep, keep_dead=120.0) for keep in (0.0, 40.0)}
USUAL = SETTINGS[40.0]
LEASE = 30.0
# Never the very instant at which something ends: stores may round it either way.
_TICKS = st.sampled_from([0.25, 4.5, 31.75, 60.25, 260.5])


def _one_of_each(*choices: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(list(product(*choices)))


@dataclass
class _Entry:
    """The model's memory of one entry; written from the contract's table, not from any inbox."""

    seq: int
    state: EntryState = WAITING
    due: float | None = 0.0
    token: bytes | None = None  #: the holder's, or that of the completion
    attempt: int = 0
    crashes: int = 0
    prune_at: float | None = None


@dataclass
class _Key:
    """The model's memory of an event's key; ``until`` is None as long as it has no end."""

    fingerprint: bytes
    until: float | None = None


class _InboxMachine(RuleBasedStateMachine):
    def make_store(self, clock: FrozenClock) -> Any:
        """Return a new store with a blocking inbox, which reads ``clock``."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.clock = FrozenClock()
        self.store = self.make_store(self.clock)
        self.inbox = self.store.inbox()
        self.keys: dict[StoreKey, _Key] = {}
        self.entries: dict[StoreKey, _Entry] = {}
        self.tokens: dict[StoreKey, list[bytes]] = {key: [b"nobody's token 0"] for key in KEYS}
        self.stored = 0

    # --- put

    @rule(asked=_one_of_each([KEYS[:1], KEYS[1:2], KEYS[2:], KEYS], FINGERPRINTS, [True, False]))
    def put(self, asked: tuple[list[StoreKey], bytes, bool]) -> None:
        keys, fingerprint, other = asked
        events = [
            Kept(
                key=key,
                endpoint=LANE.endpoint,
                event_type="t",
                head='{"v":1}',
                body=b"body",
                fingerprint=fingerprint,
                takes_other_body=other,
                retention=RETENTION,
                line=LINES[key],
            )
            for key in keys
        ]
        expected = [self._put(key, fingerprint, other=other) for key in keys]
        assert self.inbox.put(events) == expected

    def _put(self, key: StoreKey, fingerprint: bytes, *, other: bool) -> Put:
        now, known, entry = self.clock.now, self.keys.get(key), self.entries.get(key)
        if known is None or (known.until is not None and known.until <= now):
            self.stored += 1
            self.keys[key] = _Key(fingerprint)
            self.entries[key] = _Entry(self.stored, due=now)
            return Put(PutStatus.STORED)
        same = known.fingerprint == fingerprint
        if entry is not None and entry.state == DEAD and (same or other):
            self.entries[key] = _Entry(entry.seq, due=now)
            return Put(PutStatus.AGAIN, same)
        return Put(PutStatus.KNOWN, same)

    # --- take

    @rule(limit=st.sampled_from([1, 2, 10]))
    def take(self, limit: int) -> None:
        now = self.clock.now
        were_held = [key for key, entry in self.entries.items() if entry.state == HELD]
        looked = any(self._lapsed(entry) or self._may_run(key, entry) for key, entry in self.entries.items())
        assert self.inbox.due([LANE]) is looked
        if looked:
            for key, entry in self.entries.items():
                self._count_crash(key, entry)
        ready = [(entry.due, entry.seq, key) for key, entry in self.entries.items() if self._may_run(key, entry)]
        expected = [key for _, _, key in sorted(ready)[:limit]]
        taken = self.inbox.take(LANE, limit=limit, lease=LEASE, settings=USUAL)
        held = [each for each in taken if each.crashes < CRASHES]
        died = {each.kept.key for each in taken if each.crashes >= CRASHES}
        assert died == {key for key in were_held if self.entries[key].state == DEAD}
        assert [each.kept.key for each in held] == expected
        for each in held:
            self._hold(each, now)
        self._adopt_waits()

    @rule(key=st.sampled_from(KEYS))
    def take_one(self, key: StoreKey) -> None:
        now, entry = self.clock.now, self.entries.get(key)
        held = self.inbox.take_one(key.idempotency_key, lease=LEASE, settings=USUAL)
        if entry is not None and entry.crashes + 1 < CRASHES:
            self._count_crash(key, entry)
        if entry is not None and entry.state == WAITING and self._is_first(key, entry):
            assert held is not None
            self._hold(held, now)
        else:
            assert held is None
        self._adopt_waits()

    def _lapsed(self, entry: _Entry) -> bool:
        return entry.state == HELD and entry.due is not None and entry.due <= self.clock.now

    def _count_crash(self, key: StoreKey, entry: _Entry) -> None:
        if not self._lapsed(entry):
            return
        entry.crashes += 1
        entry.token = None
        if entry.crashes >= CRASHES:
            entry.state, entry.due, entry.prune_at = DEAD, None, self.clock.now + USUAL.keep_dead
        else:
            # From the second crash on, the wait is random: the model reads it from the inbox, within its bounds.
            entry.state, entry.due = WAITING, entry.due if entry.crashes == 1 else float("inf")

    def _adopt_waits(self) -> None:
        for found in self.inbox.find(limit=10):
            entry = self.entries[BY_ID[found.key]]
            if entry.state == WAITING and entry.due == float("inf"):
                usual = min(USUAL.longest_wait, USUAL.first * 2.0 ** (entry.crashes - 1))
                assert found.due_at is not None
                assert 0.5 * usual - 0.001 <= found.due_at - self.clock.now <= 1.5 * usual + 0.001
                entry.due = found.due_at

    def _may_run(self, key: StoreKey, entry: _Entry) -> bool:
        due = entry.state == WAITING and entry.due is not None and entry.due <= self.clock.now
        return due and self._is_first(key, entry)

    def _is_first(self, key: StoreKey, entry: _Entry) -> bool:
        line = LINES[key]
        others = [other for each, other in self.entries.items() if each != key and LINES[each] == line]
        return line is None or not any(
            other.state == HELD or (other.state == WAITING and other.seq < entry.seq) for other in others
        )

    def _hold(self, held: Held, now: float) -> None:
        entry = self.entries[held.kept.key]
        entry.state, entry.due, entry.token, entry.attempt = HELD, now + LEASE, held.token, entry.attempt + 1
        assert (held.attempt, held.crashes) == (entry.attempt, entry.crashes)
        assert held.token not in self.tokens[held.kept.key]
        self.tokens[held.kept.key].append(held.token)

    # --- the holder's operations; ``old`` is how many tokens ago

    def _token(self, key: StoreKey, old: int) -> bytes:
        return self.tokens[key][max(-1 - old, -len(self.tokens[key]))]

    def _mine(self, key: StoreKey, token: bytes) -> _Entry | None:
        entry = self.entries.get(key)
        return entry if entry is not None and entry.state == HELD and entry.token == token else None

    @rule(asked=_one_of_each(KEYS, [0, 0, 0, 1], [0.0, 40.0]))
    def complete(self, asked: tuple[StoreKey, int, float]) -> None:
        key, old, keep = asked
        token = self._token(key, old)
        entry = self.entries.get(key)
        again = entry is not None and entry.state == DONE and entry.token == token
        mine = self._mine(key, token)
        assert self.inbox.complete(key.idempotency_key, token=token, settings=SETTINGS[keep]) is (mine is not None or again)
        if mine is not None:
            mine.state, mine.due, mine.prune_at = DONE, None, self.clock.now + keep

    @rule(asked=_one_of_each(KEYS, [0, 0, 1], [0.1, 20.1]))
    def release(self, asked: tuple[StoreKey, int, float]) -> None:
        key, old, after = asked
        token = self._token(key, old)
        mine = self._mine(key, token)
        done = self.inbox.release(key.idempotency_key, token=token, after=after, reason="r", settings=USUAL)
        assert done is (mine is not None)
        if mine is not None and mine.attempt - mine.crashes >= USUAL.tries:
            mine.state, mine.due, mine.token, mine.prune_at = DEAD, None, None, self.clock.now + USUAL.keep_dead
        elif mine is not None:
            mine.state, mine.due, mine.token = WAITING, self.clock.now + after, None

    @rule(asked=_one_of_each(KEYS, [0, 1], [5.0, 50.0]))
    def extend(self, asked: tuple[StoreKey, int, float]) -> None:
        key, old, lease = asked
        token = self._token(key, old)
        mine = self._mine(key, token)
        assert self.inbox.extend(key.idempotency_key, token=token, lease=lease) is (mine is not None)
        if mine is not None:
            mine.due = self.clock.now + lease

    @rule(asked=_one_of_each(KEYS, [0, 1], [0.0, 7.0]))
    def give_back(self, asked: tuple[StoreKey, int, float]) -> None:
        key, old, after = asked
        token = self._token(key, old)
        mine = self._mine(key, token)
        assert self.inbox.give_back(key.idempotency_key, token=token, after=after) is (mine is not None)
        if mine is not None:
            mine.state, mine.due, mine.token, mine.attempt = WAITING, self.clock.now + after, None, mine.attempt - 1

    @rule(asked=_one_of_each(KEYS, [0, 1]))
    def give_up(self, asked: tuple[StoreKey, int]) -> None:
        key, old = asked
        token = self._token(key, old)
        mine = self._mine(key, token)
        done = self.inbox.give_up(key.idempotency_key, token=token, reason="r", settings=USUAL)
        assert done is (mine is not None)
        if mine is not None:
            mine.state, mine.due, mine.token, mine.prune_at = DEAD, None, None, self.clock.now + USUAL.keep_dead

    # --- people

    @rule(keys=st.sampled_from([KEYS[:1], KEYS[1:3], KEYS]))
    def rerun(self, keys: list[StoreKey]) -> None:
        changed = 0
        for key in keys:
            entry = self.entries.get(key)
            kept = entry is not None and entry.prune_at is not None and entry.prune_at > self.clock.now
            if entry is not None and (entry.state == DEAD or (entry.state == DONE and kept)):
                self.entries[key] = _Entry(entry.seq, due=self.clock.now)
                changed += 1
        assert self.inbox.rerun([key.idempotency_key for key in keys], reason="r", by="b") == changed

    @rule(key=st.sampled_from(KEYS))
    def drop(self, key: StoreKey) -> None:
        entry = self.entries.get(key)
        gone = entry is not None and entry.state != HELD
        assert self.inbox.drop([key.idempotency_key], reason="r", by="b") == gone
        if gone:
            self._remove(key)

    @rule(limit=st.sampled_from([1, 10]))
    def prune(self, limit: int) -> None:
        now = self.clock.now
        over = {
            key: entry.prune_at for key, entry in self.entries.items() if entry.prune_at is not None and entry.prune_at <= now
        }
        assert self.inbox.prune(limit=limit) == min(limit, len(over))
        left = {BY_ID[found.key] for found in self.inbox.find(limit=10)}
        gone = {key for key in over if key not in left}
        assert len(gone) == min(limit, len(over))
        assert all(over[key] <= over[other] for key in gone for other in over.keys() - gone), "the oldest first"
        for key in gone:
            self._remove(key)

    def _remove(self, key: StoreKey) -> None:
        del self.entries[key]
        self.keys[key].until = self.clock.now + RETENTION

    @rule(key=st.sampled_from(KEYS))
    def forget(self, key: StoreKey) -> None:
        entry, known = self.entries.get(key), self.keys.get(key)
        live = entry is not None and entry.state in (WAITING, HELD)
        alive = known is not None and (known.until is None or known.until > self.clock.now)
        forgotten = self.store.forget(key)
        # A store may still hold an expired key, so False is only certain of a live entry, and of what it never knew.
        assert not (forgotten and live)
        assert forgotten or live or not alive
        if not live:
            self.entries.pop(key, None)
            self.keys.pop(key, None)

    @rule(seconds=_TICKS)
    def tick(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def every_entry_is_as_in_the_model(self) -> None:
        if not hasattr(self, "inbox"):
            return
        found = {BY_ID[entry.key]: entry for entry in self.inbox.find(limit=10)}
        assert found.keys() == self.entries.keys()
        for key, entry in found.items():
            known = self.entries[key]
            assert (entry.state, entry.attempt, entry.crashes) == (known.state, known.attempt, known.crashes), key
            assert (entry.due_at is None) == (known.due is None)
            assert entry.due_at is None or known.due is None or abs(entry.due_at - known.due) < 0.001
        held = [LINES[key] for key, entry in found.items() if entry.state == HELD and LINES[key] is not None]
        assert len(held) == len(set(held)), "two entries of one line are held"

    def teardown(self) -> None:
        close = getattr(getattr(self, "store", None), "close", None)
        if close is not None:
            close()


def inbox_machine(make_store: Callable[[FrozenClock], Any]) -> type[RuleBasedStateMachine]:
    """Return a machine for the stores with a blocking inbox that ``make_store`` makes."""

    class InboxMachine(_InboxMachine):
        def make_store(self, clock: FrozenClock) -> Any:
            return make_store(clock)

    return InboxMachine
