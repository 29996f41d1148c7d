"""The store contract as a test class: subclass it, define how a store is made, and run it with pytest.

::

    class TestMyStore(StoreContract):
        def make_store(self, clock):
            return MyStore(clock=clock)

A store with its own clock overrides ``advance`` to let that much time pass. A store whose claims can become unreachable
overrides ``outage`` to make that happen. Asynchronous stores run the same cases: ``do`` runs a coroutine to its end.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar
from unittest import SkipTest

from hookguard.errors import StoreUnavailable
from hookguard.store import AsyncStore, Capabilities, Claim, ClaimStatus, Store, StoreKey
from hookguard.testing.clock import FrozenClock

__all__ = ["StoreContract"]

KEY = StoreKey("stripe/pay", "evt_1")
ALICE, BOB, CAROL = b"alice-0123456789", b"bob---0123456789", b"carol-0123456789"
BODY, OTHER_BODY = b"\x01" * 32, b"\x02" * 32
LEASE, RETENTION = 60.0, 1000.0


class StoreContract:
    """Every row of the transition table in :mod:`hookguard.store`, and what goes wrong around it."""

    #: The allowed error of a store's times in seconds, for stores whose clock cannot be frozen.
    slack: ClassVar[float] = 0.001
    #: False for stores whose server deletes expired events on its own, so that there is nothing left to purge.
    purges: ClassVar[bool] = True

    store: Store | AsyncStore
    clock: FrozenClock

    def make_store(self, clock: FrozenClock) -> Store | AsyncStore:
        """Return an empty store that reads the time from ``clock``."""
        raise NotImplementedError("define how your store is made: def make_store(self, clock): return MyStore(clock=clock)")

    def setup_method(self) -> None:
        """Make a store for each case."""
        self.clock = FrozenClock()
        self.store = self.make_store(self.clock)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def outage(self) -> AbstractContextManager[object] | None:
        """Return a context in which the store cannot reach its claims; None for a store that holds them itself."""
        return None

    def do(self, result: Any) -> Any:
        """Return a result, or run a coroutine to its result."""
        if not inspect.iscoroutine(result):
            return result

        async def run() -> Any:
            return await result

        return asyncio.run(run())

    def claim(
        self,
        key: StoreKey = KEY,
        token: bytes = ALICE,
        fingerprint: bytes = BODY,
        lease: float = LEASE,
        retention: float = RETENTION,
    ) -> Claim:
        """Claim with usual arguments."""
        claim: Claim = self.do(self.store.claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention))
        assert isinstance(claim, Claim)
        return claim

    def complete(
        self, key: StoreKey = KEY, token: bytes = ALICE, retention: float = RETENTION, reply: bytes | None = None
    ) -> bool:
        """Complete with usual arguments."""
        done: bool = self.do(self.store.complete(key, token=token, retention=retention, reply=reply))
        assert done is True or done is False
        return done

    def release(self, key: StoreKey = KEY, token: bytes = ALICE) -> bool:
        """Release with usual arguments."""
        given: bool = self.do(self.store.release(key, token=token))
        assert given is True or given is False
        return given

    def extend(self, key: StoreKey = KEY, token: bytes = ALICE, lease: float = LEASE) -> bool:
        """Extend with usual arguments."""
        held: bool = self.do(self.store.extend(key, token=token, lease=lease))
        assert held is True or held is False
        return held

    def purge(self, limit: int = 100) -> int:
        """Purge."""
        return int(self.do(self.store.purge(limit=limit)))

    def forget(self, key: StoreKey = KEY) -> bool:
        """Forget."""
        return bool(self.do(self.store.forget(key)))

    # --- claiming once more

    def test_a_new_event_is_acquired_at_its_first_attempt(self) -> None:
        assert self.claim() == Claim(ClaimStatus.ACQUIRED, 1, 0.0, True, None)

    def test_the_same_token_gets_its_claim_again_because_an_answer_may_be_lost(self) -> None:
        self.claim()
        again = self.claim()
        assert (again.status, again.attempt) == (ClaimStatus.ACQUIRED, 1)

    def test_the_same_token_gets_the_same_attempt_after_a_takeover(self) -> None:
        self.claim()
        self.advance(LEASE + 1)
        self.claim(token=BOB)
        again = self.claim(token=BOB)
        assert (again.status, again.attempt) == (ClaimStatus.ACQUIRED, 2)

    def test_claiming_again_with_the_same_token_does_not_prolong_the_lease(self) -> None:
        self.claim()
        self.advance(LEASE - 10)
        self.claim()
        self.advance(11)
        assert self.claim(token=BOB).status == ClaimStatus.ACQUIRED

    def test_another_token_finds_the_event_in_progress(self) -> None:
        self.claim()
        assert self.claim(token=BOB).status == ClaimStatus.IN_PROGRESS

    def test_in_progress_says_what_is_left_of_the_lease(self) -> None:
        self.claim()
        self.advance(20)
        assert abs(self.claim(token=BOB).retry_after - (LEASE - 20)) <= self.slack

    def test_in_progress_counts_no_attempt(self) -> None:
        self.claim()
        for _ in range(3):
            assert self.claim(token=BOB).attempt == 1

    def test_asking_does_not_prolong_the_lease_of_another(self) -> None:
        self.claim()
        self.advance(LEASE - 1)
        self.claim(token=BOB)
        self.advance(1.5)
        assert self.claim(token=CAROL).status == ClaimStatus.ACQUIRED

    def test_a_lease_holds_until_its_end(self) -> None:
        self.claim()
        self.advance(LEASE - 1)
        assert self.claim(token=BOB).status == ClaimStatus.IN_PROGRESS

    def test_a_lease_that_has_run_out_is_taken_over(self) -> None:
        self.claim()
        self.advance(LEASE + 1)
        taken = self.claim(token=BOB)
        assert (taken.status, taken.attempt) == (ClaimStatus.ACQUIRED, 2)

    def test_a_takeover_has_a_lease_of_its_own(self) -> None:
        self.claim()
        self.advance(LEASE + 1)
        self.claim(token=BOB)
        self.advance(LEASE - 1)
        assert self.claim(token=CAROL).status == ClaimStatus.IN_PROGRESS

    def test_attempts_count_on_over_takeovers(self) -> None:
        for attempt, token in enumerate((ALICE, BOB, CAROL), 1):
            assert self.claim(token=token).attempt == attempt
            self.advance(LEASE + 1)

    def test_a_claim_outlives_its_lease_by_its_retention(self) -> None:
        self.claim()
        self.advance(LEASE + RETENTION - 1)
        assert self.claim(token=BOB).attempt == 2

    def test_a_claim_that_was_never_settled_is_forgotten_after_lease_and_retention(self) -> None:
        self.claim()
        self.advance(LEASE + RETENTION + 1)
        assert self.claim(token=BOB) == Claim(ClaimStatus.ACQUIRED, 1, 0.0, True, None)

    def test_leases_differ_by_claim(self) -> None:
        self.claim(lease=5)
        self.claim(StoreKey("s", "2"), lease=500)
        self.advance(10)
        assert self.claim(token=BOB).status == ClaimStatus.ACQUIRED
        assert self.claim(StoreKey("s", "2"), token=BOB).status == ClaimStatus.IN_PROGRESS

    # --- complete

    def test_a_completed_event_is_done(self) -> None:
        self.claim()
        assert self.complete()
        assert self.claim(token=BOB).status == ClaimStatus.DONE

    def test_done_is_done_for_the_token_that_completed_it_too(self) -> None:
        self.claim()
        self.complete()
        assert self.claim().status == ClaimStatus.DONE

    def test_completing_again_with_the_same_token_is_true_because_an_answer_may_be_lost(self) -> None:
        self.claim()
        assert self.complete()
        assert self.complete()

    def test_completing_again_does_not_prolong_the_retention(self) -> None:
        self.claim()
        self.complete()
        self.advance(RETENTION - 10)
        self.complete()
        self.advance(11)
        assert self.claim(token=BOB).status == ClaimStatus.ACQUIRED

    def test_completing_again_does_not_change_the_reply(self) -> None:
        self.claim()
        self.complete(reply=b"first")
        self.complete(reply=b"second")
        assert self.claim(token=BOB).reply == b"first"

    def test_another_token_cannot_complete(self) -> None:
        self.claim()
        assert not self.complete(token=BOB)
        assert self.claim(token=BOB).status == ClaimStatus.IN_PROGRESS

    def test_another_token_cannot_complete_what_is_done(self) -> None:
        self.claim()
        self.complete()
        assert not self.complete(token=BOB)

    def test_nobody_completes_what_was_never_claimed(self) -> None:
        assert not self.complete()
        assert self.claim().attempt == 1

    def test_the_holder_may_complete_after_its_lease_when_nobody_took_over(self) -> None:
        self.claim()
        self.advance(LEASE + 1)
        assert self.complete()
        assert self.claim(token=BOB).status == ClaimStatus.DONE

    def test_a_worker_that_was_taken_over_cannot_complete(self) -> None:
        self.claim()
        self.advance(LEASE + 1)
        self.claim(token=BOB)
        assert not self.complete()
        assert self.claim(token=CAROL).status == ClaimStatus.IN_PROGRESS
        assert self.complete(token=BOB)

    def test_nobody_completes_what_has_expired(self) -> None:
        self.claim()
        self.advance(LEASE + RETENTION + 1)
        assert not self.complete()
        assert self.claim(token=BOB).attempt == 1

    def test_nobody_completes_what_was_released(self) -> None:
        self.claim()
        self.release()
        assert not self.complete()
        assert self.claim(token=BOB).status == ClaimStatus.ACQUIRED

    def test_a_stale_worker_cannot_complete_what_was_released_and_claimed_anew(self) -> None:
        # ABA: with tokens that are counted from 1, the second claim has the first one's token again.
        self.claim(token=ALICE)
        self.release(token=ALICE)
        self.claim(token=BOB)
        assert not self.complete(token=ALICE)
        assert self.claim(token=CAROL).status == ClaimStatus.IN_PROGRESS

    def test_retention_is_counted_from_completion(self) -> None:
        self.claim()
        self.advance(LEASE - 1)
        self.complete()
        self.advance(RETENTION - 1)
        assert self.claim(token=BOB).status == ClaimStatus.DONE

    def test_a_completed_event_is_forgotten_after_its_retention(self) -> None:
        self.claim()
        self.complete()
        self.advance(RETENTION + 1)
        assert self.claim(token=BOB) == Claim(ClaimStatus.ACQUIRED, 1, 0.0, True, None)

    def test_a_duplicate_does_not_prolong_the_retention(self) -> None:
        self.claim()
        self.complete()
        self.advance(RETENTION - 1)
        self.claim(token=BOB)
        self.advance(2)
        assert self.claim(token=CAROL).status == ClaimStatus.ACQUIRED

    def test_the_retention_at_completion_counts_not_the_one_at_the_claim(self) -> None:
        self.claim(retention=10)
        self.complete(retention=RETENTION)
        self.advance(RETENTION - 1)
        assert self.claim(token=BOB).status == ClaimStatus.DONE

    def test_done_stays_done_when_the_lease_is_long_over(self) -> None:
        self.claim()
        self.complete()
        self.advance(LEASE * 5)
        assert self.claim(token=BOB).status == ClaimStatus.DONE

    def test_done_reports_the_attempt_that_did_it(self) -> None:
        self.claim()
        self.release()
        self.claim(token=BOB)
        self.complete(token=BOB)
        assert self.claim(token=CAROL).attempt == 2

    # --- release

    def test_a_released_event_may_be_claimed_at_once(self) -> None:
        self.claim()
        assert self.release()
        again = self.claim(token=BOB)
        assert (again.status, again.attempt) == (ClaimStatus.ACQUIRED, 2)

    def test_the_releasing_token_may_claim_again_as_a_new_attempt(self) -> None:
        self.claim()
        self.release()
        again = self.claim()
        assert (again.status, again.attempt) == (ClaimStatus.ACQUIRED, 2)

    def test_attempts_count_on_over_releases(self) -> None:
        for attempt in range(1, 5):
            assert self.claim().attempt == attempt
            assert self.release()

    def test_another_token_cannot_release(self) -> None:
        self.claim()
        assert not self.release(token=BOB)
        assert self.claim(token=BOB).status == ClaimStatus.IN_PROGRESS

    def test_nobody_releases_what_was_never_claimed(self) -> None:
        assert not self.release()

    def test_nobody_releases_what_is_done(self) -> None:
        self.claim()
        self.complete()
        assert not self.release()
        assert self.claim(token=BOB).status == ClaimStatus.DONE

    def test_nobody_releases_twice(self) -> None:
        self.claim()
        assert self.release()
        assert not self.release()

    def test_a_worker_that_was_taken_over_cannot_release(self) -> None:
        self.claim()
        self.advance(LEASE + 1)
        self.claim(token=BOB)
        assert not self.release()
        assert self.claim(token=CAROL).status == ClaimStatus.IN_PROGRESS

    def test_nobody_releases_what_has_expired(self) -> None:
        self.claim()
        self.advance(LEASE + RETENTION + 1)
        assert not self.release()

    def test_a_stale_worker_cannot_release_what_was_released_and_claimed_anew(self) -> None:
        self.claim(token=ALICE)
        self.release(token=ALICE)
        self.claim(token=BOB)
        assert not self.release(token=ALICE)
        assert self.claim(token=CAROL).status == ClaimStatus.IN_PROGRESS

    # --- extend

    def test_an_extended_lease_holds_from_now(self) -> None:
        self.claim()
        self.advance(LEASE - 10)
        assert self.extend()
        self.advance(LEASE - 1)
        assert self.claim(token=BOB).status == ClaimStatus.IN_PROGRESS

    def test_an_extended_lease_runs_out_too(self) -> None:
        self.claim()
        self.advance(LEASE - 10)
        self.extend()
        self.advance(LEASE + 1)
        assert self.claim(token=BOB).attempt == 2

    def test_extending_keeps_the_claim_alive_under_a_long_handler(self) -> None:
        self.claim(retention=10)
        for _ in range(5):
            self.advance(LEASE - 1)
            assert self.extend()
        assert self.complete()

    def test_extending_keeps_the_retention_behind_the_lease(self) -> None:
        self.claim()
        self.advance(LEASE)
        self.extend()
        self.advance(LEASE + RETENTION - 1)
        assert self.claim(token=BOB).attempt == 2

    def test_another_token_cannot_extend(self) -> None:
        self.claim()
        assert not self.extend(token=BOB, lease=10_000)
        self.advance(LEASE + 1)
        assert self.claim(token=BOB).status == ClaimStatus.ACQUIRED

    def test_nobody_extends_what_is_done_or_released_or_gone(self) -> None:
        assert not self.extend()
        self.claim()
        self.release()
        assert not self.extend()
        self.claim()
        self.complete()
        assert not self.extend()
        assert self.claim(token=BOB).status == ClaimStatus.DONE

    def test_a_worker_that_was_taken_over_cannot_extend(self) -> None:
        self.claim()
        self.advance(LEASE + 1)
        self.claim(token=BOB)
        assert not self.extend()

    # --- fingerprints and replies

    def test_the_same_body_has_the_same_fingerprint(self) -> None:
        self.claim()
        assert self.claim(token=BOB).same_fingerprint
        self.complete()
        assert self.claim(token=BOB).same_fingerprint

    def test_another_body_is_told_while_the_event_is_in_progress(self) -> None:
        self.claim()
        assert not self.claim(token=BOB, fingerprint=OTHER_BODY).same_fingerprint

    def test_another_body_is_told_when_the_event_is_done(self) -> None:
        self.claim()
        self.complete()
        found = self.claim(token=BOB, fingerprint=OTHER_BODY)
        assert (found.status, found.same_fingerprint) == (ClaimStatus.DONE, False)

    def test_another_body_is_told_when_the_event_was_released(self) -> None:
        self.claim()
        self.release()
        found = self.claim(token=BOB, fingerprint=OTHER_BODY)
        assert (found.status, found.same_fingerprint) == (ClaimStatus.ACQUIRED, False)

    def test_the_first_fingerprint_stays(self) -> None:
        self.claim()
        self.release()
        self.claim(token=BOB, fingerprint=OTHER_BODY)
        self.release(token=BOB)
        assert self.claim(token=CAROL).same_fingerprint

    def test_an_expired_fingerprint_is_forgotten(self) -> None:
        self.claim()
        self.complete()
        self.advance(RETENTION + 1)
        assert self.claim(token=BOB, fingerprint=OTHER_BODY).same_fingerprint
        assert not self.claim(token=CAROL).same_fingerprint

    def test_a_reply_is_kept_with_the_event(self) -> None:
        self.claim()
        self.complete(reply=b"\x00\xff reply")
        assert self.claim(token=BOB).reply == b"\x00\xff reply"

    def test_no_reply_is_none_and_an_empty_one_is_empty(self) -> None:
        self.claim()
        self.complete()
        assert self.claim(token=BOB).reply is None
        other = StoreKey("s", "2")
        self.claim(other)
        self.complete(other, reply=b"")
        assert self.claim(other, token=BOB).reply == b""

    def test_an_expired_reply_is_forgotten(self) -> None:
        self.claim()
        self.complete(reply=b"old")
        self.advance(RETENTION + 1)
        assert self.claim(token=BOB).reply is None
        self.complete(token=BOB)
        assert self.claim(token=CAROL).reply is None

    # --- keys

    def test_events_with_different_ids_are_different(self) -> None:
        self.claim()
        assert self.claim(StoreKey(KEY.scope, "evt_2"), token=BOB).status == ClaimStatus.ACQUIRED

    def test_the_same_id_in_another_scope_is_another_event(self) -> None:
        self.claim()
        self.complete()
        assert self.claim(StoreKey("stripe/other", KEY.id), token=BOB).status == ClaimStatus.ACQUIRED

    def test_scope_and_id_do_not_run_into_each_other(self) -> None:
        self.claim(StoreKey("ab", "c"))
        assert self.claim(StoreKey("a", "bc"), token=BOB).status == ClaimStatus.ACQUIRED
        self.claim(StoreKey("x:y", "z"))
        assert self.claim(StoreKey("x", "y:z"), token=BOB).status == ClaimStatus.ACQUIRED

    def test_ids_that_differ_by_case_or_a_space_are_different(self) -> None:
        for identifier in ("evt_A", "evt_a", "evt_a ", " evt_a", "EVT_A"):
            assert self.claim(StoreKey("s", identifier)).status == ClaimStatus.ACQUIRED
            assert self.complete(StoreKey("s", identifier))

    def test_long_and_odd_ids_are_kept_whole(self) -> None:
        long = "x" * 254
        for identifier in (long + "1", long + "2", "%_'\";--", "a\\b", "{}*?[]", "sha256:" + "0" * 64):
            assert self.claim(StoreKey("s", identifier)).status == ClaimStatus.ACQUIRED
            assert self.complete(StoreKey("s", identifier))
        assert self.claim(StoreKey("s", long + "1"), token=BOB).status == ClaimStatus.DONE

    def test_long_scopes_are_kept_whole(self) -> None:
        long = "s" * 250
        self.claim(StoreKey(long + "1", "e"))
        assert self.claim(StoreKey(long + "2", "e"), token=BOB).status == ClaimStatus.ACQUIRED

    def test_tokens_are_bytes_of_any_value(self) -> None:
        self.claim(token=b"\x00" * 16)
        assert not self.complete(token=b"\x00" * 15 + b"\x01")
        assert self.complete(token=b"\x00" * 16)

    # --- purge and forget

    def test_purge_deletes_what_has_expired_and_says_how_many(self) -> None:
        for number in range(5):
            self.claim(StoreKey("s", str(number)))
            self.complete(StoreKey("s", str(number)))
        self.advance(RETENTION + 1)
        self.claim()
        assert self.purge() == (5 if self.purges else 0)
        assert self.purge() == 0

    def test_purge_deletes_at_most_as_many_as_it_may(self) -> None:
        for number in range(5):
            self.claim(StoreKey("s", str(number)))
        self.advance(LEASE + RETENTION + 1)
        assert [self.purge(limit=2) for _ in range(4)] == ([2, 2, 1, 0] if self.purges else [0, 0, 0, 0])

    def test_purge_leaves_what_lives(self) -> None:
        done, running, released = StoreKey("s", "done"), StoreKey("s", "running"), StoreKey("s", "released")
        self.claim(done)
        self.complete(done)
        self.claim(running)
        self.claim(released)
        self.release(released)
        self.advance(LEASE + 1)
        assert self.purge() == 0
        assert self.claim(done, token=BOB).status == ClaimStatus.DONE
        assert self.claim(running, token=BOB).attempt == 2
        assert self.claim(released, token=BOB).attempt == 2

    def test_forget_lets_an_event_run_again(self) -> None:
        self.claim()
        self.complete()
        assert self.forget()
        assert self.claim(token=BOB).attempt == 1

    def test_forget_takes_a_claim_away_from_its_holder(self) -> None:
        self.claim()
        assert self.forget()
        assert not self.complete()
        assert self.claim(token=BOB).attempt == 1

    def test_forget_says_when_there_was_nothing(self) -> None:
        assert not self.forget()

    # --- what an outage is: neither a duplicate, which would lose the event, nor a claim, which would double it

    def outage_or_skip(self) -> AbstractContextManager[object]:
        """Return the outage, or skip the case."""
        outage = self.outage()
        if outage is None:
            raise SkipTest("override outage() where the store's claims can be out of its reach")
        return outage

    def assert_unavailable(self, call: Callable[[], object]) -> None:
        """Fail when a call gets an answer, or an error of the driver's own."""
        try:
            answer = call()
        except StoreUnavailable:
            return
        raise AssertionError(f"the store could not know, and answered {answer!r}")

    def test_a_claim_in_an_outage_is_unavailable_whether_the_event_is_known_or_not(self) -> None:
        held, done, unknown = StoreKey("s", "held"), StoreKey("s", "done"), StoreKey("s", "unknown")
        self.claim(held)
        self.claim(done)
        self.complete(done)
        with self.outage_or_skip():
            for key in (held, done, unknown):
                self.assert_unavailable(lambda key=key: self.claim(key, token=BOB))  # type: ignore[misc]

    def test_nothing_is_completed_released_or_extended_in_an_outage(self) -> None:
        self.claim()
        with self.outage_or_skip():
            self.assert_unavailable(self.complete)
            self.assert_unavailable(self.release)
            self.assert_unavailable(self.extend)

    def test_after_an_outage_everything_is_as_before(self) -> None:
        done, unknown = StoreKey("s", "done"), StoreKey("s", "unknown")
        self.claim()
        self.claim(done)
        self.complete(done)
        with self.outage_or_skip():
            for key in (KEY, done, unknown):
                self.assert_unavailable(lambda key=key: self.claim(key, token=BOB))  # type: ignore[misc]
            self.assert_unavailable(self.release)
        assert self.claim(token=BOB).status == ClaimStatus.IN_PROGRESS
        assert self.complete()
        assert self.claim(done, token=BOB).status == ClaimStatus.DONE
        assert self.claim(unknown) == Claim(ClaimStatus.ACQUIRED, 1, 0.0, True, None)

    # --- together

    def test_threads_that_race_for_an_event_have_one_winner(self) -> None:
        for round_number in range(20):
            key = StoreKey("race", str(round_number))
            barrier = threading.Barrier(8)
            answers: list[ClaimStatus] = []

            def race(
                number: int, key: StoreKey = key, barrier: threading.Barrier = barrier, answers: list[ClaimStatus] = answers
            ) -> None:
                barrier.wait()
                answers.append(self.claim(key, token=bytes([number]) * 16).status)

            threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(answers) == [ClaimStatus.ACQUIRED] + [ClaimStatus.IN_PROGRESS] * 7

    def test_threads_that_race_for_a_takeover_have_one_winner(self) -> None:
        self.claim()
        self.advance(LEASE + 1)
        barrier = threading.Barrier(8)
        winners: list[bytes] = []

        def race(number: int) -> None:
            token = bytes([number]) * 16
            barrier.wait()
            if self.claim(token=token).status == ClaimStatus.ACQUIRED:
                winners.append(token)

        threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(winners) == 1
        assert self.complete(token=winners[0])

    def test_the_store_says_what_it_can_promise(self) -> None:
        capabilities = self.store.capabilities
        assert isinstance(capabilities, Capabilities)
        assert capabilities.clock in ("server", "client")
