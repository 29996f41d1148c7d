"""The loop over a delivery's events, and the whole way of a delivery for people without a framework, through both guards."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest
from guards import NOW, SECRET, Async, Faulty, Sync

from hookguard import AsyncGuard, Delivery, Endpoint, Guard, MemoryStore, Reply, Verifier, presets
from hookguard.batch import Batch
from hookguard.errors import MalformedBody
from hookguard.testing import FrozenClock

LISTED = replace(presets.STRIPE, name="listed", batch=Batch("events"))


@pytest.fixture(params=[Sync, Async], ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def store():
    return Faulty(MemoryStore(clock=FrozenClock(NOW)))


@pytest.fixture
def outcomes():
    return []


@pytest.fixture
def make(kind, store, outcomes):
    def made(preset="stripe", **options):
        return kind(Endpoint(Verifier(preset, SECRET, clock=FrozenClock(NOW)), observers=[outcomes.append], **options), store)

    return made


def one(event_id="evt_1"):
    return presets.STRIPE.sign(json.dumps({"id": event_id}).encode(), SECRET, timestamp=NOW)


def several(*ids):
    return LISTED.sign(json.dumps({"events": [{"id": event_id} for event_id in ids]}).encode(), SECRET, timestamp=NOW)


def names(outcomes):
    return [outcome.outcome for outcome in outcomes]


# --- run


@pytest.mark.parametrize(
    ("handled", "reply"),
    [
        (None, Reply(200)),
        (204, Reply(204)),
        (Reply.text(202, "later"), Reply.text(202, "later")),
        (404, Reply(404)),
        (Reply(503, (("Retry-After", "7"),)), Reply(503, (("Retry-After", "7"),))),
    ],
)
def test_run_answers_as_the_handler_says(make, outcomes, handled, reply):
    guard, ran = make(), []
    assert guard.run(one(), lambda event: ran.append((event.id, event.attempt)) or handled) == reply
    completed = 200 <= reply.status < 300
    assert names(outcomes) == ["handled" if completed else "failed"]
    again = guard.run(one(), lambda event: ran.append((event.id, event.attempt)))
    assert again.status == 200
    assert ran == [("evt_1", 1)] if completed else [("evt_1", 1), ("evt_1", 2)]


def test_run_answers_500_and_logs_the_traceback_if_the_handler_raises(make, outcomes, caplog):
    def fail(event):
        raise OSError("the disk is full")

    assert make().run(one(), fail) == Reply.problem(500)
    assert names(outcomes) == ["failed"]
    assert outcomes[0].status == 500
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["the disk is full"]
    assert make().run(one(), lambda event: None).status == 200


def test_run_answers_400_if_the_handler_cannot_read_the_body(make, outcomes, caplog):
    def read(event):
        raise MalformedBody("it is not JSON")

    assert make().run(one(), read) == Reply.problem(400)
    assert names(outcomes) == ["rejected"]
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("handled", [True, "ok", [1], {}, 1.5])
def test_run_takes_no_other_answer_for_success(make, handled, caplog):
    assert make().run(one(), lambda event: handled) == Reply.problem(500)
    assert "return None, a status or a Reply" in caplog.text
    assert make().run(one(), lambda event: None).status == 200


def test_run_rejects_a_forgery_without_the_handler(make, outcomes):
    reply = make().run(Delivery(b"{}", {}), lambda event: pytest.fail("ran"))
    assert (reply.status, names(outcomes)) == (401, ["rejected"])


def test_run_answers_503_if_the_event_cannot_be_completed(make, store, outcomes):
    store.before.add("complete")
    assert make().run(one(), lambda event: None).status == 503
    assert names(outcomes) == ["unavailable"]


def test_run_sends_the_providers_own_words_on_success(make):
    acknowledged = replace(presets.STRIPE, name="acknowledged", acknowledge=Reply.text(200, "received"))
    assert make(acknowledged).run(one(), lambda event: None) == Reply.text(200, "received")


def test_run_stores_the_reply_for_duplicates(make):
    guard = make(store_reply=True)
    first = guard.run(one(), lambda event: Reply.text(201, "made"))
    assert first == Reply.text(201, "made")
    again = guard.run(one(), lambda event: pytest.fail("ran"))
    assert (again.status, again.body) == (201, b"made")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_run_lets_a_stop_through_and_keeps_the_claim(kind, make, stop, outcomes):
    def stopped(event):
        raise stop

    with pytest.raises(stop):
        make().run(one(), stopped)
    assert names(outcomes)[0] == "abandoned"
    assert make().run(one(), lambda event: pytest.fail("ran")).status == 503


def test_run_handles_each_of_several_events(make, outcomes):
    guard, ran = make(LISTED), []
    assert guard.run(several("a", "b", "c"), lambda event: ran.append(event.id)).status == 200
    assert (ran, names(outcomes)) == (["a", "b", "c"], ["handled"] * 3)
    assert guard.run(several("a", "b", "c"), lambda event: pytest.fail("ran")).status == 200


@pytest.mark.parametrize("failing", ["a", "b", "c"])
def test_run_makes_the_provider_send_again_what_failed(make, failing, caplog):
    guard, ran = make(LISTED), []

    def handle(event):
        ran.append((event.id, event.attempt))
        if (event.id, event.attempt) == (failing, 1):
            raise OSError("once")

    with caplog.at_level(logging.ERROR, "hookguard"):
        assert guard.run(several("a", "b", "c"), handle).status == 500
    assert len([record for record in caplog.records if record.exc_info]) == 1
    assert guard.run(several("a", "b", "c"), handle).status == 200
    assert ran == [("a", 1), ("b", 1), ("c", 1), (failing, 2)]


def test_async_guard_takes_a_plain_function_too():
    ran = []
    guard = AsyncGuard(Verifier("stripe", SECRET, clock=FrozenClock(NOW)), MemoryStore())
    assert asyncio.run(guard.run(one(), lambda event: ran.append(event.id))).status == 200
    assert ran == ["evt_1"]


def test_guard_does_not_take_a_coroutine_function(caplog):
    async def later(event):
        pytest.fail("ran")

    guard = Guard(Verifier("stripe", SECRET, clock=FrozenClock(NOW)), MemoryStore())
    assert guard.run(one(), later) == Reply.problem(500)
    assert "use AsyncGuard" in caplog.text
    assert guard.run(one(), lambda event: None).status == 200


# --- each


def test_each_returns_the_last_response_in_the_callers_own_form(make):
    guard = make(LISTED)

    def attempt(receipt):
        receipt.answered(204)
        return [receipt.event.id]

    assert guard.each(guard.open(several("a", "b")), attempt) == ["b"]
    single = make()
    assert single.each(single.open(one()), attempt) == ["evt_1"]
    assert single.each(single.open(one()), attempt).status == 200  # a duplicate


def test_each_returns_the_reply_of_a_receipt_that_has_no_event(make):
    guard = make()
    receipt = guard.open(Delivery(b"{}", {}))
    assert guard.each(receipt, lambda receipt: pytest.fail("ran")) is receipt.reply


def test_each_takes_an_attempt_that_settles_on_its_own(make, outcomes):
    guard = make(LISTED)

    def attempt(receipt):
        if isinstance(guard, Sync):
            assert guard.settle(receipt, status=500 if receipt.event.id == "a" else 200) is None
        else:
            receipt.answered(500 if receipt.event.id == "a" else 200)
        return receipt.event.id

    assert guard.each(guard.open(several("a", "b")), attempt).status == 500
    assert names(outcomes) == ["failed", "handled"]


def test_each_releases_an_event_whose_attempt_says_nothing(make, outcomes):
    guard = make()
    with pytest.raises(RuntimeError, match="receipt.answered"):
        guard.each(guard.open(one()), lambda receipt: "sent as a success")
    assert names(outcomes) == ["failed"]
    assert guard.open(one()).event.attempt == 2


def test_each_raises_what_the_last_attempt_raised_after_releasing(make, outcomes):
    def attempt(receipt):
        raise OSError(receipt.event.id)

    guard = make()
    with pytest.raises(OSError, match="evt_1"):
        guard.each(guard.open(one()), attempt)
    assert names(outcomes) == ["failed"]
    assert guard.open(one()).event.attempt == 2


def test_each_sends_503_in_place_of_a_response_that_could_not_be_recorded(make, store):
    guard = make()
    receipt = guard.open(one())
    store.before.add("complete")

    def attempt(receipt):
        receipt.answered(200)
        return "done"

    assert guard.each(receipt, attempt).status == 503
