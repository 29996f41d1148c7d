"""Several events in one delivery: each is claimed, run, remembered and retried on its own, through both guards."""

import json
import logging
from dataclasses import replace

import pytest
from guards import NOW, SECRET, Async, Faulty, Sync

from hookguard import (
    ConfigurationError,
    Delivery,
    Endpoint,
    FirstOf,
    InBody,
    MemoryStore,
    Reply,
    SQLiteStore,
    StoreKey,
    StoreUnavailable,
    Verifier,
    presets,
)
from hookguard.batch import Batch
from hookguard.bodies import Reading
from hookguard.errors import BodyTooLarge, MalformedBody
from hookguard.facts import Source
from hookguard.place import Content, in_words
from hookguard.testing import FrozenClock

LISTED = replace(presets.STRIPE, name="listed", batch=Batch("events"))


@pytest.fixture(params=[Sync, Async], ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def clock():
    return FrozenClock(NOW)


@pytest.fixture
def store(clock):
    return Faulty(MemoryStore(clock=clock))


@pytest.fixture
def outcomes():
    return []


@pytest.fixture
def make(kind, store, clock, outcomes):
    def made(preset=LISTED, **options):
        verifier = Verifier(preset, SECRET, clock=clock)
        return kind(Endpoint(verifier, observers=[outcomes.append], **options), store)

    return made


def events(*ids, **fields):
    return [{"id": f"evt_{number}", "type": "t", **fields} for number in ids]


def carry(members, preset=LISTED):
    body = json.dumps({"events": members} if preset.batch.items else members).encode()
    return preset.sign(body, SECRET, timestamp=NOW)


def handle(guard, delivery, answers=None):
    """Do what a plugin does: the reply (None where the last handler's own stands), and what ran."""
    ran = []
    receipt = guard.open(delivery)
    while receipt.reply is None:
        event = receipt.event
        ran.append((event.id, event.attempt))
        how = (answers or {}).get(event.id, 200)
        if isinstance(how, int):
            guard.settle(receipt, status=how)
        elif isinstance(how, Reply):
            guard.settle(receipt, reply=how)
        else:
            guard.settle(receipt, error=how)
        following = guard.next(receipt)
        if following is None:
            return None, ran
        receipt = following
    return receipt.reply, ran


def told(outcomes):
    return [(outcome.outcome, outcome.event_id) for outcome in outcomes]


def test_each_event_of_a_delivery_runs_once(make, outcomes):
    guard = make()
    delivery = carry(events(1, 2, 3))
    assert handle(guard, delivery) == (None, [("evt_1", 1), ("evt_2", 1), ("evt_3", 1)])
    assert told(outcomes) == [("handled", "evt_1"), ("handled", "evt_2"), ("handled", "evt_3")]
    reply, ran = handle(guard, delivery)
    assert (reply.status, dict(reply.headers), ran) == (200, {"Hookguard-Duplicate": "1"}, [])
    assert told(outcomes)[3:] == [("duplicate", "evt_1"), ("duplicate", "evt_2"), ("duplicate", "evt_3")]


def test_the_handler_sees_one_event_and_the_delivery_it_came_by(make):
    guard = make()
    delivery = carry(events(1, 2, amount=7))
    receipt = guard.open(delivery)
    event = receipt.event
    assert (event.id, event.type, event.json()) == ("evt_1", "t", {"id": "evt_1", "type": "t", "amount": 7})
    assert (event.body, event.delivery) == (delivery.body, delivery)
    guard.settle(receipt, status=200)
    other = guard.next(receipt).event
    assert (other.id, other.secret, other.timestamp) == ("evt_2", event.secret, event.timestamp)
    assert other.idempotency_key != event.idempotency_key
    assert other.fingerprint() != event.fingerprint()


@pytest.mark.parametrize("failure", [500, 404, 302, ValueError("no")], ids=str)
def test_when_one_fails_the_others_run_and_the_retry_runs_that_one_alone(make, failure, outcomes):
    guard = make()
    delivery = carry(events(1, 2, 3, 4, 5))
    reply, ran = handle(guard, delivery, {"evt_2": failure})
    assert (reply.status, ran) == (404 if failure == 404 else 500, [(f"evt_{number}", 1) for number in (1, 2, 3, 4, 5)])
    assert [outcome for outcome, _ in told(outcomes)] == ["handled", "failed", "handled", "handled", "handled"]
    assert handle(guard, delivery) == (None, [("evt_2", 2)])
    assert handle(guard, delivery)[0].status == 200


def test_when_the_last_one_fails_its_own_answer_stands(make):
    guard = make()
    delivery = carry(events(1, 2))
    assert handle(guard, delivery, {"evt_2": 503}) == (None, [("evt_1", 1), ("evt_2", 1)])
    assert handle(guard, delivery, {"evt_2": 418}) == (None, [("evt_2", 2)])


def test_a_failure_that_surely_brings_a_retry_is_what_the_provider_hears(make):
    guard = make()
    reply, ran = handle(guard, carry(events(1, 2, 3)), {"evt_1": 404, "evt_2": 502})
    assert (reply.status, len(ran)) == (502, 3)
    reply, ran = handle(guard, carry(events(4, 5)), {"evt_4": 502, "evt_5": 404})
    assert (reply.status, len(ran)) == (502, 2)


def test_an_event_that_another_worker_is_at_asks_the_provider_to_come_again(make, store, outcomes):
    guard = make()
    claim = {"token": b"t" * 16, "fingerprint": b"f" * 32, "lease": 20.0, "retention": 100.0}
    store.claim(StoreKey("listed/listed", "evt_2"), **claim)
    delivery = carry(events(1, 2, 3))
    reply, ran = handle(guard, delivery)
    assert (reply.status, dict(reply.headers)["Retry-After"], ran) == (503, "20", [("evt_1", 1), ("evt_3", 1)])
    assert told(outcomes) == [("handled", "evt_1"), ("in_progress", "evt_2"), ("handled", "evt_3")]
    reply, ran = handle(guard, delivery)
    assert (reply.status, ran) == (503, [])
    store.complete(StoreKey("listed/listed", "evt_2"), token=b"t" * 16, retention=100.0)
    assert handle(guard, delivery)[0].status == 200


def test_the_same_event_twice_in_a_delivery_runs_once_also_when_it_fails(make, outcomes):
    guard = make()
    delivery = carry(events(1, 1, 2, 1))
    reply, ran = handle(guard, delivery, {"evt_1": 500})
    assert (reply.status, ran) == (500, [("evt_1", 1), ("evt_2", 1)])
    assert told(outcomes) == [("failed", "evt_1"), ("duplicate", "evt_1"), ("handled", "evt_2"), ("duplicate", "evt_1")]
    assert handle(guard, delivery) == (None, [("evt_1", 2)])


def test_an_id_with_another_content_is_rejected_where_the_endpoint_is_set_to(make, outcomes):
    members = [*events(1), *events(1, amount=2), *events(2)]
    reply, ran = handle(make(on_reused_id="reject"), carry(members))
    assert (reply.status, ran) == (422, [("evt_1", 1), ("evt_2", 1)])
    assert told(outcomes) == [("handled", "evt_1"), ("rejected", "evt_1"), ("handled", "evt_2")]
    assert outcomes[1].reason_code == "event_id_reused"
    reply, ran = handle(make(on_reused_id="reject"), carry(events(1, amount=3)))
    assert (reply.status, ran) == (422, [])
    assert handle(make(on_reused_id="duplicate"), carry(members))[1] == []


def test_an_honest_retry_that_is_written_otherwise_is_the_same(make):
    guard = make(on_reused_id="reject")
    handle(guard, carry(events(1, 2)))
    other = LISTED.sign(b'{"events": [{"type":"t",  "id":"evt_2"}, {"type": "t", "id": "evt_3"}]}', SECRET, timestamp=NOW)
    assert handle(guard, other) == (None, [("evt_3", 1)])


@pytest.mark.parametrize(
    "odd", [{"type": "t"}, {"id": {}}, {"id": None}, {"id": ""}, {"id": 1.5}, 7, "x", None, [], [7]], ids=str
)
def test_an_event_without_an_id_runs_by_its_content_and_never_stops_the_others(make, odd, outcomes, caplog):
    guard = make()
    delivery = carry([*events(1), odd, *events(2)])
    reply, ran = handle(guard, delivery)
    assert (reply, [identifier.partition(":")[0] for identifier, _ in ran]) == (None, ["evt_1", "sha256", "evt_2"])
    assert "listed: an event has no id, although listed sends one (body `id`)" in caplog.text
    assert handle(guard, delivery)[1] == []
    assert handle(guard, carry([odd, *events(3)]))[1] == [("evt_3", 1)]
    assert {outcome.outcome for outcome in outcomes} == {"handled", "duplicate"}


def test_an_event_whose_id_cannot_be_read_is_rejected_alone(make, outcomes):
    class Picky(InBody):
        def find(self, event):
            if event.document().get("broken"):
                raise MalformedBody("an id that cannot be read")
            return super().find(event)

    guard = make(replace(LISTED, event_id=Picky("id")))
    delivery = carry([*events(1), *events(2, 2, broken=True), *events(3)])
    reply, ran = handle(guard, delivery)
    assert (reply.status, ran) == (400, [("evt_1", 1), ("evt_3", 1)])
    assert [outcome.reason_code for outcome in outcomes] == ["", "malformed_body", "malformed_body", ""]
    reply, ran = handle(guard, delivery)
    assert (reply.status, ran) == (400, [])


@pytest.mark.parametrize("body", [b'{"events": {}}', b'{"events": null}', b"{}", b'{"events": "x"}', b"7", b"x", b""])
def test_a_body_without_the_list_is_rejected(make, body):
    assert handle(make(), LISTED.sign(body, SECRET, timestamp=NOW))[0].status == 400


def test_a_forged_batch_touches_nothing(make, store):
    delivery = carry(events(1, 2))
    reply, ran = handle(make(), Delivery(delivery.body.replace(b"evt_2", b"evt_9"), delivery.headers))
    assert (reply.status, ran, store.calls) == (401, [], [])


def test_an_empty_batch_is_answered_and_runs_nothing(make, outcomes, store):
    reply, ran = handle(make(), carry([]))
    assert (reply.status, ran, store.calls) == (200, [], [])
    assert (outcomes[-1].outcome, outcomes[-1].reason) == ("challenge", "the delivery carries no event")


def test_too_many_events_are_rejected(make):
    preset = replace(LISTED, batch=Batch("events", most=3))
    assert handle(make(preset), carry(events(1, 2, 3)))[0] is None
    assert handle(make(preset), carry(events(4, 5, 6, 7)))[0].status == 413


def test_batch_as_large_as_the_provider_states_is_read():
    stated = replace(LISTED, batch=Batch("events", largest=Source("https://example.com/batches", "2026-11-30").says(1500)))
    assert (stated.batch.limit, Batch("events").limit) == (1500, 1000)
    assert replace(stated.batch, most=7).limit == 7
    verifier = Verifier(stated, SECRET, clock=FrozenClock(NOW))
    assert len(verifier.verify(carry(events(*range(1500)), stated)).events()) == 1500
    with pytest.raises(BodyTooLarge, match="1500 are allowed"):
        verifier.verify(carry(events(*range(1501)), stated)).events()


def test_an_identity_by_content_is_that_of_the_event(make):
    preset = replace(LISTED, batch=Batch(), event_id=None, identity="content")
    guard = make(preset)
    assert len(handle(guard, carry(events(1, 2), preset))[1]) == 2
    assert len(handle(guard, carry(events(2, 3), preset))[1]) == 1
    again = preset.sign(b'[{"type": "t", "id":   "evt_3"}]', SECRET, timestamp=NOW)
    assert handle(guard, again)[0].status == 200


def test_a_store_that_is_down_stops_the_delivery(make, store, outcomes):
    guard = make()
    delivery = carry(events(1, 2, 3))
    receipt = guard.open(delivery)
    guard.settle(receipt, status=200)
    store.before.add("claim")
    stopped = guard.next(receipt)
    assert (stopped.reply.status, dict(stopped.reply.headers)["Retry-After"]) == (503, "30")
    assert store.calls.count("claim") == 2
    assert told(outcomes) == [("handled", "evt_1"), ("unavailable", "evt_2")]
    store.before.clear()
    assert handle(guard, delivery) == (None, [("evt_2", 1), ("evt_3", 1)])


def test_a_completion_that_fails_is_what_the_provider_hears(make, store, outcomes):
    guard = make()
    receipt = guard.open(carry(events(1, 2)))
    store.before.add("complete")
    assert guard.settle(receipt, status=200).status == 503
    store.before.clear()
    receipt = guard.next(receipt)
    assert guard.settle(receipt, status=200) is None
    assert guard.next(receipt).reply.status == 503
    assert told(outcomes) == [("unavailable", "evt_1"), ("handled", "evt_2")]


def test_all_events_of_an_open_endpoint_run_without_a_store_that_is_tried_once(make, store, outcomes):
    store.before.add("claim")
    assert handle(make(on_outage="open"), carry(events(1, 2, 3))) == (None, [("evt_1", 1), ("evt_2", 1), ("evt_3", 1)])
    assert told(outcomes) == [("unprotected", "evt_1"), ("unprotected", "evt_2"), ("unprotected", "evt_3")]
    assert store.calls == ["claim"]


def test_one_place_is_taken_for_the_whole_delivery(make, outcomes):
    guard = make(max_concurrent=1)
    first = guard.open(carry(events(1, 2)))
    assert guard.open(carry(events(3))).reply.status == 503
    guard.settle(first, status=200)
    assert guard.open(carry(events(3))).reply.status == 503
    second = guard.next(first)
    guard.settle(second, status=200)
    assert guard.next(second) is None
    assert handle(guard, carry(events(3))) == (None, [("evt_3", 1)])
    assert handle(guard, carry(events(3)))[0].status == 200
    assert handle(guard, carry(events(4))) == (None, [("evt_4", 1)])
    assert outcomes[0].outcome == "overloaded"


def test_a_stopped_worker_releases_its_slot_and_runs_no_more(make, store):
    guard = make(max_concurrent=1)
    receipt = guard.open(carry(events(1, 2)))
    guard.settle(receipt, error=KeyboardInterrupt())
    assert "release" not in store.calls
    assert guard.next(receipt) is None
    assert handle(guard, carry(events(3))) == (None, [("evt_3", 1)])


def test_stored_replies_are_each_events_own(make):
    guard = make(store_reply=True)
    delivery = carry(events(1, 2))
    answers = {f"evt_{number}": Reply.text(201, f"number {number}") for number in (1, 2)}
    assert handle(guard, delivery, answers)[0] is None
    reply, ran = handle(guard, delivery)
    assert (reply.status, reply.body, ran) == (201, b"number 2", [])
    assert handle(guard, carry(events(1)))[0].body == b"number 1"


def test_the_heartbeat_follows_the_event_that_runs(make):
    guard = make(heartbeat=True)
    assert handle(guard, carry(events(1, 2)))[0] is None


def test_a_traceback_that_the_framework_will_not_show_is_logged(make, caplog):
    with caplog.at_level(logging.ERROR, "hookguard"):
        handle(make(), carry(events(1, 2, 3)), {f"evt_{number}": ValueError(number) for number in (1, 3)})
    shown = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [str(error) for error in shown] == ["1", "3"]
    caplog.clear()
    with caplog.at_level(logging.ERROR, "hookguard"):
        assert handle(make(), carry(events(4, 5)), {"evt_5": ValueError("the framework's")})[0] is None
    assert not [record for record in caplog.records if record.exc_info]


def test_a_block_is_for_one_event(make):
    with pytest.raises(ConfigurationError, match=r"use run\(\), or open\(\) and each\(\)"), make().receive(carry(events(1))):
        pass


def test_an_event_lists_the_events_without_a_guard():
    whole = Verifier(LISTED, SECRET, clock=lambda: NOW).verify(carry(events(1, 2)))
    assert [event.id for event in whole.events()] == ["evt_1", "evt_2"]
    assert len({event.digest() for event in whole.events()}) == 2
    one = Verifier("stripe", SECRET, clock=lambda: NOW).verify(presets.STRIPE.sign(b"{}", SECRET, timestamp=NOW))
    assert one.events() == [one]


def test_one_event_has_no_next(make):
    guard = make(presets.STRIPE)
    receipt = guard.open(presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET, timestamp=NOW))
    guard.settle(receipt, status=200)
    assert guard.next(receipt) is None


