"""Large bodies: verified beside the event loop, hashed once where once is enough, and answered as small ones are."""

import asyncio
import hashlib
import json
import threading

import pytest
from guards import NOW, SECRET, Async, Sync

from hookguard import (
    AsyncGuard,
    Endpoint,
    Guard,
    HmacScheme,
    InBody,
    InHeader,
    MemoryStore,
    Preset,
    SignatureHeader,
    SQLiteStore,
    Verifier,
    presets,
)
from hookguard.errors import EventIdReused, MalformedBody, SignatureMismatch
from hookguard.guard.hashing import LARGE, NOT_COMPARED
from hookguard.testing import FrozenClock

FILLER = "x" * LARGE


def stripe(event_id="evt_1", filler=FILLER, secret=SECRET, **fields):
    body = json.dumps({"id": event_id, "type": "invoice.paid", "filler": filler, **fields}).encode()
    return presets.STRIPE.sign(body, secret, timestamp=NOW)


class Remembering(MemoryStore):
    """A store that remembers the fingerprints it was given."""

    def __init__(self, **options):
        super().__init__(**options)
        self.fingerprints = []

    def claim(self, key, *, fingerprint, **arguments):
        self.fingerprints.append(fingerprint)
        return super().claim(key, fingerprint=fingerprint, **arguments)


class Traced(HmacScheme):
    """The real scheme; ``during`` is called while it verifies."""

    __slots__ = ("during",)

    def verify(self, delivery, keys):
        self.during()
        return super().verify(delivery, keys)


def traced(during, signed="{body}", **options):
    scheme = Traced(signature=SignatureHeader("X-Signature", "{hex}"), signed=signed)
    scheme.during = during
    return Preset(name="traced", scheme=scheme, **{"event_id": InBody("id"), **options})


@pytest.fixture
def clock():
    return FrozenClock(NOW)


@pytest.fixture
def outcomes():
    return []


@pytest.fixture(params=[Sync, Async], ids=lambda kind: kind.name)
def make(request, clock, outcomes):
    def made(store, preset="stripe", **options):
        return request.param(Endpoint(Verifier(preset, SECRET, clock=clock), observers=[outcomes.append], **options), store)

    return made


def test_event_loop_runs_while_a_large_body_is_verified():
    go = threading.Event()
    waited = []
    preset = traced(lambda: waited.append(go.wait(20)))
    delivery = preset.sign(json.dumps({"id": "evt_1", "filler": FILLER}).encode(), SECRET)
    guard = AsyncGuard(Verifier(preset, SECRET), MemoryStore())

    async def run():
        async def others():
            go.set()

        receipt, _ = await asyncio.gather(guard.open(delivery), others())
        return receipt

    assert asyncio.run(run()).event.id == "evt_1"
    assert waited == [True]


@pytest.mark.parametrize(("size", "threads"), [(100, 0), (LARGE, 1)])
def test_only_large_bodies_go_to_a_thread(size, threads):
    found, calls = [], []

    class Place(InBody):
        def find(self, event):
            found.append(threading.get_ident())
            return super().find(event)

    preset = traced(lambda: found.append(threading.get_ident()), event_id=Place("id"))
    delivery = preset.sign(json.dumps({"id": "evt_1", "filler": "x" * size}).encode(), SECRET)

    async def in_thread(call):
        calls.append(call)
        return await asyncio.to_thread(call)

    guard = AsyncGuard(Verifier(preset, SECRET), MemoryStore(), in_thread=in_thread)
    assert asyncio.run(guard.open(delivery)).event.id == "evt_1"
    assert len(calls) == threads
    # The id is read where the delivery is verified, because reading it parses the body.
    assert [each == threading.get_ident() for each in found] == [threads == 0] * 2


def test_events_of_a_large_batch_are_made_in_a_thread():
    calls = []

    async def in_thread(call):
        calls.append(call)
        return await asyncio.to_thread(call)

    hubspot = presets.get("hubspot-v1")
    body = json.dumps([{"eventId": number, "subscriptionType": "t", "filler": "x" * 1000} for number in range(100)]).encode()
    delivery = hubspot.sign(body, SECRET)
    guard = AsyncGuard(Verifier(hubspot, SECRET), MemoryStore(), in_thread=in_thread)
    receipt = asyncio.run(guard.open(delivery))
    assert len(receipt.members.pending) == 99
    assert len(calls) == 2


def test_forged_large_body_never_reaches_the_store(make, outcomes):
    store = Remembering()
    receipt = make(store).open(stripe(secret="another-secret-of-some-length"))
    assert receipt.reply.status == 401
    assert isinstance(receipt.error, SignatureMismatch)
    assert store.fingerprints == []
    assert outcomes[-1].reason_code == "signature_mismatch"


