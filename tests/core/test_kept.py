"""A call to a store is finished and its claim released, also when the caller is cancelled."""

import asyncio
from contextlib import suppress

import pytest

from hookguard import AsyncGuard, Guard, MemoryStore, Verifier, presets
from hookguard.batch import Batch
from hookguard.errors import StoreMisconfigured
from hookguard.place import InBody
from hookguard.preset import Preset
from hookguard.schemes.hmac import HmacScheme, SignatureHeader

SECRET = "a-secret-that-is-long-enough"


class Slow(MemoryStore):
    """Asynchronous, and waits before it answers."""

    def __init__(self):
        super().__init__()
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()

    async def _wait(self):
        self.asked.set()
        await self.gate.wait()

    async def claim(self, key, **asked):
        answer = super().claim(key, **asked)
        await self._wait()
        return answer

    async def complete(self, key, **asked):
        await self._wait()
        return super().complete(key, **asked)

    async def release(self, key, **asked):
        return super().release(key, **asked)


def delivery():
    return presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET)


async def cancelled_while_it_asks(store, steps):
    task = asyncio.ensure_future(steps)
    await store.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    store.gate.set()
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_claim_whose_caller_is_gone_is_released():
    async def scenario():
        store = Slow()
        guard = AsyncGuard(Verifier("stripe", SECRET), store)
        await cancelled_while_it_asks(store, guard.open(delivery()))
        receipt = await guard.open(delivery())
        assert receipt.reply is None, "the event waits for a lease that nobody works under"
        assert receipt.event.attempt == 2

    asyncio.run(scenario())


def test_a_handled_event_is_completed_although_the_sender_hung_up():
    async def scenario():
        store = Slow()
        store.gate.set()
        guard = AsyncGuard(Verifier("stripe", SECRET), store)
        receipt = await guard.open(delivery())
        store.gate.clear()
        store.asked.clear()
        await cancelled_while_it_asks(store, guard.settle(receipt, status=200))
        assert (await guard.open(delivery())).reply.status == 200

    asyncio.run(scenario())


ACME = Preset(
    name="acme",
    scheme=HmacScheme(signature=SignatureHeader("Acme-Signature", "{hex}")),
    event_id=InBody("id"),
    batch=Batch(),
)


class CannotRelease(MemoryStore):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def release(self, key, **asked):
        raise self.error


@pytest.mark.parametrize("error", [StoreMisconfigured("the password was changed"), RuntimeError("a bug")])
def test_an_event_of_a_batch_that_could_not_be_released_is_not_answered_2xx(error):
    guard = Guard(Verifier(ACME, SECRET), CannotRelease(error))
    receipt = guard.open(ACME.sign(b'[{"id": "1"}, {"id": "2"}]', SECRET))
    with suppress(RuntimeError):  # an error that is not ours goes the framework's way
        guard.settle(receipt, error=OSError("the handler's"))
    following = guard.next(receipt)
    assert following.event.id == "2"
    guard.settle(following, status=204)
    assert guard.next(following).reply.status >= 500


class CannotComplete(MemoryStore):
    def complete(self, key, **asked):
        raise StoreMisconfigured("the password was changed")


def test_a_store_that_is_misconfigured_when_an_event_is_completed_is_answered_503():
    guard = Guard(Verifier("stripe", SECRET), CannotComplete())
    reply = guard.settle(guard.open(delivery()), status=200)
    assert reply.status == 503
