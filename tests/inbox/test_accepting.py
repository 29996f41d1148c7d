"""An endpoint with an inbox: the events that are stored, the replies, and the settings that are rejected at the start."""

import asyncio
import dataclasses
import json
import logging
import sqlite3

import pytest

from hookguard import (
    AsyncGuard,
    ConfigurationError,
    Delivery,
    Endpoint,
    Guard,
    InBody,
    MemoryStore,
    Reply,
    SQLiteStore,
    Verifier,
    presets,
)
from hookguard.batch import Batch
from hookguard.config import Settings
from hookguard.errors import StoreUnavailable
from hookguard.inbox.contract import EntryState, Lane
from hookguard.inbox.kept import event_again
from hookguard.inbox.settings import InboxSettings

SECRET = "whsec_" + "c" * 32
LANE = Lane("shop")
PAID = {"id": "evt_1", "type": "invoice.paid"}
LISTED = dataclasses.replace(presets.STRIPE, name="listed", batch=Batch("events"), event_id=InBody("id"))


class Blocking:
    """A guard and its inbox, called as they are."""

    def __init__(self, store, endpoint):
        self.guard, self.inbox = Guard(endpoint, store), store.inbox()

    def run(self, result):
        return result


class Awaited:
    """The same on an event loop."""

    def __init__(self, store, endpoint):
        self.guard, self.inbox = AsyncGuard(endpoint, store), store.inbox()

    def run(self, result):
        async def wait():
            return await result

        return asyncio.run(wait())


@pytest.fixture(params=[Blocking, Awaited], ids=["blocking", "awaited"])
def side(request):
    return request.param


@pytest.fixture
def store(tmp_path):
    store = SQLiteStore(tmp_path / "hooks.sqlite3")
    yield store
    store.close()


@pytest.fixture
def shop(store, side):
    def make(preset=presets.STRIPE, **settings):
        shop = side(store, Endpoint(Verifier(preset, SECRET), name="shop", **{"inbox": True, **settings}))
        shop.preset = preset
        return shop

    return make