def test_malformed_large_body_is_rejected_as_a_small_one_is(make, outcomes):
    guard = make(MemoryStore())
    for filler in (b"", FILLER.encode()):
        receipt = guard.open(
            presets.STRIPE.sign(b'{"id": "evt_1", "id": "evt_2", "f": "' + filler + b'"}', SECRET, timestamp=NOW)
        )
        assert receipt.reply.status == 400
        assert isinstance(receipt.error, MalformedBody)
    assert len({(each.outcome, each.status, each.reason_code, each.reason, each.event_id) for each in outcomes}) == 1


def test_delivery_that_is_cancelled_while_it_is_verified_claims_nothing():
    inside, go = threading.Event(), threading.Event()

    def during():
        inside.set()
        go.wait(20)

    preset = traced(during)
    delivery = preset.sign(json.dumps({"id": "evt_1", "filler": FILLER}).encode(), SECRET)
    store = Remembering()
    guard = AsyncGuard(Verifier(preset, SECRET), store)

    async def run():
        task = asyncio.create_task(guard.open(delivery))
        await asyncio.to_thread(inside.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        assert store.fingerprints == []
        return await guard.open(delivery)

    assert asyncio.run(run()).event.attempt == 1


def test_without_a_loop_of_asyncio_a_large_body_is_verified_in_place(clock):
    guard = AsyncGuard(Verifier("stripe", SECRET, clock=clock), MemoryStore())
    steps = guard.open(stripe())
    with pytest.raises(StopIteration) as stopped:
        steps.send(None)
    assert stopped.value.value.event.id == "evt_1"


# --- one hash where one is enough


@pytest.mark.parametrize(
    ("options", "filler", "compared"),
    [({}, "", True), ({}, FILLER, False), ({"on_reused_id": "reject"}, FILLER, True), ({"on_reused_id": "reject"}, "", True)],
)
def test_large_body_is_hashed_again_only_where_bodies_are_compared(make, options, filler, compared):
    store, delivery = Remembering(), stripe(filler=filler)
    assert make(store, **options).open(delivery).reply is None
    assert store.fingerprints == [hashlib.sha256(delivery.body).digest() if compared else NOT_COMPARED]


def test_content_is_still_the_identity_of_a_large_body(make):
    preset = traced(lambda: None, event_id=InHeader("X-Id"), identity="id+content")
    guard = make(MemoryStore(), preset)

    def sent(text):
        return preset.sign(json.dumps({"text": text, "filler": FILLER}).encode(), SECRET, id="evt_1")

    assert guard.settle(guard.open(sent("a")), status=200) is None
    assert guard.open(sent("a")).reply.status == 200
    assert guard.open(sent("b")).reply is None


def test_nonce_is_accepted_with_one_large_body_only(make):
    signed = "{header:X-Nonce}.{body}"
    preset = traced(lambda: None, signed, nonce=InHeader("X-Nonce"), event_id=InHeader("X-Id"), identity="id+content")
    store = Remembering()
    guard = make(store, preset)
    delivery = preset.sign(json.dumps({"filler": FILLER}).encode(), SECRET, id="evt_1", headers={"X-Nonce": "n-1"})
    guard.open(delivery)
    assert store.fingerprints[0] == hashlib.sha256(delivery.body).digest()


@pytest.fixture(params=["memory", "sqlite"])
def store(request, clock, tmp_path):
    return MemoryStore(clock=clock) if request.param == "memory" else SQLiteStore(tmp_path / "claims.sqlite3", clock=clock)


@pytest.mark.parametrize("state", ["in progress", "released", "done"])
def test_endpoint_that_begins_to_reject_reused_ids_rejects_no_honest_retry(make, store, state):
    before = make(store, on_reused_id="duplicate")
    first = before.open(stripe())
    if state != "in progress":
        before.settle(first, status=200 if state == "done" else 500)
    receipt = make(store, on_reused_id="reject").open(stripe())
    if state == "released":
        assert receipt.event.attempt > 1
        assert before.settle(receipt, status=200) is None
        assert before.open(stripe()).reply.status == 200
    else:
        assert receipt.reply.status == (200 if state == "done" else 503)


@pytest.mark.parametrize("state", ["in progress", "released", "done"])
def test_large_body_under_a_known_id_is_rejected_where_retries_never_change(make, store, state):
    guard = make(store, on_reused_id="reject")
    first = guard.open(stripe())
    if state != "in progress":
        guard.settle(first, status=200 if state == "done" else 500)
    receipt = guard.open(stripe(amount=2))
    assert receipt.reply.status == 422
    assert isinstance(receipt.error, EventIdReused)
    if state == "in progress":
        assert guard.settle(first, status=200) is None
    elif state == "released":
        assert guard.open(stripe()).reply is None  # the honest body still runs


def test_guard_without_a_loop_verifies_in_its_own_thread():
    threads = []
    preset = traced(lambda: threads.append(threading.get_ident()))
    delivery = preset.sign(json.dumps({"id": "evt_1", "filler": FILLER}).encode(), SECRET)
    assert Guard(Verifier(preset, SECRET), MemoryStore()).open(delivery).event.id == "evt_1"
    assert threads == [threading.get_ident()]
