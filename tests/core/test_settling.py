"""A store that cannot complete or release for a moment costs no second run and loses nothing."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from guards import SECRET, Async, Faulty, Sync

from hookguard import AsyncGuard, Endpoint, Guard, MemoryStore, StoreUnavailable, Verifier, presets
from hookguard.errors import EventIdReused, LeaseLost
from hookguard.guard import settling
from hookguard.testing import FrozenClock


def stripe(event_id="evt_1", **fields):
    return presets.STRIPE.sign(json.dumps({"id": event_id, **fields}).encode(), SECRET)


def eventually(what, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


async def eventually_on_loop(what):
    while not what():  # noqa: ASYNC110 - what is waited for has no event to tell it
        await asyncio.sleep(0.005)


#: Threads that tests before this one left at work: their stores stay down.
_older = set()


@pytest.fixture(autouse=True)
def threads_of_this_test():
    _older.update(threading.enumerate())


def settlers():
    return [thread for thread in threading.enumerate() if thread.name == "hookguard-settle" and thread not in _older]


@pytest.fixture
def clock():
    return FrozenClock(time.time())


@pytest.fixture
def inner(clock):
    return MemoryStore(clock=clock)


@pytest.fixture
def store(inner):
    made = Faulty(inner)
    yield made
    made.before.clear()
    eventually(lambda: not settlers())


class OtherWorker:
    """Another process, as far as a test can say: it shares the store and knows nothing of the first one's backlog."""

    def __init__(self, inner):
        self.guard = Guard(Verifier("stripe", SECRET), Faulty(inner))

    def hears(self, delivery=None):
        receipt = self.guard.open(delivery or stripe())
        return receipt.reply.status if receipt.reply else receipt.event.attempt


@pytest.fixture
def impatient(monkeypatch):
    """Replies that wait for a moment only, so that tests of what comes after need not."""
    monkeypatch.setattr(settling, "REPLY_WAITS", 0.05)


class Times:
    """Fails an operation so many times."""

    def __init__(self, store, name, times):
        self.left = times
        self._original = getattr(store, name)
        setattr(store, name, self)

    def __call__(self, *args, **kwargs):
        if self.left:
            self.left -= 1
            raise StoreUnavailable("restarting")
        return self._original(*args, **kwargs)


@pytest.mark.parametrize("kind", [Sync, Async], ids=lambda kind: kind.name)
@pytest.mark.parametrize("times", [1, 3])
def test_completion_that_fails_for_a_moment_is_made_before_the_reply(kind, inner, times):
    outcomes = []
    Times(inner, "complete", times)
    guard = kind(Endpoint(Verifier("stripe", SECRET), observers=[outcomes.append]), inner)
    assert guard.settle(guard.open(stripe()), status=204) is None
    assert guard.open(stripe()).reply.status == 200
    assert [outcome.outcome for outcome in outcomes] == ["handled", "duplicate"]


@pytest.mark.parametrize("kind", [Sync, Async], ids=lambda kind: kind.name)
def test_release_that_fails_for_a_moment_is_made_before_the_reply(kind, inner):
    outcomes = []
    Times(inner, "release", 2)
    guard = kind(Endpoint(Verifier("stripe", SECRET), observers=[outcomes.append]), inner)
    assert guard.settle(guard.open(stripe()), status=500) is None
    assert "released" not in outcomes[-1].reason
    assert OtherWorker(inner).hears() == 2


def test_completion_that_fails_for_longer_is_made_in_the_background(store, inner, impatient, caplog):
    caplog.set_level(logging.INFO, "hookguard")
    guard = Guard(Verifier("stripe", SECRET), store)
    receipt = guard.open(stripe())
    store.before = {"complete"}
    assert guard.settle(receipt, status=204).status == 503
    other = OtherWorker(inner)
    assert other.hears() == 503
    assert len(settlers()) == 1
    store.before = set()
    eventually(lambda: not settlers())
    assert other.hears() == 200
    assert any("completion of 'evt_1'" in message and "succeeded late" in message for message in caplog.messages)


def test_release_that_fails_for_longer_is_made_in_the_background(store, inner, impatient):
    guard = Guard(Verifier("stripe", SECRET), store)
    receipt = guard.open(stripe())
    store.before = {"release"}
    assert guard.settle(receipt, error=ValueError()) is None
    other = OtherWorker(inner)
    assert other.hears() == 503
    store.before = set()
    eventually(lambda: not settlers())
    assert other.hears() == 2