def test_a_challenge_among_verified_deliveries_is_not_a_batch(make):
    from hookguard.challenge import Fixed

    preset = replace(LISTED, challenge=Fixed(Reply(200, (), b"pong"), when={InBody("type"): "ping"}))
    assert make(preset).open(preset.sign(b'{"type": "ping"}', SECRET, timestamp=NOW)).reply.body == b"pong"


def test_the_sqlite_store_keeps_each_event(tmp_path, kind):
    store = SQLiteStore(tmp_path / "claims.sqlite3")
    guard = kind(Endpoint(Verifier(LISTED, SECRET, clock=lambda: NOW)), store)
    delivery = carry(events(1, 2, 3))
    assert handle(guard, delivery, {"evt_3": StoreUnavailable("the handler's own")})[0] is None
    assert handle(guard, delivery) == (None, [("evt_3", 2)])
    assert handle(guard, delivery)[0].status == 200
    store.close()


@pytest.mark.parametrize(
    ("batch", "document", "members"),
    [
        (Batch(), [{"a": 1}, {}], [{"a": 1}, {}]),
        (Batch("a.b"), {"a": {"b": [{}]}}, [{}]),
        (
            Batch("entry.changes"),
            {"entry": [{"changes": [{"n": 1}]}, {"changes": []}, {"changes": [{"n": 2}]}]},
            [{"n": 1}, {"n": 2}],
        ),
        (Batch("entry.changes"), {"entry": []}, []),
        (Batch("changes"), [{"changes": [{"n": 1}]}], [{"n": 1}]),
        (Batch(may_be_one=True), {"id": 1}, [{"id": 1}]),
        (Batch(may_be_one=True), [{"id": 1}], [{"id": 1}]),
        (Batch("entry.changes"), {"entry": [{"changes": [7, {"n": 1}]}]}, [7, {"n": 1}]),
    ],
)
def test_where_the_events_are(batch, document, members):
    assert batch.members(document) == members


