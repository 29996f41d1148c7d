import asyncio

import pytest
from guards import SECRET

from hookguard import AsyncGuard, Guard, MemoryStore, SQLiteStore, Verifier, presets
from hookguard.errors import MissingTable, StoreMisconfigured, StoreUnavailable
from hookguard.guard.bridge import BlockingStoreAdapter, call_inline
from hookguard.store import Claim, ClaimStatus
from hookguard.stores.fitness import check_claims, check_fitness, describe


class Reporting(MemoryStore):
    """Reports a problem in each check, and counts the checks."""

    problems = ("its clock is 7 s ahead",)
    error = None

    def __init__(self):
        super().__init__()
        self.checks = 0

    def check(self):
        self.checks += 1
        if self.error:
            raise self.error
        return list(self.problems)


class ReportingLater(Reporting):
    async def check(self):
        return super().check()

    async def claim(self, key, **asked):
        return super().claim(key, **asked)


def stripe(event_id="evt_1", secret=SECRET):
    return presets.STRIPE.sign(b'{"id": "%s"}' % event_id.encode(), secret)


def guard(store):
    return Guard(Verifier("stripe", SECRET), store)


def test_store_is_checked_once_before_its_first_claim(caplog):
    store = Reporting()
    for _ in range(2):
        receiving = guard(store)
        receiving.open(stripe("evt_1"))
        receiving.open(stripe("evt_2"))
    assert store.checks == 1
    assert caplog.text.count("its clock is 7 s ahead") == 1


def test_burst_of_first_deliveries_checks_the_store_once():
    class Slow(ReportingLater):
        async def check(self):
            problems = Reporting.check(self)
            await asyncio.sleep(0.01)
            return problems

        async def complete(self, key, **asked):
            return super().complete(key, **asked)

        async def release(self, key, **asked):
            return super().release(key, **asked)

    async def burst():
        store = Slow()
        receiving = AsyncGuard(Verifier("stripe", SECRET), store)
        receipts = await asyncio.gather(*(receiving.open(stripe(f"evt_{number}")) for number in range(20)))
        assert [receipt.reply for receipt in receipts] == [None] * 20
        return store.checks

    assert asyncio.run(burst()) == 1


def test_forged_delivery_does_not_cause_a_check():
    store = Reporting()
    guard(store).open(stripe(secret="another-secret-that-is-long"))
    assert store.checks == 0


def test_start_checks_the_store_without_a_delivery():
    store = Reporting()
    guard(store).start()
    assert store.checks == 1


@pytest.mark.parametrize("kind", [Reporting, ReportingLater])
def test_async_guard_checks_the_store_too(kind):
    store = kind()
    receiving = AsyncGuard(Verifier("stripe", SECRET), store)
    asyncio.run(receiving.start())
    assert store.checks == 1


def test_misconfigured_store_stops_the_start_and_every_event():
    store = Reporting()
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


def test_store_that_does_not_answer_may_answer_later(caplog):
    store = Reporting()
    store.error = StoreUnavailable("connection refused")
    receiving = guard(store)
    receiving.start()
    assert "does not answer" in caplog.text
    assert receiving.open(stripe()).reply is None


def test_missing_table_is_a_warning_at_the_start_and_503_until_it_is_there(caplog):
    class Unmigrated(Reporting):
        def claim(self, key, **asked):
            if self.error:
                raise self.error
            return super().claim(key, **asked)

    store = Unmigrated()
    store.error = MissingTable("there is no table 'hookguard_event'")
    receiving = guard(store)
    receiving.start()
    assert "has no table, so deliveries get 503 until it is there" in caplog.text
    receipt = receiving.open(stripe())
    assert (receipt.reply.status, receipt.error.code) == (503, "store_missing_table")
    store.error = None
    assert receiving.open(stripe()).reply is None


def test_capabilities_are_described_in_words(tmp_path):
    assert describe(SQLiteStore(tmp_path / "claims").capabilities) == (
        "outlives the process, shared by processes, claims by leases, the host's clock, never forgets early"
    )


def test_store_without_a_check_has_no_problems():
    assert asyncio.run(check_fitness(MemoryStore())) == []


class EveryClaimAcquired(MemoryStore):
    def claim(self, key, **asked):
        return Claim(ClaimStatus.ACQUIRED)


class NoClaimCompletes(MemoryStore):
    def complete(self, key, **asked):
        return False


class ForgetsImmediately(MemoryStore):
    def complete(self, key, *, token, retention, reply=None):
        return super().complete(key, token=token, retention=retention) and self.forget(key)


def checked(store, run=call_inline):
    asyncio.run(check_claims(BlockingStoreAdapter(store, run)))
    return store


@pytest.mark.parametrize("run", [call_inline, asyncio.to_thread])
def test_right_store_passes_the_check_and_keeps_no_event(run, tmp_path):
    assert len(checked(MemoryStore(), run)) == 0
    checked(SQLiteStore(tmp_path / "claims"), run)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (EveryClaimAcquired, "8 workers claimed one event concurrently and 8 got it"),
        (NoClaimCompletes, "complete it"),
        (ForgetsImmediately, "ACQUIRED"),
    ],
)
def test_check_finds_a_store_that_breaks_the_contract(broken, why):
    with pytest.raises(StoreMisconfigured, match=why):
        checked(broken())