@pytest.mark.parametrize("kind", [Sync, Async], ids=lambda kind: kind.name)
@pytest.mark.parametrize(("status", "operation", "then"), [(204, "complete", 200), (500, "release", 2)])
def test_next_delivery_of_the_event_settles_it_first(kind, store, impatient, status, operation, then):
    guard = kind(Endpoint(Verifier("stripe", SECRET)), store)
    receipt = guard.open(stripe())
    store.before = {operation}
    guard.settle(receipt, status=status)
    again = guard.open(stripe())
    assert again.reply.status == 503, "while the store is down nothing is known"
    store.before = set()
    receipt = guard.open(stripe())
    assert (receipt.reply.status if receipt.reply else receipt.event.attempt) == then


def test_answer_that_got_lost_causes_no_second_run(store, inner, impatient):
    """The store completed the event and the answer did not arrive: the next try hears that it was done."""
    guard = Guard(Verifier("stripe", SECRET), store)
    receipt = guard.open(stripe())
    store.after = {"complete"}
    assert guard.settle(receipt, status=204).status == 503
    store.after = set()
    eventually(lambda: not settlers())
    assert OtherWorker(inner).hears() == 200


def test_lease_that_was_taken_over_meanwhile_is_logged_and_not_completed(store, inner, clock, impatient, caplog):
    guard = Guard(Verifier("stripe", SECRET), store)
    receipt = guard.open(stripe())
    store.before = {"complete"}
    guard.settle(receipt, status=204)
    clock.advance(61)
    other = OtherWorker(inner)
    assert other.hears() == 2
    store.before = set()
    eventually(lambda: not settlers())
    assert "came too late" in caplog.text
    assert other.hears() == 503, "the other worker's claim stands"


def test_completion_is_given_up_after_a_lease(store, impatient, caplog):
    guard = Guard(Endpoint(Verifier("stripe", SECRET), lease=1.0), store)
    receipt = guard.open(stripe())
    store.before = {"complete"}
    assert guard.settle(receipt, status=204).status == 503
    eventually(lambda: not settlers())
    assert "failed for a whole lease" in caplog.text
    assert store.calls.count("complete") > 2