@pytest.mark.parametrize(
    ("batch", "document"),
    [
        (Batch(), {}),
        (Batch(), None),
        (Batch("a"), {"b": []}),
        (Batch("entry.changes"), {"entry": [{"changes": [{}]}, {}]}),
        (Batch("entry.changes"), {"entry": {"changes": 7}}),
        (Batch("entry.changes"), {"entry": ["x"]}),
        (Batch(may_be_one=True), "x"),
    ],
)
def test_where_they_are_not(batch, document):
    with pytest.raises(MalformedBody, match="no list of events"):
        batch.members(document)


def test_an_id_that_all_of_them_would_share_is_rejected():
    with pytest.raises(ConfigurationError, match="all but the first would be lost"):
        replace(presets.GITHUB, name="x", batch=Batch())


def test_the_limit_counts_all_of_them():
    with pytest.raises(BodyTooLarge, match="4 events; 3 are allowed"):
        Batch("entry.changes", most=3).members({"entry": [{"changes": [{}, {}]}, {"changes": [{}, {}]}]})


def test_equal_events_without_an_id_are_distinguished_by_their_number(make):
    guard = make(replace(LISTED, event_id=None, identity="content"))
    delivery = carry([{"n": 1}, {"n": 2}, {"n": 1}])
    _, ran = handle(guard, delivery)
    assert len({identifier for identifier, _ in ran}) == 3
    assert handle(guard, delivery)[1] == []
    assert len(handle(guard, carry([{"n": 1}] * 3))[1]) == 1


