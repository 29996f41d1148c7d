"""Real time and short leases: the tests check what happens without a call."""

import asyncio
import json
import logging
import threading
import time

import pytest

from hookguard import AsyncGuard, Endpoint, Guard, MemoryStore, SQLiteStore, StoreUnavailable, Verifier, presets

SECRET = "a-secret-that-is-long-enough"
#: Long enough that a busy machine does not keep the heartbeat's thread waiting until its end.
LEASE = 1.2


def stripe(event_id="evt_1"):
    return presets.STRIPE.sign(json.dumps({"id": event_id}).encode(), SECRET)


def endpoint(**options):
    return Endpoint(Verifier("stripe", SECRET), lease=LEASE, **options)


class BlockingStoreAdapter:
    """A store that is awaited, over a real one."""

    def __init__(self, store):
        self.store = store
        self.capabilities = store.capabilities

    async def claim(self, key, **arguments):
        return self.store.claim(key, **arguments)

    async def complete(self, key, **arguments):
        return self.store.complete(key, **arguments)

    async def release(self, key, **arguments):
        return self.store.release(key, **arguments)

    async def extend(self, key, **arguments):
        return self.store.extend(key, **arguments)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "claims.sqlite3")


def beats():
    return [thread for thread in threading.enumerate() if thread.name == "hookguard-heartbeat"]


def wait_until_silent():
    deadline = time.monotonic() + 30
    while beats():
        assert time.monotonic() < deadline, "the heartbeat goes on with nothing to extend"
        time.sleep(0.01)


def test_a_long_handler_keeps_its_claim(store):
    guard = Guard(endpoint(heartbeat=True), store)
    receipt = guard.open(stripe())
    time.sleep(1.5 * LEASE)
    assert guard.open(stripe()).reply.status == 503
    assert guard.settle(receipt, status=200) is None
    assert guard.open(stripe()).reply.status == 200
    wait_until_silent()


def test_a_claim_without_a_heartbeat_is_taken_over(store):
    """The negative control: a heartbeat that did nothing would pass the test above only if this one failed."""
    guard = Guard(endpoint(), store)
    receipt = guard.open(stripe())
    time.sleep(1.5 * LEASE)
    assert guard.open(stripe()).event.attempt == 2
    assert guard.settle(receipt, status=200).status == 503
    assert beats() == []


def test_a_worker_that_stops_beating_is_taken_over_one_lease_later(store):
    guard = Guard(endpoint(heartbeat=True), store)
    receipt = guard.open(stripe())
    time.sleep(1.5 * LEASE)
    guard.settle(receipt, error=SystemExit())
    assert guard.open(stripe()).reply.status == 503
    time.sleep(1.5 * LEASE)
    second = guard.open(stripe())
    assert second.event.attempt == 2
    guard.settle(second, status=500)
    wait_until_silent()


def test_one_thread_serves_many_and_another_begins_when_it_has_ended():
    guard = Guard(endpoint(heartbeat=True), MemoryStore())
    for _ in range(2):
        receipts = [guard.open(stripe(f"evt_{number}")) for number in range(20)]
        time.sleep(LEASE)
        assert len(beats()) == 1
        for receipt in receipts:
            assert guard.settle(receipt, status=500) is None
        wait_until_silent()


@pytest.mark.parametrize("wrap", [lambda store: store, BlockingStoreAdapter], ids=["plain store", "awaited store"])
def test_an_async_guard_beats_too(wrap):
    async def handle():
        guard = AsyncGuard(endpoint(heartbeat=True), wrap(MemoryStore()))
        receipt = await guard.open(stripe())
        await asyncio.sleep(1.5 * LEASE)
        assert (await guard.open(stripe())).reply.status == 503
        assert await guard.settle(receipt, status=200) is None
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        return (await guard.open(stripe())).reply.status

    assert asyncio.run(handle()) == 200
    wait_until_silent()


class Failing(MemoryStore):
    """Cannot extend: the first time the store is down, afterwards the claim is another's."""

    def __init__(self):
        super().__init__()
        self.extended = 0

    def extend(self, key, **arguments):
        self.extended += 1
        if self.extended == 1:
            raise StoreUnavailable("down")
        return False


@pytest.mark.parametrize("kind", ["Guard", "AsyncGuard", "AsyncGuard and awaited"])
def test_a_claim_that_cannot_be_kept_is_logged_and_given_up(kind, caplog):
    caplog.set_level(logging.WARNING, "hookguard")
    store = Failing()

    async def handle():
        guard = AsyncGuard(endpoint(heartbeat=True), BlockingStoreAdapter(store) if "awaited" in kind else store)
        receipt = await guard.open(stripe())
        await asyncio.sleep(1.5 * LEASE)
        await guard.settle(receipt, status=500)

    if kind == "Guard":
        guard = Guard(endpoint(heartbeat=True), store)
        receipt = guard.open(stripe())
        time.sleep(1.5 * LEASE)
        guard.settle(receipt, status=500)
    else:
        asyncio.run(handle())
    messages = [record.getMessage() for record in caplog.records]
    assert any("the next heartbeat retries it: down" in message for message in messages)
    assert any("was lost" in message for message in messages)
    assert store.extended == 2
