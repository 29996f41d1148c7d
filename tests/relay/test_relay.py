"""The relay: what reaches which target, and what follows from its answer. With real servers, and a real worker."""

import importlib
import logging
import socket
import time
from datetime import datetime, timezone
from email.utils import format_datetime

import pytest

pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

from receiving import receiver
from relays import OTHER, PROVIDERS, SECRET, to
from waiting import until

from hookguard import Delivery, GatewayVerifier, Secret, Verifier
from hookguard.inbox.contract import EntryState
from hookguard.relay import rest
from hookguard.relay.sending import Sent, TargetGone

DONE, DEAD, WAITING = EntryState.DONE, EntryState.DEAD, EntryState.WAITING


@pytest.fixture
def one():
    with receiver() as found:
        yield found


@pytest.fixture
def two():
    with receiver() as found:
        yield found


def verified(came, secret=SECRET):
    return Verifier("standard-webhooks", secret).verify(Delivery(came.body, came.headers))


def test_each_target_gets_every_event_signed(shop, one, two):
    made = shop({"billing": to(one), "audit": to(two, secrets=[OTHER])})
    body = made.deliver(1)
    made.work()
    for came, secret in ((one.seen[0], SECRET), (two.seen[0], OTHER)):
        assert came.body == body
        event = verified(came, secret)
        assert event.id.startswith("msg_")
        assert event.type == "invoice.paid"
        told = {name: came.headers[f"hookguard-{name}"] for name in ("event-id", "event-type", "provider", "endpoint", "hops")}
        assert told == {
            "event-id": "evt_1",
            "event-type": "invoice.paid",
            "provider": "stripe",
            "endpoint": "stripe",
            "hops": "1",
        }
        assert came.headers["content-type"] == "application/json"
        assert "stripe-signature" not in came.headers
    assert one.ids == two.ids
    assert [each.part for each in made.of("handled")] == ["billing", "audit"] or len(made.of("handled")) == 2


def test_log_names_the_target_of_each_line(shop, one, two, caplog):
    caplog.set_level("INFO", "hookguard")
    made = shop({"billing": to(one), "audit": to(two)})
    made.deliver(1)
    made.work()
    lines = [each.getMessage() for each in caplog.records if each.getMessage().startswith("stripe handled")]
    assert sorted(lines) == [f"stripe handled: 'invoice.paid' 'evt_1', part {name}" for name in ("audit", "billing")]


@pytest.mark.parametrize("package", ["standardwebhooks", "svix"])
def test_official_library_verifies_it(shop, one, package):
    pytest.importorskip(package)
    official = importlib.import_module("svix.webhooks" if package == "svix" else package)
    made = shop({"billing": to(one)})
    made.deliver(1)
    made.work()
    official.Webhook(SECRET).verify(one.seen[0].body, one.seen[0].headers)
    with pytest.raises(official.WebhookVerificationError):
        official.Webhook(OTHER).verify(one.seen[0].body, one.seen[0].headers)


def test_only_the_target_that_failed_gets_an_event_again(shop, one, two):
    one.answers.extend([500, 404, 302])
    made = shop({"billing": to(one), "audit": to(two)})
    made.deliver(1)
    made.work()
    assert len(one.seen) == 4
    assert len(two.seen) == 1
    assert len(set(one.ids)) == 1
    assert [came.headers["hookguard-attempt"] for came in one.seen] == ["1", "2", "3", "4"]
    for came in one.seen:
        verified(came)
    assert [each.status for each in made.of("failed")] == [500, 404, 302]
    assert made.of("failed")[0].reason.startswith("billing answered 500; due again in")


def test_dead_target_keeps_no_other_from_its_events(shop, one, two):
    one.usual = 500
    made = shop({"billing": to(one), "audit": to(two)}, inbox={"tries": 2, "first": 0.01, "longest_wait": 0.02})
    for number in range(3):
        made.deliver(number)
    made.work()
    assert {part for (part, _), state in made.states().items() if state == DEAD} == {"billing"}
    assert [state for (part, _), state in made.states().items() if part == "audit"] == [DONE] * 3
    assert len(made.of("dead", "billing")) == 3