def test_equal_events_with_an_id_are_one_whatever_the_identity(make):
    for identity in ("id", "id+content", "content"):
        guard = make(replace(LISTED, name=identity.replace("+", "-"), identity=identity))
        assert handle(guard, carry(events(1, 1)))[1] == [("evt_1", 1)]


def test_some_have_an_id_and_the_others_their_content(make):
    guard = make(replace(LISTED, event_id=FirstOf(InBody("id"), Content())))
    assert len(handle(guard, carry([{"id": "a", "n": 1}, {"n": 1}, {"n": 2}]))[1]) == 3
    assert handle(guard, carry([{"n": 2}, {"id": "a", "n": 2}, {"n": 1}]))[1] == []


IN_PLACE = Batch(("entry.changes.value.messages", "entry.changes.value.statuses", "entry.messaging"), in_place=True)


@pytest.mark.parametrize(
    ("document", "members"),
    [
        ({"entry": []}, []),
        ({"entry": [{}, {"a": 1}]}, [{"entry": [{}]}, {"entry": [{"a": 1}]}]),
        (
            {"o": 1, "l": [9], "entry": [{"id": 1, "l": [9], "messaging": [{"m": 1}, {"m": 2}]}]},
            [{"o": 1, "l": [9], "entry": [{"id": 1, "l": [9], "messaging": [{"m": n}]}]} for n in (1, 2)],
        ),
        (
            {"entry": [{"messaging": [{"m": 1}], "changes": [{"value": {"messages": [{"n": 1}], "statuses": [{"n": 2}]}}]}]},
            [
                {"entry": [{"changes": [{"value": {"messages": [{"n": 1}]}}]}]},
                {"entry": [{"changes": [{"value": {"statuses": [{"n": 2}]}}]}]},
                {"entry": [{"messaging": [{"m": 1}]}]},
            ],
        ),
        (
            {"entry": [{"changes": [{"value": {"l": [9]}}, {"value": 7}, {"value": {"messages": []}}]}]},
            [{"entry": [{"changes": [{"value": value}]}]} for value in ({"l": [9]}, 7, {"messages": []})],
        ),
        (
            {"entry": ["x", {"messaging": [{"m": 1}, None]}, {"changes": [7, [{}], {"value": {"messages": ["y"]}}]}]},
            [
                {"entry": ["x"]},
                {"entry": [{"messaging": [{"m": 1}]}]},
                {"entry": [{"messaging": [None]}]},
                {"entry": [{"changes": [7]}]},
                {"entry": [{"changes": [[{}]]}]},
                {"entry": [{"changes": [{"value": {"messages": ["y"]}}]}]},
            ],
        ),
    ],
)
def test_each_event_in_its_place(document, members):
    before = json.dumps(document)
    assert IN_PLACE.members(document) == members
    assert json.dumps(document) == before


