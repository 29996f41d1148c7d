"""The inbox contract as a test class: subclass it, define how a store with an inbox is made, and run it with pytest.

::

    class TestMyInbox(InboxContract):
        def make_store(self, clock):
            return MyStore(clock=clock)  # with a method inbox()

An inbox with a clock of its own overrides ``advance``. Asynchronous ones run the same cases: ``do`` runs a coroutine to its end.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, ClassVar

from hookguard.inbox.contract import CRASHES, AsyncInbox, Count, Entry, EntryState, Held, Inbox, Kept, Lane, Put, PutStatus
from hookguard.inbox.settings import InboxSettings
from hookguard.place import InBody
from hookguard.store import ClaimStatus, StoreKey
from hookguard.testing.clock import FrozenClock

__all__ = ["InboxContract"]

KEY = StoreKey("stripe/pay", "evt_1")
NEXT = StoreKey("stripe/pay", "evt_2")
THIRD = StoreKey("stripe/pay", "evt_3")
LANE = Lane("pay")
BODY, OTHER_BODY = b"\x01" * 32, b"\x02" * 32
LEASE, RETENTION = 30.0, 1000.0
SETTINGS = InboxSettings(tries=3, first=10.0, longest_wait=100.0, keep=500.0, keep_dead=900.0, order_by=InBody("customer"))
WRONG = b"nobody's token 0"
WAITING, HELD, DONE, DEAD = EntryState.WAITING, EntryState.HELD, EntryState.DONE, EntryState.DEAD
STORED, KNOWN, AGAIN, IN_PROGRESS = PutStatus.STORED, PutStatus.KNOWN, PutStatus.AGAIN, PutStatus.IN_PROGRESS
#: The states that a case can bring an entry to; "gone" is an event whose entry was dropped.
STATES = ("waiting", "held", "done", "dead", "gone")


class InboxContract:
    """Every row of the table in :mod:`hookguard.inbox.contract`, from each state, and what goes wrong around it."""

    #: The allowed error of a store's times in seconds, for stores whose clock cannot be frozen.
    slack: ClassVar[float] = 0.001

    store: Any
    inbox: Inbox | AsyncInbox
    clock: FrozenClock

    def make_store(self, clock: FrozenClock) -> Any:
        """Return an empty store with a method ``inbox()``, that reads the time from ``clock``."""
        raise NotImplementedError("define how your store is made: def make_store(self, clock): return MyStore(clock=clock)")

    def setup_method(self) -> None:
        """Make a store for each case."""
        self.clock = FrozenClock()
        self.store = self.make_store(self.clock)
        self.inbox = self.store.inbox()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def do(self, result: Any) -> Any:
        """Return a result, or run a coroutine to its result."""
        if not inspect.iscoroutine(result):
            return result

        async def run() -> Any:
            return await result

        return asyncio.run(run())

    def kept(self, key: StoreKey = KEY, **changes: Any) -> Kept:
        """Return an event with usual values."""
        usual = Kept(
            key=key,
            endpoint="pay",
            event_type="invoice.paid",
            head='{"v":1}',
            body=b'{"id":"evt_1"}',
            fingerprint=BODY,
            retention=RETENTION,
        )
        return usual._replace(**changes)

    def put(self, *events: Kept) -> list[Put]:
        """Put, by default one usual event."""
        answers: list[Put] = self.do(self.inbox.put(events or (self.kept(),)))
        assert all(isinstance(answer, Put) for answer in answers)
        return answers

    def take(self, lane: Lane = LANE, *, limit: int = 10, settings: InboxSettings = SETTINGS) -> list[Held]:
        """Take with usual arguments."""
        held: list[Held] = self.do(self.inbox.take(lane, limit=limit, lease=LEASE, settings=settings))
        assert len(held) <= limit
        return held

    def due(self, *lanes: Lane) -> bool:
        """Ask whether anything can be taken, by default from the usual lane."""
        return self._yes(self.inbox.due(lanes or (LANE,)))

    def take_one(self, key: StoreKey = KEY, part: str = "") -> Held | None:
        """Take one entry by its key."""
        named = f"{key.idempotency_key}.{part}" if part else key.idempotency_key
        held: Held | None = self.do(self.inbox.take_one(named, lease=LEASE, settings=SETTINGS))
        return held

    def complete(self, held: Held, *, token: bytes | None = None, settings: InboxSettings = SETTINGS) -> bool:
        """Complete an entry."""
        return self._yes(self.inbox.complete(held.key, token=token or held.token, settings=settings))

    def release(self, held: Held, *, token: bytes | None = None, after: float = 10.0) -> bool:
        """Release an entry."""
        asked = {"after": after, "reason": "the handler answered 500", "settings": SETTINGS}
        return self._yes(self.inbox.release(held.key, token=token or held.token, **asked))  # type: ignore[arg-type]  # of several types

    def settle(self, how: str, held: Held, token: bytes) -> bool:
        """Perform an operation of a holder by its name."""
        if how == "complete":
            return self.complete(held, token=token)
        if how == "release":
            return self.release(held, token=token)
        if how == "extend":
            return self._yes(self.inbox.extend(held.key, token=token, lease=LEASE))
        if how == "give_back":
            return self._yes(self.inbox.give_back(held.key, token=token))
        return self._yes(self.inbox.give_up(held.key, token=token, reason="gone", settings=SETTINGS))

    def rerun(self, *keys: StoreKey) -> int:
        """Rerun."""
        return int(self.do(self.inbox.rerun([key.idempotency_key for key in keys or (KEY,)], reason="mended", by="anna")))

    def drop(self, *keys: StoreKey) -> int:
        """Drop."""
        return int(self.do(self.inbox.drop([key.idempotency_key for key in keys or (KEY,)], reason="a test", by="anna")))

    def prune(self, limit: int = 100) -> int:
        """Prune."""
        return int(self.do(self.inbox.prune(limit=limit)))

    def find(self, **asked: Any) -> list[Entry]:
        """List entries."""
        found: list[Entry] = self.do(self.inbox.find(**{"limit": 100, **asked}))
        return found

    def entry(self, key: StoreKey = KEY) -> Entry | None:
        """Return an entry as a list shows it."""
        return next((entry for entry in self.find() if entry.key == key.idempotency_key), None)

    def state(self, key: StoreKey = KEY) -> EntryState | None:
        """Return an entry's state; None if it is gone."""
        found = self.entry(key)
        return None if found is None else found.state

    def at(self, state: str, key: StoreKey = KEY) -> Held:
        """Put an event and bring it to a state; return how it was held, if only to have a token."""
        self.put(self.kept(key))
        held = self.take_one(key)
        assert held is not None
        if state == "waiting":
            assert self.settle("give_back", held, held.token)
        elif state == "done":
            assert self.complete(held)
        elif state == "dead":
            assert self.settle("give_up", held, held.token)
        elif state == "gone":
            assert self.complete(held)
            assert self.drop(key) == 1
        return held

    def claim(self, key: StoreKey = KEY, token: bytes = b"direct-012345678", fingerprint: bytes = BODY) -> Any:
        """Claim, as an endpoint in direct mode does."""
        return self.do(self.store.claim(key, token=token, fingerprint=fingerprint, lease=60.0, retention=RETENTION))

    def _yes(self, result: Any) -> bool:
        answer: bool = self.do(result)
        assert answer is True or answer is False
        return answer

    def near(self, found: float | None, expected: float) -> bool:
        """Whether two instants are the same."""
        return found is not None and abs(found - expected) <= self.slack

    # --- put

    def test_a_new_event_is_stored_and_due_now(self) -> None:
        assert self.put() == [Put(STORED)]
        found = self.entry()
        assert found is not None
        assert (found.state, found.attempt, found.crashes, found.reason) == (WAITING, 0, 0, "")
        assert self.near(found.due_at, self.clock.now)
        assert self.near(found.received_at, self.clock.now)

    def test_a_stored_event_is_done_for_the_claims(self) -> None:
        self.put()
        assert self.claim().status == ClaimStatus.DONE

    def test_a_waiting_event_is_known(self) -> None:
        self.at("waiting")
        assert self.put() == [Put(KNOWN)]
        assert self.state() == WAITING

    def test_a_held_event_is_known(self) -> None:
        self.at("held")
        assert self.put() == [Put(KNOWN)]
        assert self.state() == HELD

    def test_a_done_event_is_known(self) -> None:
        self.at("done")
        assert self.put() == [Put(KNOWN)]
        assert self.state() == DONE

    def test_an_event_whose_entry_is_gone_is_known(self) -> None:
        self.at("gone")
        assert self.put() == [Put(KNOWN)]
        assert self.state() is None

    def test_a_dead_event_is_due_again_with_fresh_tries(self) -> None:
        self.at("dead")
        self.advance(5)
        assert self.put() == [Put(AGAIN)]
        found = self.entry()
        assert found is not None
        assert (found.state, found.attempt, found.crashes) == (WAITING, 0, 0)
        assert self.near(found.due_at, self.clock.now)

    def test_a_dead_event_comes_again_with_its_new_head_and_body(self) -> None:
        self.at("dead")
        self.put(self.kept(head='{"v":1,"target":"/new"}', body=b"new"))
        (held,) = self.take()
        assert (held.kept.head, held.kept.body) == ('{"v":1,"target":"/new"}', b"new")

    def test_a_known_event_says_whether_its_body_is_the_first_one(self) -> None:
        self.put()
        assert self.put(self.kept(fingerprint=OTHER_BODY)) == [Put(KNOWN, same_fingerprint=False)]
        (held,) = self.take()
        assert held.kept.body == b'{"id":"evt_1"}'

    def test_a_dead_event_stays_dead_if_another_body_is_not_taken(self) -> None:
        self.at("dead")
        other = self.kept(fingerprint=OTHER_BODY, takes_other_body=False)
        assert self.put(other) == [Put(KNOWN, same_fingerprint=False)]
        assert self.state() == DEAD

    def test_a_dead_event_may_come_again_with_another_body(self) -> None:
        self.at("dead")
        assert self.put(self.kept(fingerprint=OTHER_BODY)) == [Put(AGAIN, same_fingerprint=False)]

    def test_several_events_are_stored_together(self) -> None:
        self.at("done", NEXT)
        assert [put.status for put in self.put(self.kept(), self.kept(NEXT), self.kept(THIRD))] == [STORED, KNOWN, STORED]
        assert {held.kept.key for held in self.take()} == {KEY, THIRD}

    def test_an_event_that_comes_twice_in_one_put_is_stored_once(self) -> None:
        assert [put.status for put in self.put(self.kept(), self.kept())] == [STORED, KNOWN]
        assert len(self.take()) == 1

    def test_a_put_of_nothing_stores_nothing(self) -> None:
        assert self.do(self.inbox.put([])) == []
        assert self.find() == []

    def test_a_put_that_fails_stores_none_of_its_events(self) -> None:
        broken = self.kept(NEXT)._replace(head=None)
        try:
            self.put(self.kept(), broken)
        except Exception:
            assert self.find() == []
            assert self.claim().status == ClaimStatus.ACQUIRED
        else:
            raise AssertionError("an event without a head was stored")

    def test_what_is_put_comes_back(self) -> None:
        event = self.kept(
            StoreKey("a/b", "é\u2028/…"),
            event_type="t\n\x01",
            head='{"v":1,"x":"\\u0000é"}',
            body=bytes(range(256)),
            content=b"\x00in",
        )
        self.put(event)
        (held,) = self.take()
        assert held.kept == event._replace(fingerprint=b"")
        assert held.key == event.key.idempotency_key
        assert (held.lane, held.attempt, held.crashes) == (LANE, 1, 0)
        assert self.near(held.received_at, self.clock.now)

    def test_a_large_body_comes_back(self) -> None:
        body = bytes(range(256)) * 4096
        self.put(self.kept(body=body))
        assert self.take()[0].kept.body == body

    def test_each_part_is_an_entry_of_its_own(self) -> None:
        self.put(self.kept(parts=("", "billing", "audit")))
        (billing,) = self.take(Lane("pay", "billing"))
        assert billing.key == f"{KEY.idempotency_key}.billing"
        assert self.complete(billing)
        (view,) = self.take()
        assert view.key == KEY.idempotency_key
        assert self.take(Lane("pay", "billing")) == []
        assert len(self.take(Lane("pay", "audit"))) == 1

    # --- put beside direct mode

    def test_an_event_that_a_direct_handler_is_running_is_not_stored(self) -> None:
        assert self.claim().status == ClaimStatus.ACQUIRED
        self.advance(20)
        (put,) = self.put()
        assert put.status == IN_PROGRESS
        assert self.near(put.retry_after, 40.0)
        assert self.find() == []

    def test_an_event_that_a_direct_handler_released_is_stored(self) -> None:
        self.claim()
        self.do(self.store.release(KEY, token=b"direct-012345678"))
        assert self.put()[0].status == STORED
        assert self.claim().status == ClaimStatus.DONE

    def test_an_event_that_failed_in_direct_mode_is_not_stored_with_another_body_if_that_is_not_taken(self) -> None:
        self.claim()
        self.do(self.store.release(KEY, token=b"direct-012345678"))
        other = self.kept(fingerprint=OTHER_BODY, takes_other_body=False)
        assert self.put(other) == [Put(KNOWN, same_fingerprint=False)]
        assert self.find() == []
        assert self.put()[0].status == STORED

    def test_an_event_whose_direct_handler_died_is_stored_and_the_dead_one_can_settle_nothing(self) -> None:
        self.claim()
        self.advance(61)
        assert self.put()[0].status == STORED
        assert self.do(self.store.complete(KEY, token=b"direct-012345678", retention=RETENTION)) is False
        assert self.do(self.store.release(KEY, token=b"direct-012345678")) is False
        assert len(self.take()) == 1

    def test_an_event_that_a_direct_handler_completed_is_known(self) -> None:
        self.claim()
        self.do(self.store.complete(KEY, token=b"direct-012345678", retention=RETENTION))
        assert self.put() == [Put(KNOWN)]
        assert self.find() == []

    def test_an_event_that_direct_mode_has_forgotten_is_stored(self) -> None:
        self.claim()
        self.do(self.store.complete(KEY, token=b"direct-012345678", retention=RETENTION))
        self.advance(RETENTION + 1)
        assert self.put(self.kept(fingerprint=OTHER_BODY)) == [Put(STORED)]
        assert self.claim(fingerprint=OTHER_BODY).same_fingerprint

    # --- take

    def test_a_taken_entry_is_held_and_counted(self) -> None:
        self.put()
        (held,) = self.take()
        assert len(held.token) == 16
        found = self.entry()
        assert found is not None
        assert (found.state, found.attempt) == (HELD, 1)
        assert self.near(found.due_at, self.clock.now + LEASE)

    def test_a_held_entry_is_not_taken(self) -> None:
        self.at("held")
        self.advance(LEASE - 1)
        assert self.take() == []

    def test_a_done_entry_is_not_taken(self) -> None:
        self.at("done")
        self.advance(LEASE + 1)
        assert self.take() == []

    def test_a_dead_entry_is_not_taken(self) -> None:
        self.at("dead")
        self.advance(LEASE + 1)
        assert self.take() == []

    def test_nothing_is_taken_before_it_is_due(self) -> None:
        self.release(self.at("held"), after=10)
        self.advance(9)
        assert self.take() == []
        self.advance(1.5)
        assert len(self.take()) == 1

    def test_no_more_is_taken_than_asked_for(self) -> None:
        self.put(*(self.kept(StoreKey("s", str(number))) for number in range(5)))
        assert [len(self.take(limit=2)) for _ in range(4)] == [2, 2, 1, 0]

    def test_the_longest_due_is_taken_first(self) -> None:
        for number in range(4):
            self.put(self.kept(StoreKey("s", str(number))))
            self.advance(1)
        assert [held.kept.key.id for held in self.take(limit=3)] == ["0", "1", "2"]

    def test_only_the_lane_s_own_entries_are_taken(self) -> None:
        self.put(self.kept(), self.kept(NEXT, endpoint="other"))
        assert [held.kept.key for held in self.take(Lane("other"))] == [NEXT]
        assert [held.kept.key for held in self.take()] == [KEY]

    def test_an_entry_is_due_exactly_while_it_can_be_taken(self) -> None:
        """Waiting and due, or held with its lease over; not in any other state."""
        assert not self.due()
        self.put()
        assert self.due()
        (held,) = self.take()
        assert not self.due()
        self.advance(LEASE + 1)
        assert self.due()
        (held,) = self.take()
        assert self.release(held, after=10.0)
        assert not self.due()
        self.advance(11)
        assert self.due()
        (held,) = self.take()
        assert self.complete(held)
        assert not self.due()
        self.at("dead", NEXT)
        assert not self.due()

    def test_a_question_for_due_entries_changes_nothing(self) -> None:
        """Not even an entry whose lease is over."""
        self.put()
        self.take()
        self.advance(LEASE + 1)
        before = self.entry()
        assert self.due()
        assert self.due()
        assert self.entry() == before

    def test_only_entries_of_the_lanes_asked_for_are_due(self) -> None:
        """Each lane of many counts, and no other."""
        others = [Lane("pay", "audit"), *(Lane(f"other-{number}") for number in range(120))]
        self.put()
        assert not self.due(*others)
        assert self.due(*others, LANE)
        assert self.due(LANE, *others)
        assert not self.do(self.inbox.due([]))

    def test_each_take_has_a_token_of_its_own(self) -> None:
        self.put(self.kept(), self.kept(NEXT))
        one, two = self.take()
        self.settle("give_back", one, one.token)
        (again,) = self.take()
        assert len({one.token, two.token, again.token}) == 3

    # --- take, after a worker died

    def _crash(self, times: int) -> Held:
        """Let that many workers die with the entry."""
        (held,) = self.take()
        for number in range(times):
            self.advance(LEASE + 1)
            taken = self.take()
            if not taken and number < 4:
                self.advance(200)  # longer than any wait of the schedule
                taken = self.take()
            if taken:
                (held,) = taken
        return held

    def test_an_entry_whose_worker_died_is_taken_again_immediately(self) -> None:
        self.put()
        self._crash(0)
        self.advance(LEASE + 1)
        (again,) = self.take()
        assert (again.attempt, again.crashes, again.tried) == (2, 1, 1)

    def test_an_entry_whose_second_worker_died_waits_by_the_schedule(self) -> None:
        self.put()
        self._crash(1)
        self.advance(LEASE + 1)
        assert self.take() == []
        found = self.entry()
        assert found is not None
        assert (found.state, found.crashes) == (WAITING, 2)
        assert found.due_at is not None
        assert 10.0 - self.slack <= found.due_at - self.clock.now <= 30.0 + self.slack, "20 s, more or less by half"

    def test_four_crashes_leave_the_entry_its_tries(self) -> None:
        self.put()
        held = self._crash(4)
        assert (held.crashes, held.tried) == (4, 1)

    def test_the_fifth_crash_is_the_last(self) -> None:
        self.put()
        died = self._crash(5)
        assert (died.crashes, died.token) == (CRASHES, b""), "so that its worker can report it"
        found = self.entry()
        assert found is not None
        assert (found.state, found.crashes, found.reason) == (DEAD, 5, "its worker died 5 times")
        self.advance(200)
        assert self.take() == []

    def test_the_last_crash_is_left_to_a_worker_that_reports_it(self) -> None:
        self.put()
        self._crash(4)
        self.advance(LEASE + 1)
        assert self.take_one() is None
        assert self.state() is HELD
        (died,) = self.take()
        assert (died.crashes, died.token) == (CRASHES, b"")

    def test_a_worker_that_was_given_up_can_settle_nothing(self) -> None:
        held = self.at("held")
        self.advance(LEASE + 1)
        (again,) = self.take()
        for how in ("complete", "release", "extend", "give_back", "give_up"):
            assert self.settle(how, held, held.token) is False, how
        assert self.state() == HELD
        assert self.complete(again)

    def test_a_late_worker_may_settle_what_nobody_has_taken_since(self) -> None:
        held = self.at("held")
        self.advance(LEASE + 1)
        assert self.complete(held)
        assert self.state() == DONE

    # --- take_one

    def test_a_waiting_entry_is_taken_by_its_key_due_or_not(self) -> None:
        self.release(self.at("held"), after=1000)
        held = self.take_one()
        assert held is not None
        assert (held.attempt, held.kept.key) == (2, KEY)

    def test_a_held_done_or_dead_entry_is_not_taken_by_its_key(self) -> None:
        for key, state in ((KEY, "held"), (NEXT, "done"), (THIRD, "dead")):
            self.at(state, key)
            assert self.take_one(key) is None

    def test_an_unknown_key_takes_nothing(self) -> None:
        assert self.take_one() is None
        for forged in ("", ".", "x", "x.y", "' OR 1=1 --", "é" * 200):
            assert self.do(self.inbox.take_one(forged, lease=LEASE, settings=SETTINGS)) is None

    def test_an_entry_whose_worker_died_is_taken_by_its_key(self) -> None:
        self.at("held")
        self.advance(LEASE + 1)
        held = self.take_one()
        assert held is not None
        assert held.crashes == 1

    def test_a_part_is_taken_by_its_own_key(self) -> None:
        self.put(self.kept(parts=("", "audit")))
        held = self.take_one(part="audit")
        assert held is not None
        assert held.lane == Lane("pay", "audit")
        assert self.take_one(part="unknown") is None

    # --- the holder settles

    def test_a_completed_entry_is_done(self) -> None:
        self.at("done")
        found = self.entry()
        assert found is not None
        assert (found.state, found.due_at) == (DONE, None)

    def test_a_completion_is_true_again_because_its_answer_may_be_lost(self) -> None:
        held = self.at("held")
        assert self.complete(held)
        self.advance(5)
        assert self.complete(held)
        assert self.complete(held, token=WRONG) is False

    def test_a_completion_with_nothing_to_keep_is_true_again(self) -> None:
        held = self.at("held")
        gone = InboxSettings(keep=0)
        assert self.complete(held, settings=gone)
        assert self.complete(held, settings=gone)

    def test_with_nothing_to_keep_the_body_is_gone_when_it_is_done(self) -> None:
        held = self.at("held")
        self.complete(held, settings=InboxSettings(keep=0))
        found = self.do(self.inbox.open(held.key))
        assert found is None or (found.body, found.content) == (b"", None)
        assert self.rerun() == 0
        self.prune()
        assert self.state() is None
        assert self.put() == [Put(KNOWN)]

    def test_a_released_entry_is_due_when_it_was_told(self) -> None:
        held = self.at("held")
        assert self.release(held, after=25.0)
        found = self.entry()
        assert found is not None
        assert (found.state, found.attempt, found.reason) == (WAITING, 1, "the handler answered 500")
        assert self.near(found.due_at, self.clock.now + 25.0)

    def test_an_entry_is_dead_when_its_tries_are_used_up(self) -> None:
        self.put()
        for _ in range(SETTINGS.tries):
            assert self.state() == WAITING
            (held,) = self.take()
            assert self.release(held, after=0.0)
        assert self.state() == DEAD

    def test_crashes_use_up_no_tries(self) -> None:
        self.put()
        held = self._crash(2)
        assert (held.attempt, held.crashes) == (3, 2)
        assert self.release(held, after=0.0)
        assert self.state() == WAITING

    def test_an_extended_lease_counts_from_now(self) -> None:
        held = self.at("held")
        self.advance(LEASE - 1)
        assert self.settle("extend", held, held.token)
        self.advance(LEASE - 1)
        assert self.take() == []
        self.advance(2)
        assert len(self.take()) == 1

    def test_an_entry_that_was_given_back_was_not_tried(self) -> None:
        held = self.at("held")
        assert self.settle("give_back", held, held.token)
        found = self.entry()
        assert found is not None
        assert (found.state, found.attempt) == (WAITING, 0)
        assert [again.attempt for again in self.take()] == [1]

    def test_an_entry_that_was_given_back_for_a_time_waits_so_long(self) -> None:
        held = self.at("held")
        assert self._yes(self.inbox.give_back(held.key, token=held.token, after=20.0))
        assert self.take() == []
        self.advance(19)
        assert self.take() == []
        self.advance(2)
        assert [again.attempt for again in self.take()] == [1]

    def test_an_entry_that_was_given_back_for_a_time_is_taken_by_its_key(self) -> None:
        held = self.at("held")
        assert self._yes(self.inbox.give_back(held.key, token=held.token, after=20.0))
        taken = self.take_one()
        assert taken is not None
        assert taken.attempt == 1

    def test_an_entry_that_was_given_up_is_dead_for_its_reason(self) -> None:
        self.at("dead")
        found = self.entry()
        assert found is not None
        assert (found.state, found.reason, found.due_at) == (DEAD, "gone", None)

    def test_a_long_reason_is_cut(self) -> None:
        held = self.at("held")
        self.do(self.inbox.give_up(held.key, token=held.token, reason="x" * 5000, settings=SETTINGS))
        found = self.entry()
        assert found is not None
        assert 100 <= len(found.reason) <= 1024

    def test_another_token_settles_nothing_in_any_state(self) -> None:
        for number, state in enumerate(STATES):
            held = self.at(state, key := StoreKey("s", str(number)))
            before = self.entry(key)
            for how in ("complete", "release", "extend", "give_back", "give_up"):
                assert self.settle(how, held, WRONG) is False, (state, how)
            assert self.entry(key) == before, state

    def test_the_last_holder_s_token_settles_nothing_after_the_entry_left_its_hands(self) -> None:
        for number, state in enumerate(("waiting", "done", "dead", "gone")):
            held = self.at(state, key := StoreKey("s", str(number)))
            before = self.entry(key)
            for how in ("release", "extend", "give_back", "give_up", *(("complete",) if state != "done" else ())):
                assert self.settle(how, held, held.token) is False, (state, how)
            assert self.entry(key) == before, state

    def test_a_token_settles_its_own_entry_only(self) -> None:
        one, two = self.at("held"), self.at("held", NEXT)
        assert self.complete(one, token=two.token) is False
        assert self.state() == HELD

    # --- rerun, drop, prune

    def test_a_done_or_dead_entry_is_rerun_from_the_start(self) -> None:
        for key, state in ((KEY, "done"), (NEXT, "dead")):
            self.at(state, key)
        assert self.rerun(KEY, NEXT) == 2
        for key in (KEY, NEXT):
            found = self.entry(key)
            assert found is not None
            assert (found.state, found.attempt, found.crashes, found.reason) == (WAITING, 0, 0, "rerun by anna: mended")
        assert len(self.take()) == 2

    def test_a_waiting_held_or_missing_entry_is_not_rerun(self) -> None:
        for key, state in ((KEY, "waiting"), (NEXT, "held"), (THIRD, "gone")):
            self.at(state, key)
        before = self.find()
        assert self.rerun(KEY, NEXT, THIRD) == 0
        assert self.find() == before

    def test_what_was_completed_before_a_rerun_completes_nothing_after_it(self) -> None:
        held = self.at("done")
        self.rerun()
        assert self.complete(held) is False
        assert self.state() == WAITING

    def test_a_waiting_done_or_dead_entry_is_dropped(self) -> None:
        for key, state in ((KEY, "waiting"), (NEXT, "done"), (THIRD, "dead")):
            self.at(state, key)
        assert self.drop(KEY, NEXT, THIRD) == 3
        assert self.find() == []

    def test_a_held_entry_is_not_dropped(self) -> None:
        held = self.at("held")
        assert self.drop() == 0
        assert self.complete(held)

    def test_a_dropped_event_is_remembered_for_its_retention(self) -> None:
        self.at("gone")
        self.advance(RETENTION - 1)
        assert self.claim().status == ClaimStatus.DONE
        self.advance(2)
        assert self.put() == [Put(STORED)]

    def test_a_done_entry_is_kept_and_then_pruned(self) -> None:
        self.at("done")
        self.advance(SETTINGS.keep - 1)
        assert self.prune() == 0
        self.advance(2)
        assert self.prune() == 1
        assert self.find() == []

    def test_a_dead_entry_is_kept_for_longer(self) -> None:
        self.at("dead")
        self.advance(SETTINGS.keep_dead - 1)
        assert self.prune() == 0
        self.advance(2)
        assert self.prune() == 1

    def test_a_waiting_or_held_entry_is_never_pruned(self) -> None:
        self.at("waiting")
        self.at("held", NEXT)
        self.advance(10 * SETTINGS.keep_dead)
        assert self.prune() == 0
        assert self.put() == [Put(KNOWN)], "its key has no end as long as it waits"

    def test_a_pruned_event_is_remembered_for_its_retention_from_then_on(self) -> None:
        self.at("done")
        self.advance(SETTINGS.keep + 5000)
        assert self.prune() == 1
        self.advance(RETENTION - 1)
        assert self.put() == [Put(KNOWN)]
        self.advance(2)
        assert self.put() == [Put(STORED)]

    def test_the_key_stays_until_the_last_part_is_gone(self) -> None:
        self.put(self.kept(parts=("", "audit")))
        (held,) = self.take()
        self.complete(held)
        self.advance(SETTINGS.keep + 1)
        assert self.prune() == 1
        self.advance(RETENTION + 1)
        assert self.put() == [Put(KNOWN)]

    def test_no_more_is_pruned_than_asked_for(self) -> None:
        for number in range(5):
            self.at("done", StoreKey("s", str(number)))
        self.advance(SETTINGS.keep + 1)
        assert [self.prune(2), self.prune(2), self.prune(2)] == [2, 2, 1]

    # --- forget

    def test_a_done_or_dead_event_is_forgotten_with_its_entry(self) -> None:
        for key, state in ((KEY, "done"), (NEXT, "dead"), (THIRD, "gone")):
            self.at(state, key)
            assert self.do(self.store.forget(key)) is True
            assert self.state(key) is None
            assert self.put(self.kept(key)) == [Put(STORED)]

    def test_an_event_that_is_waiting_or_held_is_not_forgotten(self) -> None:
        for key, state in ((KEY, "waiting"), (NEXT, "held")):
            self.at(state, key)
            assert self.do(self.store.forget(key)) is False
            assert self.put(self.kept(key)) == [Put(KNOWN)]
        assert self.do(self.store.forget(THIRD)) is False

    # --- lines

    def _line(self, *numbers: int, line: str = "a" * 64) -> list[StoreKey]:
        keys = [StoreKey("s", str(number)) for number in numbers]
        for key in keys:
            self.put(self.kept(key, line=line))
        return keys

    def test_only_the_first_of_a_line_is_taken(self) -> None:
        first, *_ = self._line(1, 2, 3)
        assert [held.kept.key for held in self.take()] == [first]
        assert self.take() == []

    def test_an_entry_behind_another_in_its_line_is_not_due(self) -> None:
        """Whether the first is held or waits for its next attempt."""
        self._line(1, 2)
        (held,) = self.take()
        assert not self.due()
        assert self.release(held, after=10.0)
        assert not self.due()
        self.advance(11)
        (held,) = self.take()
        assert self.complete(held)
        assert self.due()

    def test_the_next_of_a_line_follows_when_the_first_is_done_or_dead(self) -> None:
        one, two, three = self._line(1, 2, 3)
        (held,) = self.take()
        self.complete(held)
        (held,) = self.take()
        assert held.kept.key == two
        self.settle("give_up", held, held.token)
        assert [held.kept.key for held in self.take()] == [three]
        assert self.state(one) == DONE

    def test_a_first_that_failed_holds_its_line_back(self) -> None:
        first, *_ = self._line(1, 2)
        (held,) = self.take()
        self.release(held, after=50)
        assert self.take() == []
        self.advance(51)
        assert [held.kept.key for held in self.take()] == [first]

    def test_a_first_whose_worker_died_holds_its_line_back(self) -> None:
        first, *_ = self._line(1, 2)
        self.take()
        self.advance(LEASE + 1)
        assert [(held.kept.key, held.crashes) for held in self.take()] == [(first, 1)]

    def test_other_lines_and_entries_without_one_go_on(self) -> None:
        self._line(1, 2)
        self._line(3, 4, line="b" * 64)
        self.put(self.kept(StoreKey("s", "5")), self.kept(StoreKey("s", "6")))
        assert {held.kept.key.id for held in self.take()} == {"1", "3", "5", "6"}

    def test_a_follower_is_not_taken_by_its_key(self) -> None:
        one, two = self._line(1, 2)
        assert self.take_one(two) is None
        assert self.take_one(one) is not None
        assert self.take_one(two) is None

    def test_a_rerun_joins_its_line_and_never_runs_beside_another(self) -> None:
        one, two = self._line(1, 2)
        (held,) = self.take()
        self.complete(held)
        (other,) = self.take()
        assert self.rerun(one) == 1
        assert self.take() == [], "the second is held"
        self.complete(other)
        assert [held.kept.key for held in self.take()] == [one]
        assert self.state(two) == DONE

    def test_a_line_goes_on_when_its_first_is_dropped(self) -> None:
        one, two = self._line(1, 2)
        self.drop(one)
        assert [held.kept.key for held in self.take()] == [two]

    def test_each_part_of_a_line_goes_on_alone(self) -> None:
        for number in (1, 2):
            self.put(self.kept(StoreKey("s", str(number)), line="a" * 64, parts=("", "audit")))
        (audit,) = self.take(Lane("pay", "audit"))
        assert self.complete(audit)
        assert [held.kept.key.id for held in self.take(Lane("pay", "audit"))] == ["2"]
        assert [held.kept.key.id for held in self.take()] == ["1"]

    # --- looking

    def test_the_counts_are_by_lane_and_state(self) -> None:
        for number, state in enumerate(("held", "done", "done", "dead")):
            self.at(state, StoreKey("s", str(number)))
        self.put(self.kept(KEY), self.kept(NEXT, endpoint="other"))
        self.advance(7)
        counts: dict[tuple[Lane, EntryState], Count] = {(each.lane, each.state): each for each in self.do(self.inbox.counts())}
        assert {at: count.number for at, count in counts.items()} == {
            (LANE, WAITING): 1,
            (LANE, HELD): 1,
            (LANE, DONE): 2,
            (LANE, DEAD): 1,
            (Lane("other"), WAITING): 1,
        }
        waiting, held = counts[LANE, WAITING], counts[LANE, HELD]
        assert self.near(waiting.overdue, 7.0)
        assert self.near(waiting.oldest_due, self.clock.now - 7.0)
        assert held.overdue == 0.0
        assert counts[LANE, DONE].oldest_due is None

    def test_entries_are_found_by_state_endpoint_and_type(self) -> None:
        self.at("dead")
        self.put(self.kept(NEXT, endpoint="other"), self.kept(THIRD, event_type="invoice.sent"))
        assert [entry.event_id for entry in self.find(state=DEAD)] == ["evt_1"]
        assert [entry.event_id for entry in self.find(endpoint="other")] == ["evt_2"]
        assert [entry.event_id for entry in self.find(type="invoice.sent")] == ["evt_3"]
        assert self.find(state=DEAD, endpoint="other") == []

    def test_entries_are_found_by_the_beginning_of_their_key(self) -> None:
        self.put(self.kept(KEY), self.kept(NEXT))
        id = KEY.idempotency_key  # noqa: A001 - the contract's own word
        assert [entry.key for entry in self.find(key=id)] == [id]
        assert [entry.key for entry in self.find(key=id[:12])] == [id]
        assert len(self.find(key="")) == 2
        assert self.find(key=id[1:]) == []
        assert self.find(key=f"{id}x") == []
        assert self.find(key="%") == []
        assert self.find(key=f"{id}.billing") == []

    def test_entries_are_found_page_by_page_the_newest_first(self) -> None:
        for number in range(5):
            self.put(self.kept(StoreKey("s", str(number))))
        first = self.find(limit=2)
        second = self.find(limit=2, after=first[-1].seq)
        third = self.find(limit=2, after=second[-1].seq)
        assert [entry.event_id for entry in (*first, *second, *third)] == ["4", "3", "2", "1", "0"]
        assert [entry.seq for entry in (*first, *second, *third)] == sorted((entry.seq for entry in self.find()), reverse=True)

    def test_a_found_entry_tells_its_event(self) -> None:
        self.put()
        (found,) = self.find()
        assert found.key == KEY.idempotency_key
        assert (found.lane, found.scope, found.event_id, found.event_type) == (LANE, KEY.scope, KEY.id, "invoice.paid")
        assert found.size == len(b'{"id":"evt_1"}')

    def test_an_entry_is_opened_in_every_state(self) -> None:
        for number, state in enumerate(("waiting", "held", "done", "dead")):
            held = self.at(state, key := StoreKey("s", str(number)))
            assert self.do(self.inbox.open(held.key)) == self.kept(key)._replace(fingerprint=b"")
        assert self.do(self.inbox.open("unknown")) is None

    def test_it_says_what_an_answered_event_outlives(self) -> None:
        assert self.inbox.survives in ("power", "process")