def test_gone_target_is_dead_immediately_and_rests(shop, one, two):
    one.usual = 410
    made = shop({"billing": to(one), "audit": to(two)})
    made.deliver(1)
    made.work()
    (dead,) = made.of("dead")
    assert (dead.part, dead.status, dead.reason_code) == ("billing", 410, "gone")
    assert "takes no more events at this URL" in dead.reason
    assert made.states() == {("billing", "evt_1"): DEAD, ("audit", "evt_1"): DONE}
    with made.working():
        made.deliver(2)
        assert until(lambda: len(two.seen) == len(made.of("dead")) == 2)
        one.usual = 200
        made.deliver(3)
        assert until(lambda: len(two.seen) == 3)
    # A worker that has just started knows of no rest, so the one of the block above got the 410 of evt_2.
    assert len(one.seen) == 2
    assert made.states()[("billing", "evt_3")] == WAITING


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_obeyed(shop, one, as_date):
    told = format_datetime(datetime.fromtimestamp(time.time() + 3700, timezone.utc), usegmt=True) if as_date else "3600"
    one.answers.append((429, {"Retry-After": told}, b""))
    made = shop({"billing": to(one)})
    made.deliver(1)
    made.work(lambda: made.of("failed"))
    assert 3500 < made.of("failed")[0].due_again <= 3700


def test_retry_after_of_nothing_waits_by_the_schedule(shop, one):
    one.answers.append((503, {"Retry-After": "0"}, b""))
    made = shop({"billing": to(one)}, inbox={"first": 600.0})
    made.deliver(1)
    made.work(lambda: made.of("failed"))
    assert made.of("failed")[0].due_again >= 300


def test_retry_after_counts_one_day_at_most(shop, one):
    one.answers.append((500, {"Retry-After": "9999999"}, b""))
    made = shop({"billing": to(one)})
    made.deliver(1)
    made.work(lambda: made.of("failed"))
    assert made.of("failed")[0].due_again == 86_400


def test_target_that_asks_for_a_rest_gets_nothing_meanwhile(shop, one, two):
    one.answers.append((429, {"Retry-After": "3600"}, b""))
    made = shop({"billing": to(one), "audit": to(two)})
    with made.working():
        made.deliver(1)
        assert until(lambda: made.of("failed"))
        for number in range(2, 12):
            made.deliver(number)
        assert until(lambda: len(two.seen) == 11)  # the worker has looked for each of them
    assert len(one.seen) == 1
    assert made.states()[("billing", "evt_2")] == WAITING


def test_types_filter_the_events_of_a_target(shop, one, two):
    made = shop({"billing": to(one, types=["invoice.*"]), "refunds": to(two, types=["charge.refunded", "refund.*"])})
    for number, kind in enumerate(["invoice.paid", "charge.refunded", "refund.created", "customer.new"]):
        made.deliver(number, kind)
    made.work()
    assert [came.headers["hookguard-event-type"] for came in one.seen] == ["invoice.paid"]
    assert {came.headers["hookguard-event-type"] for came in two.seen} == {"charge.refunded", "refund.created"}
    (ignored,) = made.of("ignored")
    assert ignored.event_type == "customer.new"
    assert made.states()[("relay", "evt_3")] == DONE


def test_random_spread_sends_each_event_to_one_target(shop, one, two):
    made = shop({"a": to(one), "b": to(two)}, spread="random")
    for number in range(40):
        made.deliver(number)
    made.work()
    assert len(one.seen) + len(two.seen) == 40
    assert one.seen
    assert two.seen
    assert not set(one.ids) & set(two.ids)


def test_weighted_spread_shares_exactly(shop, one, two):
    made = shop({"a": to(one, weight=5), "b": to(two, weight=2)}, spread="weighted")
    for number in range(35):
        made.deliver(number)
    made.work()
    assert (len(one.seen), len(two.seen)) == (25, 10)


@pytest.mark.parametrize("spread", ["random", "weighted"])
def test_next_attempt_prefers_another_target(shop, one, two, spread):
    one.usual = 500
    made = shop({"a": to(one), "b": to(two)}, spread=spread)
    for number in range(4):
        made.deliver(number)
    made.work()
    assert len(two.seen) == 4
    assert len(one.seen) == len(set(one.ids))


