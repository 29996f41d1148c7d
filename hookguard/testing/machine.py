"""A Hypothesis state machine that runs a store beside a model of the contract and compares every answer.

::

    TestMyStoreMachine = store_machine(lambda clock: MyStore(clock=clock)).TestCase
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from hookguard.store import Claim, ClaimStatus, Store, StoreKey
from hookguard.testing.clock import FrozenClock

__all__ = ["store_machine"]

_KEYS = [StoreKey("a", "1"), StoreKey("a", "2"), StoreKey("b", "1")]
_TOKENS = [bytes([letter]) * 16 for letter in b"xyz"]
_FINGERPRINTS = [b"\x01" * 32, b"\x02" * 32]
_LEASES = [5.0, 50.0]
_RETENTIONS = [20.0, 200.0]
# Never the very instant at which something ends: stores may round it either way.
_TICKS = st.sampled_from([0.25, 4.5, 19.75, 60.25, 260.5])


def _one_of_each(*choices: list[Any]) -> st.SearchStrategy[Any]:
    # Drawn in one step: drawing costs more than most stores do.
    return st.sampled_from(list(product(*choices)))


@dataclass
class _Known:
    """The model's memory of one event; written from the contract's table, not from any store."""

    state: str
    token: bytes
    fingerprint: bytes
    lease_until: float
    retention: float
    forgotten_at: float
    attempt: int
    reply: bytes | None = None


class _StoreMachine(RuleBasedStateMachine):
    def make_store(self, clock: FrozenClock) -> Store:
        """Return a new store that reads ``clock``."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.clock = FrozenClock()
        self.store = self.make_store(self.clock)
        self.known: dict[StoreKey, _Known] = {}

    def alive(self, key: StoreKey) -> _Known | None:
        known = self.known.get(key)
        if known is not None and known.forgotten_at <= self.clock.now:
            del self.known[key]
            return None
        return known

    @rule(asked=_one_of_each(_KEYS, _TOKENS, _FINGERPRINTS, _LEASES, _RETENTIONS))
    def claim(self, asked: tuple[StoreKey, bytes, bytes, float, float]) -> None:
        key, token, fingerprint, lease, retention = asked
        now, known = self.clock.now, self.alive(key)
        answer = self.store.claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if known is not None and known.state == "done":
            expected = Claim(ClaimStatus.DONE, known.attempt, 0.0, known.fingerprint == fingerprint, known.reply)
        elif known is not None and known.state == "in progress" and known.token == token:
            expected = Claim(ClaimStatus.ACQUIRED, known.attempt, 0.0, known.fingerprint == fingerprint)
        elif known is not None and known.state == "in progress" and known.lease_until > now:
            expected = Claim(ClaimStatus.IN_PROGRESS, known.attempt, known.lease_until - now, known.fingerprint == fingerprint)
        else:
            attempt = known.attempt + 1 if known is not None else 1
            first = known.fingerprint if known is not None else fingerprint
            self.known[key] = _Known("in progress", token, first, now + lease, retention, now + lease + retention, attempt)
            expected = Claim(ClaimStatus.ACQUIRED, attempt, 0.0, first == fingerprint)
        assert answer._replace(retry_after=0.0) == expected._replace(retry_after=0.0)
        assert abs(answer.retry_after - expected.retry_after) < 0.001

    @rule(asked=_one_of_each(_KEYS, _TOKENS, _RETENTIONS, [None, b"", b"reply"]))
    def complete(self, asked: tuple[StoreKey, bytes, float, bytes | None]) -> None:
        key, token, retention, reply = asked
        known = self.alive(key)
        answer = self.store.complete(key, token=token, retention=retention, reply=reply)
        mine = known is not None and known.token == token
        if known is not None and mine and known.state == "in progress":
            known.state, known.reply, known.forgotten_at = "done", reply, self.clock.now + retention
        assert answer is (known is not None and mine and known.state == "done")

    @rule(asked=_one_of_each(_KEYS, _TOKENS))
    def release(self, asked: tuple[StoreKey, bytes]) -> None:
        key, token = asked
        known = self.alive(key)
        held = known is not None and known.token == token and known.state == "in progress"
        assert self.store.release(key, token=token) is held
        if known is not None and held:
            known.state = "released"

    @rule(asked=_one_of_each(_KEYS, _TOKENS, _LEASES))
    def extend(self, asked: tuple[StoreKey, bytes, float]) -> None:
        key, token, lease = asked
        known = self.alive(key)
        held = known is not None and known.token == token and known.state == "in progress"
        assert self.store.extend(key, token=token, lease=lease) is held
        if known is not None and held:
            known.lease_until = self.clock.now + lease
            known.forgotten_at = known.lease_until + known.retention

    @rule(seconds=_TICKS)
    def tick(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(limit=st.sampled_from([1, 10]))
    def purge(self, limit: int) -> None:
        assert 0 <= self.store.purge(limit=limit) <= limit

    @rule(key=st.sampled_from(_KEYS))
    def forget(self, key: StoreKey) -> None:
        alive = self.alive(key) is not None
        # A store may still hold an expired event, so False is only certain of what it never knew.
        assert self.store.forget(key) or not alive
        self.known.pop(key, None)

    def teardown(self) -> None:
        close = getattr(getattr(self, "store", None), "close", None)
        if close is not None:
            close()


def store_machine(make_store: Callable[[FrozenClock], Store]) -> type[RuleBasedStateMachine]:
    """Return a machine for the stores that ``make_store`` makes."""

    class StoreMachine(_StoreMachine):
        def make_store(self, clock: FrozenClock) -> Store:
            return make_store(clock)

    return StoreMachine