def test_an_event_in_its_place_is_distinguished_from_others():
    def told(**changed):
        entry = {"id": 1, "l": [9], "messaging": [{"m": 1}], **changed.pop("entry", {})}
        return [json.dumps(bare) for _, bare in IN_PLACE.split({"o": 1, "l": [9], "entry": [entry], **changed})]

    # Its neighbours and the lists beside it do not count; what stands around it does, and itself.
    assert told() == told(l=[8]) == told(entry={"l": []}) == told(entry={"messaging": [{"m": 1}, {"m": 2}]})[:1]
    assert len({*told(), *told(o=2), *told(p=1), *told(entry={"id": 2}), *told(entry={"messaging": [{"m": 2}]})}) == 5
    assert told(entry={"messaging": [], "changes": [{"value": {"messages": [{"m": 1}]}}]}) != told()


@pytest.mark.parametrize("document", [{}, [], None, {"entry": 1}, {"entry": {"messaging": 1}}, {"entry": ["x"]}])
def test_no_events_in_place(document):
    with pytest.raises(MalformedBody, match="no list of events"):
        IN_PLACE.members(document)


def test_the_limit_counts_those_in_place():
    for entries in ([{"messaging": [{}, {}]}], [{"messaging": [{}]}, 7], [{"messaging": [7, 7]}]):
        with pytest.raises(BodyTooLarge, match="2 events; 1 are allowed"):
            replace(IN_PLACE, most=1).members({"entry": entries})


