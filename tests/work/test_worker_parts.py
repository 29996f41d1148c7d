"""The worker's parts, each alone: whose turn it is, threads, leases, waits while the store is down."""

import asyncio
import logging
import threading
from concurrent.futures import TimeoutError as FutureTimeout
from types import SimpleNamespace

import pytest

from hookguard import Endpoint, StoreKey, Verifier
from hookguard.errors import StoreUnavailable
from hookguard.guard.bridge import call_inline
from hookguard.inbox.contract import Held, Kept, Lane
from hookguard.inbox.settings import InboxSettings
from hookguard.work.lanes import Lanes, OpenLane
from hookguard.work.leases import Leases
from hookguard.work.outage import Outage
from hookguard.work.threads import Threads


def daemon(run, name):
    return threading.Thread(target=run, name=name, daemon=True)


def test_each_call_has_a_thread_and_threads_are_used_again():
    threads = Threads(daemon, "test")
    together = threading.Barrier(3)

    def meet():
        together.wait(10)
        return threading.get_ident()

    async def main():
        first = set(await asyncio.gather(*[threads.run(meet) for _ in range(3)]))
        second = set(await asyncio.gather(*[threads.run(meet) for _ in range(3)]))
        return first, second

    first, second = asyncio.run(main())
    assert len(first) == 3
    assert second == first


def test_exception_of_a_call_in_a_thread_comes_back_and_the_thread_goes_on():
    threads = Threads(daemon, "test")

    def fail():
        raise SystemExit(threading.get_ident())

    async def main():
        try:
            await threads.run(fail)
        except SystemExit as error:
            return error.code, await threads.run(threading.get_ident)

    died, next_one = asyncio.run(main())
    assert died == next_one


def lane(name, *, was_empty=False):
    return SimpleNamespace(name=name, was_empty=was_empty)


def test_lanes_take_turns_and_the_one_that_took_comes_last():
    lanes = Lanes([lane("a"), lane("b"), lane("c")])
    order = [each.name for each in lanes.turn()]
    assert order == ["a", "b", "c"]
    lanes.took(next(iter(lanes.turn())))
    assert [each.name for each in lanes.turn()] == ["b", "c", "a"]
    lanes.took(list(lanes.turn())[1])
    assert [each.name for each in lanes.turn()] == ["a", "b", "c"]


def test_one_lane_fills_at_most_its_share_in_one_turn():
    assert Lanes([lane("a")]).share(8) == 8
    assert Lanes([lane("a"), lane("b"), lane("c")]).share(8) == 2
    assert Lanes([lane("a"), lane("b"), lane("c")]).share(1) == 1


def test_lane_that_was_empty_takes_nothing_from_the_share_of_the_others():
    assert Lanes([lane("a"), lane("b", was_empty=True), lane("c")]).share(8) == 4
    assert Lanes([lane("a", was_empty=True)]).share(8) == 8


def test_a_call_that_the_loop_had_no_time_for_is_not_made_later():
    class AwaitedInbox:
        called = False

        async def take(self):
            raise NotImplementedError

        async def extend(self):
            self.called = True

    inbox = AwaitedInbox()
    lane = OpenLane(Endpoint(Verifier("stripe", ["a-secret-that-is-long-enough"])), InboxSettings(), inbox, call_inline)

    async def main():
        loop, gave_up = asyncio.get_running_loop(), []

        def call():
            try:
                lane.call_from_thread(lambda inbox: inbox.extend(), loop, 0.05)
            except FutureTimeout as error:
                gave_up.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join(30)  # blocks the loop
        for _ in range(5):
            await asyncio.sleep(0)
        return len(gave_up)

    assert asyncio.run(main()) == 1
    assert not inbox.called


KEPT = Kept(key=StoreKey("github/github", "d-1"), endpoint="github", event_type="push", head="{}", body=b"{}")


def entry(token):
    return Held(key=token.hex(), lane=Lane("github"), token=token, attempt=1, crashes=0, received_at=0.0, kept=KEPT)


class Extended:
    """Records the calls of the leases' thread, and says when there were ``times``."""

    def __init__(self, answer=True, times=3):
        self.answer, self.times = answer, times
        self.calls, self.overrun = [], []
        self.reached = threading.Event()

    def extend(self, held):
        self.calls.append(held.token)
        if len(self.calls) >= self.times:
            self.reached.set()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def over(self, held):
        self.overrun.append(held.token)
        self.reached.set()


@pytest.fixture
def leases():
    made = []

    def make(extended, **options):
        found = Leases(extended.extend, extended.over, **{"lease": 0.06, "longest_run": 60.0, **options})
        made.append(found)
        found.start()
        return found

    yield make
    for each in made:
        each.stop()


def test_lease_is_extended_until_it_is_let_go(leases):
    extended = Extended()
    found = leases(extended)
    held = entry(b"a" * 16)
    found.hold(held)
    assert extended.reached.wait(10)
    assert 0 < found.let_go(held) <= 0.06
    assert found.let_go(held) == 0.0


def test_lease_whose_extension_fails_is_tried_again(leases, caplog):
    extended = Extended(StoreUnavailable("down"))
    leases(extended).hold(entry(b"a" * 16))
    assert extended.reached.wait(10)
    assert "a lease could not be extended" in caplog.text


def test_lost_lease_is_extended_no_more_and_logged(leases, caplog):
    extended = Extended(False, times=1)
    found = leases(extended)
    lost, other = entry(b"a" * 16), entry(b"b" * 16)
    found.hold(lost)
    assert extended.reached.wait(10)
    extended.answer, extended.times = True, 3
    extended.reached.clear()
    found.hold(other)
    assert extended.reached.wait(10)
    assert extended.calls.count(lost.token) == 1
    assert f"the entry {lost.key} was lost" in caplog.text


def test_run_longer_than_longest_run_is_reported_once_and_not_extended(leases):
    extended = Extended(times=99)
    found = leases(extended, longest_run=0.0)
    first, second = entry(b"a" * 16), entry(b"b" * 16)
    for held in (first, second):
        found.hold(held)
        assert extended.reached.wait(10)
        extended.reached.clear()
    assert (extended.calls, extended.overrun) == ([], [first.token, second.token])


def test_waits_for_a_store_grow_and_the_log_has_one_line_a_minute(caplog, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("hookguard.work.outage.time", SimpleNamespace(monotonic=lambda: now[0]))
    outage = Outage()
    waits, lines = [], []
    with caplog.at_level(logging.ERROR, "hookguard.work"):
        for _ in range(9):
            waits.append(outage.note(StoreUnavailable("the database is locked")))
            lines.append(len(caplog.records))
            now[0] += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert lines == [1, 1, 1, 1, 1, 1, 2, 2, 3]
    outage.over()
    assert outage.note(StoreUnavailable("again")) == 1