def test_failover_goes_on_within_the_attempt(shop, one, two, caplog):
    one.usual = 503
    made = shop({"first": to(one), "second": to(two)}, spread="failover")
    made.deliver(1)
    made.work()
    [line] = [each for each in caplog.records if each.name == "hookguard.relay"]
    assert line.getMessage() == "first answered 503; 'second' is next"
    assert (line.levelname, line.endpoint, line.target, line.reason_code) == ("WARNING", "stripe", "first", "target_status")
    assert (len(one.seen), len(two.seen)) == (1, 1)
    assert made.of("failed") == []
    assert made.of("handled")[0].attempt == 1
    one.usual = 200
    made.deliver(2)
    made.work()
    assert (len(one.seen), len(two.seen)) == (2, 1)


def test_failover_past_a_gone_target_is_not_dead(shop, one, two):
    one.usual, two.answers = 410, type(two.answers)([500])
    made = shop({"first": to(one), "second": to(two)}, spread="failover")
    made.deliver(1)
    made.work()
    assert made.states() == {("relay", "evt_1"): DONE}


def test_function_chooses_the_targets(shop, one, two):
    made = shop(
        {"de": to(one), "fr": to(two)},
        spread=lambda event, names: names if event.json()["land"] == "*" else [event.json()["land"]],
    )
    for number, land in enumerate(["de", "fr", "*"]):
        made.deliver(number, body={"land": land})
    made.work()
    assert sorted(came.headers["hookguard-event-id"] for came in one.seen) == ["evt_0", "evt_2"]
    assert sorted(came.headers["hookguard-event-id"] for came in two.seen) == ["evt_1", "evt_2"]


def test_function_that_chooses_nothing_ignores_the_event(shop, one):
    made = shop({"de": to(one)}, spread=lambda event, names: [])
    made.deliver(1)
    made.work()
    assert one.seen == []
    assert len(made.of("ignored")) == 1


def test_gone_target_ends_no_event_for_another_that_failed(shop, one, two):
    """The function has raised at arrival, so one entry holds the event for all of its targets."""
    with receiver() as gone:
        gone.usual = 410
        two.answers.extend([500, 500])
        calls = []

        def spread(event, names):
            calls.append(event)
            if len(calls) == 1:
                raise LookupError
            return names

        made = shop({"sent": to(one), "gone": to(gone), "down": to(two)}, spread=spread)
        made.deliver(1)
        made.work()
        assert len(two.seen) == 3
        assert [each.reason_code for each in made.of("failed")] == ["target_status"] * 2
        # The target that is gone stays one, and the operator hears of it.
        assert made.states() == {("relay", "evt_1"): DEAD}
        assert made.of("dead")[0].reason_code == "gone"
        assert len(set(one.ids + two.ids)) == 1


@pytest.mark.parametrize("spread", ["failover", "random", "weighted"])
def test_retry_after_of_one_target_delays_no_event_that_another_may_take(shop, one, two, spread):
    one.answers.append(500 if spread == "failover" else (503, {"Retry-After": "86400"}, b""))
    two.answers.append((503, {"Retry-After": "86400"}, b""))
    made = shop({"a": to(one), "b": to(two)}, spread=spread)
    made.deliver(1)
    made.work(lambda: made.of("failed"))
    assert made.of("failed")[0].due_again < 3600


def test_event_waits_for_the_first_of_its_targets(shop, one, two):
    one.answers.append((503, {"Retry-After": "3600"}, b""))
    two.answers.append((429, {"Retry-After": "7200"}, b""))
    made = shop({"a": to(one), "b": to(two)}, spread="failover")
    made.deliver(1)
    made.work(lambda: made.of("failed"))
    assert 3500 < made.of("failed")[0].due_again <= 3600


@pytest.mark.parametrize("mistake", [ZeroDivisionError("canary"), ["nowhere"]])
def test_function_that_fails_loses_no_event(shop, one, caplog, mistake):
    broken = [True]

    def spread(event, names):
        if not broken:
            return names
        if isinstance(mistake, Exception):
            raise mistake
        return mistake

    made = shop({"de": to(one)}, spread=spread)
    made.deliver(1)
    assert "the function that spreads events raised" in caplog.text
    with made.working():
        assert until(lambda: made.of("failed"))
        broken.clear()
        assert until(lambda: one.seen)
        assert until(lambda: not made.waiting())
    assert made.of("failed")[0].reason_code == "spread_raised"


def test_two_secrets_sign_during_a_rotation(shop, one):
    made = shop({"billing": to(one, secrets=[OTHER, SECRET])})
    made.deliver(1)
    made.work()
    assert len(one.seen[0].headers["webhook-signature"].split()) == 2
    verified(one.seen[0], SECRET)
    verified(one.seen[0], OTHER)