@pytest.mark.parametrize(
    "options", [{"items": ("a", "b")}, {"in_place": True}, {"items": "a", "in_place": True, "may_be_one": True}]
)
def test_paths_that_make_no_batch(options):
    with pytest.raises(ConfigurationError, match="in place"):
        Batch(**options)


def test_a_dot_in_a_name():
    whole = Verifier(LISTED, SECRET, clock=lambda: NOW).verify(carry([{"data": {"@odata.etag": "7", "@odata": {"etag": "8"}}}]))
    [event] = whole.events()
    assert InBody(r"data.@odata\.etag").find(event) == "7"
    assert InBody("data.@odata.etag").find(event) == "8"


def test_an_unverified_delivery_has_no_content_identity():
    assert Content().find(Reading(Delivery(b"{}", {}))) is None
    assert in_words(FirstOf(InBody("id"), Content())) == "body `id`, else its content"


def test_a_crowd_around_events_in_place_is_rejected_before_it_is_copied():
    crowd = {f"name{number}": 0 for number in range(3000)}
    with pytest.raises(BodyTooLarge, match="3000 events; 1000 are allowed"):
        IN_PLACE.split({**crowd, "entry": [{"messaging": [{}] * 3000}]})
    with pytest.raises(BodyTooLarge, match="keys would be copied for each of"):
        IN_PLACE.split({**crowd, "entry": [{"messaging": [{}] * 900}]})
    assert len(IN_PLACE.split({**crowd, "entry": [{"messaging": [{}] * 100}]})) == 100


def test_another_list_in_place_of_an_object_is_not_a_list_of_events():
    document = {"entry": [{"changes": [{"field": "emails", "value": ["a", "b"]}]}]}
    assert IN_PLACE.members(document) == [document]
    assert replace(IN_PLACE, most=1).members(document) == [document]  # nor is it counted as one
    with pytest.raises(MalformedBody):
        IN_PLACE.members({"entry": ["x"]})


@pytest.mark.parametrize("wrong", [{"items": 5}, {"items": ("a", 1), "in_place": True}, {"most": "x"}, {"most": 0}])
def test_an_invalid_batch_is_rejected_when_it_is_made(wrong):
    with pytest.raises(ConfigurationError):
        Batch(**wrong)
