import asyncio

import pytest
from guards import SECRET

from hookguard import AsyncGuard, Guard, MemoryStore, SQLiteStore, Verifier, presets
from hookguard.awaited import Awaited, at_once
from hookguard.checkup import describe, look_at, try_out
from hookguard.errors import StoreMisconfigured, StoreUnavailable
from hookguard.store import Claim, ClaimStatus


class Talking(MemoryStore):
    """Says something of itself, once for each look."""

    said = ("its clock is 7 s ahead",)
    error = None

    def __init__(self):
        super().__init__()
        self.looks = 0

    def check(self):
        self.looks += 1
        if self.error:
            raise self.error
        return list(self.said)


class TalkingLater(Talking):
    async def check(self):
        return super().check()

    async def claim(self, key, **asked):
        return super().claim(key, **asked)


def stripe(event_id="evt_1", secret=SECRET):
    return presets.STRIPE.sign(b'{"id": "%s"}' % event_id.encode(), secret)


def guard(store):
    return Guard(Verifier("stripe", SECRET), store)


def test_a_store_is_looked_at_once_before_its_first_claim(caplog):
    store = Talking()
    for _ in range(2):
        receiving = guard(store)
        receiving.open(stripe("evt_1"))
        receiving.open(stripe("evt_2"))
    assert store.looks == 1
    assert caplog.text.count("its clock is 7 s ahead") == 1


def test_a_forged_delivery_does_not_make_anyone_look():
    store = Talking()
    guard(store).open(stripe(secret="another-secret-that-is-long"))
    assert store.looks == 0


def test_starting_looks_without_a_delivery():
    store = Talking()
    guard(store).start()
    assert store.looks == 1


@pytest.mark.parametrize("kind", [Talking, TalkingLater])
def test_an_async_guard_looks_too(kind):
    store = kind()
    receiving = AsyncGuard(Verifier("stripe", SECRET), store)
    asyncio.run(receiving.start())
    assert store.looks == 1


def test_one_that_must_not_be_used_keeps_the_application_from_starting_and_every_event_from_running():
    store = Talking()
    store.error = StoreMisconfigured("it evicts")
    receiving = guard(store)
    with pytest.raises(StoreMisconfigured, match="evicts"):
        receiving.start()
    for _ in range(2):
        receipt = receiving.open(stripe())
        assert receipt.reply.status == 503
        assert len(store) == 0
    store.error = None
    assert receiving.open(stripe()).reply is None


def test_one_that_does_not_answer_may_do_so_later(caplog):
    store = Talking()
    store.error = StoreUnavailable("connection refused")
    receiving = guard(store)
    receiving.start()
    assert "does not answer" in caplog.text
    assert receiving.open(stripe()).reply is None


def test_what_a_store_promises_in_words(tmp_path):
    assert describe(SQLiteStore(tmp_path / "claims").capabilities) == (
        "outlives the process, shared by processes, claims by leases, the host's clock, never forgets early"
    )


def test_a_store_with_nothing_to_say():
    assert asyncio.run(look_at(MemoryStore())) == []


class EverybodyWins(MemoryStore):
    def claim(self, key, **asked):
        return Claim(ClaimStatus.ACQUIRED)


class NobodyCompletes(MemoryStore):
    def complete(self, key, **asked):
        return False


class ForgetsAtOnce(MemoryStore):
    def complete(self, key, *, token, retention, reply=None):
        return super().complete(key, token=token, retention=retention) and self.forget(key)


def tried(store, run=at_once):
    asyncio.run(try_out(Awaited(store, run)))
    return store


@pytest.mark.parametrize("run", [at_once, asyncio.to_thread])
def test_a_right_store_is_tried_out_and_left_as_it_was(run, tmp_path):
    assert len(tried(MemoryStore(), run)) == 0
    tried(SQLiteStore(tmp_path / "claims"), run)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (EverybodyWins, "8 claimed one event at once and 8 got it"),
        (NobodyCompletes, "complete it"),
        (ForgetsAtOnce, "ACQUIRED"),
    ],
)
def test_a_wrong_store_is_found_out(broken, why):
    with pytest.raises(StoreMisconfigured, match=why):
        tried(broken())
