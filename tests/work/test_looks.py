"""The looks of a worker that has nothing to do: cheap, for all lanes together, and soon enough."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from hookguard.errors import StoreUnavailable
from hookguard.inbox.contract import Lane
from hookguard.work import looks
from hookguard.work.looks import Looks
from hookguard.work.wake import Wake

LANES = [Lane("stripe"), Lane("stripe", "audit"), Lane("github")]


class Inbox:
    """Records each question for due entries; answers with ``found``, or raises it."""

    def __init__(self, found=False):
        self.found = found
        self.asked = []
        self.reached = threading.Event()

    def take(self):
        raise AssertionError("nothing is taken")

    def due(self, lanes):
        self.asked.append(list(lanes))
        if len(self.asked) >= 3:
            self.reached.set()
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class AwaitedInbox(Inbox):
    async def take(self):
        raise AssertionError("nothing is taken")

    async def due(self, lanes):
        return super().due(lanes)


class NoticingInbox(Inbox):
    def __init__(self, found=False):
        super().__init__(found)
        self.is_changed = False

    def changed(self):
        changed, self.is_changed = self.is_changed, False
        return changed


def lanes_of(inbox):
    async def call(operation):
        return await operation(inbox)

    return [SimpleNamespace(inbox=inbox, lane=lane, in_thread=asyncio.to_thread, call=call) for lane in LANES]


def wait(inbox, *, meanwhile=lambda wake: None, has_room=lambda lane: True):
    """Wait as a worker does, while a thread does something else; return the seconds."""

    async def run():
        wake = Wake()
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=meanwhile, args=(lambda: loop.call_soon_threadsafe(wake.set),))
        thread.start()
        began = time.monotonic()
        await Looks(lanes_of(inbox), has_room, wake).wait()
        took = time.monotonic() - began
        await asyncio.to_thread(thread.join)
        return took

    return asyncio.run(run())


@pytest.fixture(params=[Inbox, AwaitedInbox])
def inbox(request):
    return request.param()


def test_due_entry_ends_the_wait(inbox):
    def put(wake):
        assert inbox.reached.wait(30)
        inbox.found = True

    assert wait(inbox, meanwhile=put) < looks.LONGEST
    assert len(inbox.asked) > 3


def test_one_question_is_for_all_lanes_that_have_room(inbox):
    inbox.found = True
    wait(inbox, has_room=lambda lane: lane.lane.endpoint == "stripe")
    assert inbox.asked == [LANES[:2]]


def test_lanes_without_room_are_not_asked_for(inbox, monkeypatch):
    monkeypatch.setattr(looks, "LONGEST", 0.5)
    inbox.found = True
    assert wait(inbox, has_room=lambda lane: False) >= 0.5
    assert inbox.asked == []


def test_error_ends_the_wait_because_the_worker_meets_it_too(inbox):
    inbox.found = StoreUnavailable("down")
    assert wait(inbox) < looks.LONGEST
    assert len(inbox.asked) == 1


def test_busy_worker_is_woken_before_it_looks(inbox):
    inbox.found = True
    wait(inbox, meanwhile=lambda wake: wake())
    assert inbox.asked == []


def test_woken_worker_looks_no_more(inbox):
    def free(wake):
        assert inbox.reached.wait(30)
        wake()

    assert wait(inbox, meanwhile=free) < looks.LONGEST
    asked = len(inbox.asked)
    time.sleep(3 * looks.LOOK)
    assert len(inbox.asked) <= asked + 1  # a question that was on its way


def test_worker_takes_now_and_then_without_a_look(inbox, monkeypatch):
    monkeypatch.setattr(looks, "LONGEST", 0.4)
    assert wait(inbox) >= 0.4


def test_slow_looks_are_fewer(monkeypatch):
    monkeypatch.setattr(looks, "LONGEST", 1.0)
    quick, slow = Inbox(), Inbox()
    due = slow.due

    def slowly(lanes):
        time.sleep(0.03)
        return due(lanes)

    slow.due = slowly
    wait(quick)
    wait(slow)
    assert len(slow.asked) <= 2 < len(quick.asked)


def test_inbox_that_notices_changes_is_asked_after_a_change(monkeypatch):
    monkeypatch.setattr(looks, "RETRY", 60.0)
    inbox = NoticingInbox()

    def write(wake):
        time.sleep(5 * looks.GLANCE)
        assert len(inbox.asked) <= 1  # the first look is one
        inbox.found, inbox.is_changed = True, True

    assert wait(inbox, meanwhile=write) < looks.LONGEST


def test_inbox_that_notices_changes_is_asked_for_retries_too():
    inbox = NoticingInbox()

    def pass_time(wake):
        time.sleep(2 * looks.GLANCE)
        inbox.found = True

    assert wait(inbox, meanwhile=pass_time) < looks.LONGEST


def test_thread_that_cannot_start_ends_the_wait():
    inbox = Inbox()
    lanes = lanes_of(inbox)

    async def in_thread(call):
        raise RuntimeError("can't start new thread")

    lanes[0].in_thread = in_thread

    async def run():
        await asyncio.wait_for(Looks(lanes, lambda lane: True, Wake()).wait(), looks.LONGEST / 2)

    asyncio.run(run())
    assert inbox.asked == []


def test_worker_that_is_woken_starts_no_second_look_while_one_is_slow(monkeypatch):
    monkeypatch.setattr(looks, "LOOK", 0.01)
    inbox, may_end = Inbox(), threading.Event()

    def due(lanes):
        inbox.asked.append(lanes)
        return not may_end.wait(10)

    inbox.due = due

    async def run():
        wake, loop = Wake(), asyncio.get_running_loop()
        waits = Looks(lanes_of(inbox), lambda lane: True, wake)
        for _ in range(5):
            wake.clear()
            loop.call_later(0.1, wake.set)
            await waits.wait()
        assert len(inbox.asked) == 1
        wake.clear()
        loop.call_later(0.1, may_end.set)
        began = time.monotonic()
        await waits.wait()  # the end of the slow look ends this wait: it may have found something
        assert time.monotonic() - began < 5

    try:
        asyncio.run(run())
    finally:
        may_end.set()