def deliver(shop, document=PAID, **changes):
    """Deliver, and return the reply; the handler must not run."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    delivery = shop.preset.sign(body, SECRET)._replace(**changes)
    ran = []
    reply = shop.run(shop.guard.run(delivery, ran.append))
    assert ran == []
    return reply


def names(reply):
    return {name for name, _ in reply.headers}


def taken(shop):
    return shop.inbox.take(LANE, limit=10, lease=30.0, settings=InboxSettings())


def test_a_verified_event_is_stored_and_answered(shop):
    shop = shop()
    reply = deliver(shop)
    assert (reply.status, names(reply)) == (200, set())
    (held,) = taken(shop)
    event = event_again(held, presets.STRIPE)
    assert (event.id, event.type, event.json()) == ("evt_1", "invoice.paid", PAID)


def test_a_duplicate_is_answered_and_not_stored_again_whatever_became_of_the_first(shop):
    shop = shop()
    deliver(shop)
    for settle in (None, "complete", "give_up and drop"):
        reply = deliver(shop)
        assert (reply.status, dict(reply.headers)) == (200, {"Hookguard-Duplicate": "1"})
        if settle == "complete":
            (held,) = taken(shop)
            shop.inbox.complete(held.key, token=held.token, settings=InboxSettings())
    assert len(shop.inbox.find(limit=10)) == 1


def test_a_dead_event_that_its_provider_sends_again_is_due_again(shop):
    shop = shop()
    deliver(shop)
    (held,) = taken(shop)
    shop.inbox.give_up(held.key, token=held.token, reason="gone", settings=InboxSettings())
    assert deliver(shop).status == 200
    assert [held.attempt for held in taken(shop)] == [1]


@pytest.mark.parametrize(("changes", "status"), [({"headers": {}}, 401), ({"body": b"{}"}, 401), ({"method": "GET"}, 405)])
def test_a_forged_delivery_is_rejected_and_never_stored(shop, changes, status):
    shop = shop()
    assert deliver(shop, **changes).status == status
    assert shop.inbox.find(limit=10) == []


def test_a_known_id_with_another_body_is_rejected_by_that_setting(shop):
    shop = shop(on_reused_id="reject")
    assert deliver(shop).status == 200
    assert deliver(shop, {**PAID, "amount": 2}).status == 422
    assert [held.kept.body for held in taken(shop)] == [json.dumps(PAID).encode()]


def test_a_known_id_with_another_body_is_a_duplicate_elsewhere(shop):
    shop = shop(on_reused_id="duplicate")
    deliver(shop)
    assert "Hookguard-Duplicate" in names(deliver(shop, {**PAID, "amount": 2}))


def test_a_preset_s_own_acknowledgement_is_sent_when_the_event_is_stored(shop):
    preset = dataclasses.replace(presets.STRIPE, name="acked", acknowledge=Reply.text(200, "[accepted]"))
    shop = shop(preset)
    assert deliver(shop).body == b"[accepted]"
    again = deliver(shop)
    assert (again.body, "Hookguard-Duplicate" in names(again)) == (b"[accepted]", True)


def test_a_challenge_is_answered_as_always(store, side):
    shop = side(store, Endpoint(Verifier("slack", SECRET), name="shop", inbox=True))
    body = b'{"type": "url_verification", "challenge": "c1"}'
    reply = shop.run(shop.guard.run(presets.SLACK.sign(body, SECRET), lambda event: 500))
    assert (reply.status, b"c1" in reply.body) == (200, True)
    assert shop.inbox.find(limit=10) == []


def test_an_event_without_readable_json_is_stored_if_its_id_needs_none(store, side):
    shop = side(store, Endpoint(Verifier("github", SECRET), name="shop", inbox={"order_by": InBody("a")}))
    reply = shop.run(shop.guard.run(presets.GITHUB.sign(b"{", SECRET, id="d1", type="push"), lambda event: 500))
    assert reply.status == 200
    (held,) = taken(shop)
    event = event_again(held, presets.GITHUB)
    assert (event.id, event.type, held.kept.line) == ("d1", "push", None)


def test_every_event_of_a_batch_is_stored_in_one_transaction(shop):
    shop = shop(LISTED)
    events = [{"id": f"evt_{number}", "type": "a"} for number in range(3)]
    assert deliver(shop, {"events": events}).status == 200
    assert [event_again(held, LISTED).json() for held in taken(shop)] == events
    assert "Hookguard-Duplicate" in names(deliver(shop, {"events": events[:2]}))
    reply = deliver(shop, {"events": [*events, {"id": "evt_9", "type": "a"}]})
    assert (reply.status, names(reply)) == (200, set())
    assert len(taken(shop)) == 1


def test_no_event_of_a_batch_is_stored_if_one_cannot_be(shop, store):
    shop = shop(LISTED)
    database = store.inbox()._database.here().connection
    database.execute(
        "CREATE TRIGGER full BEFORE INSERT ON hookguard_inbox WHEN NEW.event_id = 'evt_2' BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    events = [{"id": f"evt_{number}", "type": "a"} for number in range(4)]
    reply = deliver(shop, {"events": events})
    assert (reply.status, dict(reply.headers)["Retry-After"]) == (503, "30")
    assert shop.inbox.find(limit=10) == []
    database.execute("DROP TRIGGER full")
    reply = deliver(shop, {"events": events})
    assert (reply.status, names(reply)) == (200, set())
    assert len(shop.inbox.find(limit=10)) == 4


def test_a_batch_with_one_reused_id_stores_the_others_and_is_rejected(shop):
    shop = shop(LISTED, on_reused_id="reject")
    assert deliver(shop, {"events": [{"id": "evt_1", "type": "a"}]}).status == 200
    assert deliver(shop, {"events": [{"id": "evt_1", "type": "b"}, {"id": "evt_2", "type": "a"}]}).status == 422
    assert {entry.event_id for entry in shop.inbox.find(limit=10)} == {"evt_1", "evt_2"}


def test_a_batch_without_events_is_answered(shop):
    assert deliver(shop(LISTED), {"events": []}).status == 200


def test_a_store_that_is_down_is_answered_503(shop, store):
    shop = shop()
    deliver(shop)
    store.inbox()._database.here().connection.execute("ALTER TABLE hookguard_inbox RENAME TO out_of_reach")
    reply = deliver(shop, {**PAID, "id": "evt_2"})
    assert (reply.status, dict(reply.headers)["Retry-After"]) == (503, "30")
    store.inbox()._database.here().connection.execute("ALTER TABLE out_of_reach RENAME TO hookguard_inbox")
    reply = deliver(shop, {**PAID, "id": "evt_2"})
    assert (reply.status, names(reply)) == (200, set()), "the provider's retry is stored"


def test_the_answer_waits_for_the_commit(store, tmp_path):
    endpoint = Endpoint(Verifier("stripe", SECRET), name="shop", inbox=True)
    guard, seen = Guard(endpoint, store), []
    inbox = store.inbox()
    put = guard._flow._put

    async def watched(events):
        answers = await put(events)
        # Another process sees only what is committed.
        other = sqlite3.connect(tmp_path / "hooks.sqlite3")
        seen.append(other.execute("SELECT COUNT(*) FROM hookguard_inbox").fetchone()[0])
        other.close()
        return answers

    guard._flow._put = watched
    assert guard.run(presets.STRIPE.sign(json.dumps(PAID).encode(), SECRET), lambda event: 500).status == 200
    assert seen == [1]
    assert inbox._database.here().connection.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"


def test_the_concurrency_limit_holds_for_accepting(store):
    guard = Guard(Endpoint(Verifier("stripe", SECRET), name="shop", inbox=True, max_concurrent=1), store)
    delivery = presets.STRIPE.sign(json.dumps(PAID).encode(), SECRET)
    inside = []
    put = guard._flow._put

    async def during(events):
        inside.append(guard.run(delivery, lambda event: 500))
        return await put(events)

    guard._flow._put = during
    assert guard.run(delivery, lambda event: 500).status == 200
    assert [(reply.status, dict(reply.headers)["Retry-After"]) for reply in inside] == [(503, "1")]
    guard._flow._put = put
    assert guard.run(delivery, lambda event: 500).status == 200, "its slot is free again"


def test_a_nonce_is_spent_with_the_first_body(store, side):
    preset = dataclasses.replace(presets.STRIPE, name="nonced", nonce=InBody("nonce"))
    shop = side(store, Endpoint(Verifier(preset, SECRET), name="shop", inbox=True))
    shop.preset = preset
    assert deliver(shop, {"id": "a", "nonce": "n"}).status == 200
    assert deliver(shop, {"id": "b", "nonce": "n"}).status == 401
    assert [entry.event_id for entry in shop.inbox.find(limit=10)] == ["a"]


def test_the_outcome_is_stored(store, caplog):
    seen = []
    endpoint = Endpoint(Verifier("stripe", SECRET), name="shop", inbox=True, observers=[seen.append])
    guard = Guard(endpoint, store)
    delivery = presets.STRIPE.sign(json.dumps(PAID).encode(), SECRET)
    with caplog.at_level(logging.INFO, "hookguard"):
        guard.run(delivery, lambda event: 500)
        guard.run(delivery, lambda event: 500)
    assert [(each.outcome, each.status, each.event_id, each.attempt) for each in seen] == [
        ("stored", 200, "evt_1", 0),
        ("duplicate", 200, "evt_1", 0),
    ]
    assert {record.levelname for record in caplog.records if record.name == "hookguard"} == {"INFO"}


# --- switched from one mode to the other (I16)


def test_an_event_that_was_handled_in_direct_mode_is_not_stored(store):
    delivery = presets.STRIPE.sign(json.dumps(PAID).encode(), SECRET)
    verifier = Verifier("stripe", SECRET)
    assert Guard(Endpoint(verifier, name="shop"), store).run(delivery, lambda event: 200).status == 200
    reply = Guard(Endpoint(verifier, name="shop", inbox=True), store).run(delivery, lambda event: 500)
    assert "Hookguard-Duplicate" in names(reply)
    assert store.inbox().find(limit=10) == []


def test_an_event_that_fails_in_direct_mode_while_it_comes_again_is_not_lost(store):
    delivery = presets.STRIPE.sign(json.dumps(PAID).encode(), SECRET)
    verifier = Verifier("stripe", SECRET)
    direct, stored = Guard(Endpoint(verifier, name="shop"), store), Guard(Endpoint(verifier, name="shop", inbox=True), store)
    meanwhile = []

    def fails(event):
        meanwhile.append(stored.run(delivery, lambda event: 500))
        return 500

    assert direct.run(delivery, fails).status == 500
    assert [(reply.status, "Retry-After" in names(reply)) for reply in meanwhile] == [(503, True)]
    assert stored.run(delivery, lambda event: 500).status == 200
    assert len(store.inbox().find(limit=10)) == 1


def test_a_stored_event_is_not_run_in_direct_mode_as_well(store):
    delivery = presets.STRIPE.sign(json.dumps(PAID).encode(), SECRET)
    verifier = Verifier("stripe", SECRET)
    Guard(Endpoint(verifier, name="shop", inbox=True), store).run(delivery, lambda event: 500)
    ran = []
    reply = Guard(Endpoint(verifier, name="shop"), store).run(delivery, ran.append)
    assert (reply.status, ran) == (200, [])
    assert [entry.state for entry in store.inbox().find(limit=10)] == [EntryState.WAITING]


# --- settings


def test_a_store_that_keeps_no_deliveries_is_rejected_by_its_name():
    with pytest.raises(
        ConfigurationError, match=r"'shop' has an inbox, and MemoryStore cannot keep deliveries: .* SQLite .* can"
    ):
        Guard(Endpoint(Verifier("stripe", SECRET), name="shop", inbox=True), MemoryStore())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"inbox": True, "store_reply": True}, "leave store_reply or inbox out"),
        ({"inbox": True, "on_outage": "open"}, "leave on_outage='open' or inbox out"),
        ({"inbox": "yes"}, "inbox is 'yes'; choose True, False, or give a mapping"),
        ({"inbox": {"trys": 3}}, "unknown setting 'trys'; did you mean 'tries'"),
        ({"inbox": {"hand_off": "tasks.run"}}, "hand_off is 'tasks.run': name the function as module:name"),
    ],
)
def test_a_setting_that_does_not_fit_is_rejected(settings, says):
    with pytest.raises(ConfigurationError) as caught:
        Endpoint(Verifier("stripe", SECRET), name="shop", **settings)
    assert says in str(caught.value)
    assert "'shop'" in str(caught.value)


def test_the_settings_file_turns_it_on():
    given = {"ENDPOINTS": {"stripe": {"SECRETS": [SECRET], "INBOX": {"ORDER_BY": "body:data.customer", "TRIES": 3}}}}
    settings = Settings(given, where="HOOKGUARD", default_store=MemoryStore)
    assert settings.endpoint("stripe").inbox == InboxSettings(tries=3, order_by=InBody("data.customer"))


def test_an_error_of_the_store_is_never_an_answer(store):
    guard = Guard(Endpoint(Verifier("stripe", SECRET), name="shop", inbox=True), store)

    async def fails(events):
        raise StoreUnavailable("no answer")

    guard._flow._put = fails
    reply = guard.run(Delivery(*_signed()), lambda event: 500)
    assert reply.status == 503


def _signed():
    delivery = presets.STRIPE.sign(json.dumps(PAID).encode(), SECRET)
    return delivery.body, delivery.headers