def test_expired_secret_signs_nothing(shop, one):
    made = shop({"billing": to(one, secrets=[OTHER, {"value": SECRET, "name": "old", "not_after": time.time() - 1}])})
    made.deliver(1)
    made.work()
    assert len(one.seen[0].headers["webhook-signature"].split()) == 1
    verified(one.seen[0], OTHER)


def test_event_waits_while_no_secret_is_valid(shop, one):
    made = shop({"billing": to(one, secrets=[Secret(SECRET, name="old", not_after=time.time() - 1)])})
    made.deliver(1)
    made.work(lambda: made.of("failed"))
    assert one.seen == []
    assert "no secret is valid now" in made.of("failed")[0].reason


def test_target_whose_name_has_a_private_address_gets_nothing(shop, one, monkeypatch):
    found = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: found("127.0.0.1", *rest, **more))
    url = one.url.replace("127.0.0.1", "billing.example")
    made = shop({"billing": to(one, url=url, allow_networks=["10.0.0.0/8"])})
    made.deliver(1)
    made.work(lambda: made.of("failed"))
    assert one.seen == []
    assert "127.0.0.1, which is not public" in made.of("failed")[0].reason


def test_target_that_keeps_failing_rests(shop, one, two, caplog):
    one.usual = 500
    made = shop({"billing": to(one), "audit": to(two)}, inbox={"first": 3600.0})
    with made.working(at_once=1):
        for number in range(rest.FAILURES):
            made.deliver(number)
        assert until(lambda: "rests for" in caplog.text)
        for number in range(rest.FAILURES, 12):
            made.deliver(number)
        assert until(lambda: len(two.seen) == 12)  # the worker has looked for each of them
    assert len(one.seen) == rest.FAILURES
    assert sum(each.lane.part == "billing" and each.attempt == 0 for each in made.inbox.find(limit=100)) == 12 - rest.FAILURES


def test_target_that_takes_events_again_is_logged_once(shop, one, monkeypatch, caplog):
    monkeypatch.setattr(rest, "FIRST", 0.05)
    caplog.set_level(logging.INFO, "hookguard.relay")
    one.usual = 500
    made = shop({"billing": to(one)}, inbox={"first": 0.05})
    with made.working(at_once=1):
        for number in range(rest.FAILURES):
            made.deliver(number)
        assert until(lambda: "rests for" in caplog.text)
        one.usual = 200
        assert until(lambda: len(made.of("handled")) == rest.FAILURES)
    lines = [record for record in caplog.records if record.getMessage() == "target 'billing' takes events again"]
    assert [(record.levelname, record.target) for record in lines] == [("INFO", "billing")]


def test_target_that_is_down_costs_few_attempts(shop, one, monkeypatch):
    # The numbers of a target that is down for 90 s, a hundred times as fast.
    monkeypatch.setattr(rest, "FIRST", 0.3)
    monkeypatch.setattr(rest, "LONGEST", 3.0)
    one.usual = 500
    made = shop({"billing": to(one)})
    with made.working(at_once=1):
        end = time.monotonic() + 0.9
        number = 0
        while time.monotonic() < end:
            made.deliver(number := number + 1)
        attempts = len(one.seen)
        one.usual = 200
        assert until(lambda: not made.waiting())
    assert attempts <= 8
    assert len(set(one.ids)) == number


def test_all_targets_rest_and_the_events_wait(shop, one, two, monkeypatch):
    monkeypatch.setattr(rest, "FIRST", 1.0)
    one.usual = two.usual = 503
    made = shop({"a": to(one), "b": to(two)}, spread="random")
    with made.working(at_once=1):
        for number in range(20):
            made.deliver(number)
        assert until(lambda: len(made.of("failed")) >= 2 * rest.FAILURES)
        one.usual = two.usual = 200
        assert until(lambda: not made.waiting())
    assert len(made.of("handled")) == 20


def test_event_that_passed_five_relays_is_dead(shop, one):
    made = shop({"billing": to(one)})
    made.deliver(1, **{"hookguard-hops": "4"})
    made.deliver(2, **{"hookguard-hops": "5"})
    made.deliver(3, **{"hookguard-hops": "²"})
    made.work()
    assert {came.headers["hookguard-event-id"]: came.headers["hookguard-hops"] for came in one.seen} == {
        "evt_1": "5",
        "evt_3": "1",
    }
    (dead,) = made.of("dead")
    assert (dead.event_id, dead.reason_code) == ("evt_2", "too_many_hops")