def test_many_completions_take_one_thread_and_one_probe_at_a_time(store, inner, impatient):
    guards = [Guard(Endpoint(Verifier("stripe", SECRET), name=f"endpoint-{number}"), store) for number in range(3)]
    receipts = [(guard, guard.open(stripe(f"evt_{number}"))) for guard in guards for number in range(10)]
    store.before = {"complete"}
    threads = [threading.Thread(target=guard.settle, args=(receipt,), kwargs={"status": 204}) for guard, receipt in receipts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(settlers()) == 1
    tried = store.calls.count("complete")
    time.sleep(0.5)
    assert store.calls.count("complete") - tried < 10, "a store that is down is not asked for each of 30 events"
    store.before = set()
    eventually(lambda: not settlers())
    for guard, _ in receipts:
        assert guard.open(stripe("evt_7")).reply.status == 200


def test_backlog_is_bounded(store, impatient, monkeypatch, caplog):
    monkeypatch.setattr(settling, "MOST", 2)
    guard = Guard(Verifier("stripe", SECRET), store)
    receipts = [guard.open(stripe(f"evt_{number}")) for number in range(3)]
    store.before = {"complete"}
    assert [guard.settle(receipt, status=204).status for receipt in receipts] == [503] * 3
    assert "completion of 'evt_2' in 'stripe/stripe' cannot be retried" in caplog.text


def test_claim_that_always_fails_holds_no_other_back(inner, impatient):
    class Picky(Faulty):
        def complete(self, key, **arguments):
            if key.id == "evt_bad" and "picky" in self.before:
                raise StoreUnavailable("never")
            return super().complete(key, **arguments)

    store = Picky(inner)
    guard = Guard(Verifier("stripe", SECRET), store)
    receipts = [guard.open(stripe(event_id)) for event_id in ("evt_bad", "evt_1", "evt_2")]
    store.before = {"complete", "picky"}
    for receipt in receipts:
        guard.settle(receipt, status=204)
    store.before = {"picky"}
    other = OtherWorker(inner)
    eventually(lambda: other.hears(stripe("evt_1")) == other.hears(stripe("evt_2")) == 200)
    store.before = set()
    eventually(lambda: not settlers())
    assert other.hears(stripe("evt_bad")) == 200


def test_no_thread_runs_beside_a_healthy_store(inner):
    guard = Guard(Verifier("stripe", SECRET), inner)
    guard.settle(guard.open(stripe()), status=204)
    guard.settle(guard.open(stripe("evt_2")), status=500)
    assert settlers() == []
    code = "import threading, hookguard, hookguard.guard.settling; print(threading.active_count())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "1"


def test_open_endpoint_answers_immediately_and_the_event_is_completed_later(store, inner, monkeypatch):
    monkeypatch.setattr(settling, "REPLY_WAITS", 60.0)
    guard = Guard(Endpoint(Verifier("stripe", SECRET), on_outage="open"), store)
    receipt = guard.open(stripe())
    store.before = {"complete"}
    began = time.monotonic()
    assert guard.settle(receipt, status=204) is None
    assert time.monotonic() - began < settling.REPLY_WAITS / 2
    store.before = set()
    eventually(lambda: not settlers())
    assert OtherWorker(inner).hears() == 200


@pytest.mark.parametrize("kind", [Sync, Async], ids=lambda kind: kind.name)
def test_reused_id_is_rejected_although_its_claim_cannot_be_released_yet(kind, store, inner, impatient):
    guard = kind(Endpoint(Verifier("stripe", SECRET), on_reused_id="reject"), store)
    guard.settle(guard.open(stripe()), status=500)
    store.before = {"release"}
    receipt = guard.open(stripe(amount=2))
    assert (receipt.reply.status, type(receipt.error)) == (422, EventIdReused)
    store.before = set()
    assert guard.open(stripe()).event.attempt == 3


def test_transaction_that_could_not_be_committed_is_not_tried_again(store, inner):
    store.capabilities = inner.capabilities._replace(transactional=True)
    guard = Guard(Verifier("stripe", SECRET), store)
    receipt = guard.open(stripe())
    store.before = {"complete"}
    assert guard.settle(receipt, status=204).status == 503
    assert store.calls.count("complete") == 1
    assert settlers() == []


# --- stores that are awaited


class BlockingStoreAdapter:
    """A store that is awaited, over a real one."""

    def __init__(self, store):
        self.store = store
        self.capabilities = store.capabilities

    async def claim(self, key, **arguments):
        await asyncio.sleep(0)
        return self.store.claim(key, **arguments)

    async def complete(self, key, **arguments):
        await asyncio.sleep(0)
        return self.store.complete(key, **arguments)

    async def release(self, key, **arguments):
        await asyncio.sleep(0)
        return self.store.release(key, **arguments)


def test_awaited_store_is_tried_again_by_one_task_that_ends(store, inner, impatient):
    async def scenario():
        guard = AsyncGuard(Verifier("stripe", SECRET), BlockingStoreAdapter(store))
        receipts = [await guard.open(stripe(f"evt_{number}")) for number in range(20)]
        before = len(asyncio.all_tasks())
        store.before = {"complete"}
        replies = await asyncio.gather(*(guard.settle(receipt, status=204) for receipt in receipts))
        assert {reply.status for reply in replies} == {503}
        assert len(asyncio.all_tasks()) == before + 1
        assert settlers() == []
        store.before = set()
        await eventually_on_loop(lambda: len(asyncio.all_tasks()) == before)
        other = OtherWorker(inner)
        assert {other.hears(stripe(f"evt_{number}")) for number in range(20)} == {200}

    asyncio.run(asyncio.wait_for(scenario(), 10))


@pytest.mark.parametrize("wrap", [lambda store: store, BlockingStoreAdapter], ids=["plain store", "awaited store"])
def test_loop_serves_others_while_a_reply_waits(store, wrap):
    async def scenario():
        guard = AsyncGuard(Verifier("stripe", SECRET), wrap(store))
        receipt = await guard.open(stripe())
        store.before = {"complete"}
        settled = asyncio.ensure_future(guard.settle(receipt, status=204))
        for _ in range(20):
            await asyncio.sleep(0.002)
        assert not settled.done()
        store.before = set()
        assert await settled is None

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_sender_that_hangs_up_while_the_reply_waits_stops_nothing(store, inner):
    async def scenario():
        guard = AsyncGuard(Verifier("stripe", SECRET), BlockingStoreAdapter(store))
        receipt = await guard.open(stripe())
        store.before = {"complete"}
        settling = asyncio.ensure_future(guard.settle(receipt, status=204))
        await asyncio.sleep(0.05)
        settling.cancel()
        store.before = set()
        other = OtherWorker(inner)
        await eventually_on_loop(lambda: other.hears() == 200)

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_end_of_the_loop_is_one_more_try(store, inner, impatient):
    async def scenario():
        guard = AsyncGuard(Verifier("stripe", SECRET), BlockingStoreAdapter(store))
        receipt = await guard.open(stripe())
        store.before = {"complete"}
        assert (await guard.settle(receipt, status=204)).status == 503
        store.before = set()

    asyncio.run(scenario())
    assert OtherWorker(inner).hears() == 200


def test_work_left_at_the_end_of_the_loop_is_logged_and_taken_up_by_another_loop(store, inner, impatient, caplog):
    kept = BlockingStoreAdapter(store)
    guard = AsyncGuard(Verifier("stripe", SECRET), kept)

    async def fail():
        receipt = await guard.open(stripe())
        store.before = {"complete"}
        await guard.settle(receipt, status=204)

    asyncio.run(fail())
    assert "1 claims could not be settled before the process or event loop ended." in caplog.text
    store.before = set()

    async def another():
        await guard.open(stripe("evt_2"))
        await eventually_on_loop(lambda: OtherWorker(inner).hears() == 200)

    asyncio.run(asyncio.wait_for(another(), 10))


def test_lost_lease_found_while_the_reply_waits_is_what_the_sender_hears(inner, clock):
    Times(inner, "complete", 2)
    guard = Guard(Verifier("stripe", SECRET), inner)
    receipt = guard.open(stripe())
    clock.advance(61)
    OtherWorker(inner).hears()
    assert guard.settle(receipt, status=204).status == 503
    assert isinstance(receipt.error, LeaseLost)


# --- the end of a process, and forks

PROGRAM = """
import os, sys, threading
from hookguard import Guard, SQLiteStore, StoreUnavailable, Verifier, presets
from hookguard.guard import settling
settling.REPLY_WAITS = 0.01
SECRET = "a-secret-that-is-long-enough"
class Store(SQLiteStore):
    down = False
    def complete(self, key, **arguments):
        if self.down:
            raise StoreUnavailable("restarting")
        return super().complete(key, **arguments)
store = Store(sys.argv[1])
guard = Guard(Verifier("stripe", SECRET), store)
receipt = guard.open(presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET))
store.down = True
assert guard.settle(receipt, status=204).status == 503
"""


def run(folder, ending):
    path = folder / "claims.sqlite3"
    code = PROGRAM + textwrap.dedent(ending)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=True)
    from hookguard import SQLiteStore

    store = SQLiteStore(path)
    receipt = Guard(Verifier("stripe", SECRET), store).open(stripe())
    store.close()
    return receipt.reply.status, done


