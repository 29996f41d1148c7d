import gc

import pytest

from hookguard import ClaimStatus, ConfigurationError, MemoryStore, StoreKey, StoreUnavailable
from hookguard.testing import FrozenClock

ARGUMENTS = {"token": b"t" * 16, "fingerprint": b"f" * 32, "lease": 60.0, "retention": 100.0}


def test_a_full_store_rejects_instead_of_forgetting():
    store = MemoryStore(3, clock=FrozenClock())
    for number in range(3):
        store.claim(StoreKey("s", str(number)), **ARGUMENTS)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="raise max_entries"):
            store.claim(StoreKey("s", "one too many"), **ARGUMENTS)
    assert len(store) == 3
    for number in range(3):
        assert store.claim(StoreKey("s", str(number)), **ARGUMENTS | {"token": b"u" * 16}).status == ClaimStatus.IN_PROGRESS


def test_a_full_store_makes_room_when_something_has_expired():
    clock = FrozenClock()
    store = MemoryStore(3, clock=clock)
    for number in range(3):
        store.claim(StoreKey("s", str(number)), **ARGUMENTS)
    store.complete(StoreKey("s", "0"), token=ARGUMENTS["token"], retention=10)
    with pytest.raises(StoreUnavailable):
        store.claim(StoreKey("s", "3"), **ARGUMENTS)
    clock.advance(11)
    assert store.claim(StoreKey("s", "3"), **ARGUMENTS).status == ClaimStatus.ACQUIRED


def test_a_large_full_store_finds_the_one_expired_event_in_a_few_claims(monkeypatch):
    monkeypatch.setattr("hookguard.stores.memory._TABLE", 4)
    clock = FrozenClock()
    store = MemoryStore(100, clock=clock)
    for number in range(100):
        store.claim(StoreKey("s", str(number)), **ARGUMENTS)
    store.complete(StoreKey("s", "50"), token=ARGUMENTS["token"], retention=10)
    clock.advance(11)
    refused = 0
    while True:
        try:
            store.claim(StoreKey("s", "new"), **ARGUMENTS)
            break
        except StoreUnavailable:
            refused += 1
    assert refused < 25  # one table in four, and no pause in between
    for number in range(100):
        if number != 50:
            status = store.claim(StoreKey("s", str(number)), **ARGUMENTS | {"token": b"u" * 16}).status
            assert status == ClaimStatus.IN_PROGRESS


def test_expired_events_are_deleted_before_the_store_is_full(monkeypatch):
    monkeypatch.setattr("hookguard.stores.memory._SWEEP_EVERY", 10)
    clock = FrozenClock()
    store = MemoryStore(1_000_000, clock=clock)
    for number in range(100):
        store.claim(StoreKey("s", f"old-{number}"), **ARGUMENTS)
    clock.advance(161)
    for number in range(2_000):
        store.claim(StoreKey("s", f"new-{number}"), **ARGUMENTS)
    assert len(store) == 2_000


def test_purge_deletes_at_most_its_limit_over_all_tables(monkeypatch):
    monkeypatch.setattr("hookguard.stores.memory._TABLE", 4)
    clock = FrozenClock()
    store = MemoryStore(100, clock=clock)
    for number in range(100):
        store.claim(StoreKey("s", str(number)), **ARGUMENTS)
    clock.advance(161)
    assert (store.purge(limit=30), len(store)) == (30, 70)
    assert (store.purge(limit=1000), len(store)) == (70, 0)


def test_events_add_nothing_for_the_garbage_collector():
    store = MemoryStore()
    gc.collect()
    before = len(gc.get_objects())
    for number in range(20_000):
        store.claim(StoreKey("s", str(number)), **ARGUMENTS)
        store.complete(StoreKey("s", str(number)), token=ARGUMENTS["token"], retention=10, reply=b"ok")
    gc.collect()
    assert len(gc.get_objects()) - before < 1_000


def test_memory_stays_bounded_over_many_events():
    clock = FrozenClock()
    store = MemoryStore(100, clock=clock)
    for number in range(5_000):
        store.claim(StoreKey("s", str(number)), **ARGUMENTS)
        clock.advance(2)
    assert len(store) <= 100


@pytest.mark.parametrize(
    ("name", "value"), [("WEB_CONCURRENCY", "2"), ("GUNICORN_CMD_ARGS", "--bind :80 -w 4"), ("GUNICORN_CMD_ARGS", "--workers=3")]
)
def test_several_worker_processes_are_rejected(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="worker processes"):
        MemoryStore()
    MemoryStore(single_process=True)


@pytest.mark.parametrize(
    ("name", "value"), [("WEB_CONCURRENCY", "1"), ("WEB_CONCURRENCY", "auto"), ("GUNICORN_CMD_ARGS", "-b :80")]
)
def test_one_worker_process_is_fine(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    MemoryStore()


def test_a_store_without_room_is_rejected():
    with pytest.raises(ConfigurationError, match="at least one"):
        MemoryStore(0)


def test_repr_shows_how_full_it_is():
    assert repr(MemoryStore(5)) == "MemoryStore(0 of 5 events)"