def test_receiver_verifies_the_providers_signature_too(shop, one):
    made = shop({"billing": to(one)}, keep_provider_headers=True)
    made.deliver(1)
    made.work()
    came = one.seen[0]
    behind = GatewayVerifier("stripe", PROVIDERS, gateway=Verifier("standard-webhooks", SECRET))
    assert behind.verify(Delivery(came.body, came.headers)).id == "evt_1"


def test_provider_headers_are_not_stored_unless_asked_for(shop, one):
    made = shop({"billing": to(one)})
    made.deliver(1)
    (entry,) = made.inbox.find(limit=1)
    assert "stripe-signature" not in made.inbox.open(entry.key).head


def test_order_is_kept_for_each_target_alone(shop, one, two):
    one.answers.extend([500] * 3)
    made = shop({"a": to(one), "b": to(two)}, inbox={"first": 0.05, "longest_wait": 0.1, "order_by": "body:account"})
    for number in range(5):
        made.deliver(number, body={"account": "acct_1"})
    made.work()
    got = [came.headers["hookguard-event-id"] for came in one.seen]
    assert got == ["evt_0"] * 4 + [f"evt_{number}" for number in range(1, 5)]
    assert [came.headers["hookguard-event-id"] for came in two.seen] == [f"evt_{number}" for number in range(5)]


class Ledger:
    """A target of the user's own."""

    def __init__(self):
        self.sent = []

    async def send(self, sending):
        self.sent.append(sending)
        if sending.event_type == "customer.gone":
            raise TargetGone("closed")
        return Sent(503, "7200") if len(self.sent) == 1 else Sent()


def test_target_of_your_own(shop, caplog):
    ledger = Ledger()
    made = shop({"ledger": {"to": ledger, "secrets": [SECRET]}})
    made.deliver(1)
    made.work(lambda: made.of("failed"))
    assert 7100 < made.of("failed")[0].due_again <= 7200
    made.deliver(2)
    made.work(lambda: made.of("handled"))
    sending = ledger.sent[1]
    event = Verifier("standard-webhooks", SECRET).verify(Delivery(sending.body, sending.headers))
    assert event.id == sending.id
    made.deliver(3, "customer.gone")
    made.work(lambda: made.of("dead"))
    assert "takes no more events: closed" in caplog.text


def test_view_handles_each_event_as_well(shop, one):
    from hookguard.guard.resuming import WORKER

    ran = []

    def app(environ, start_response):
        receipt = made.guard.resume(environ[WORKER])
        ran.append(receipt.event.id)
        made.guard.settle(receipt, status=200)
        start_response("200 OK", [])
        return [b""]

    made = shop({"billing": to(one)}, handle=True, app=app)
    made.deliver(1)
    made.work()
    assert ran == ["evt_1"]
    assert len(one.seen) == 1
    assert made.states() == {("", "evt_1"): DONE, ("billing", "evt_1"): DONE}


def test_events_of_a_target_that_was_removed_are_reported(shop, one, two, caplog, tmp_path):
    before = shop({"billing": to(one), "audit": to(two)})
    before.deliver(1)
    after = shop({"audit": to(two)}, store=before.store)
    with after.working():
        assert until(lambda: "wait for the target 'billing'" in caplog.text)
        assert until(lambda: two.seen)
    assert one.seen == []
    assert before.states()[("billing", "evt_1")] == WAITING


def test_entries_of_another_spread_are_passed_on(shop, one, two):
    before = shop({"a": to(one), "b": to(two)}, spread="random")
    before.deliver(1)
    after = shop({"a": to(one), "b": to(two)}, store=before.store)
    after.deliver(2)
    after.work()
    assert len(one.seen) == len(two.seen) == 2
    back = shop({"a": to(one), "b": to(two)}, spread="random", store=before.store)
    after.deliver(3)
    back.work()
    assert len(one.seen) == len(two.seen) == 3


def test_connections_are_used_again(shop, one, tmp_path):
    made = shop({"billing": to(one)})
    for number in range(20):
        made.deliver(number)
    made.work()
    assert len(one.seen) == 20
    assert len(one.peers) <= 8