def test_end_of_the_process_is_one_more_try(tmp_path):
    status, _ = run(tmp_path, "settling.LATER = settling.SOON = 60; store.down = False")
    assert status == 200


def test_work_left_at_the_end_of_the_process_is_logged_and_does_not_delay_it(tmp_path):
    began = time.monotonic()
    status, done = run(tmp_path, "")
    assert status == 503
    assert "1 claims could not be settled before the process or event loop ended." in done.stderr
    assert time.monotonic() - began < 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_child_that_was_forked_leaves_its_parents_work_alone_and_can_do_its_own(tmp_path):
    status, _ = run(
        tmp_path,
        """
        asked = []
        complete = SQLiteStore.complete
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside a thread is what is tested
        if os.fork() == 0:
            second = guard.open(presets.STRIPE.sign(b'{"id": "evt_2"}', SECRET))
            SQLiteStore.complete = lambda self, key, **arguments: asked.append(key.id) or complete(self, key, **arguments)
            assert guard.settle(second, status=204).status == 503
            store.down = False
            while not asked:
                pass
            for thread in threading.enumerate():
                if thread.name == "hookguard-settle":
                    thread.join(10)
            os._exit(0 if asked == ["evt_2"] else 1)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
        store.down = False
        """,
    )
    assert status == 200
