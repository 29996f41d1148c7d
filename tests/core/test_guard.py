import asyncio
import json
import logging
import threading

import pytest
from guards import NOW, SECRET, Async, Faulty, Sync

from hookguard import (
    AsyncGuard,
    ConfigurationError,
    Delivery,
    Endpoint,
    Guard,
    MemoryStore,
    SQLiteStore,
    StoreUnavailable,
    Tenant,
    Verifier,
    presets,
)
from hookguard.errors import EventIdReused, LeaseLost, MalformedBody, MethodNotAllowed, SignatureMismatch, VerificationUnavailable
from hookguard.testing import FrozenClock

OTHER = "another-secret-of-some-length"


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
    """A guard of the kind, over a store of the test's."""

    def made(preset="stripe", secrets=SECRET, **options):
        verifier = Verifier(preset, secrets, clock=clock)
        return kind(Endpoint(verifier, observers=[outcomes.append], **options), store)

    return made


def stripe(event_id="evt_1", secret=SECRET, **fields):
    return presets.STRIPE.sign(json.dumps({"id": event_id, "type": "invoice.paid", **fields}).encode(), secret, timestamp=NOW)


def last(outcomes):
    return (outcomes[-1].outcome, outcomes[-1].status, outcomes[-1].reason_code)


def test_a_genuine_event_is_run_once(make, outcomes):
    guard = make()
    with guard.receive(stripe()) as receipt:
        assert receipt.reply is None
        assert (receipt.event.id, receipt.event.attempt, len(receipt.event.idempotency_key)) == ("evt_1", 1, 64)
        receipt.answered(204)
    assert last(outcomes) == ("handled", 204, "")
    for _ in range(3):
        receipt = guard.open(stripe())
        assert (receipt.reply.status, dict(receipt.reply.headers), receipt.reply.body) == (200, {"Hookguard-Duplicate": "1"}, b"")
        assert last(outcomes) == ("duplicate", 200, "")
        with pytest.raises(RuntimeError, match="send receipt.reply first"):
            _ = receipt.event
        assert guard.settle(receipt, status=200) is None
    assert len(outcomes) == 4


def test_while_it_runs_another_delivery_is_asked_to_come_again(make, outcomes, clock):
    guard = make(lease=40)
    first = guard.open(stripe())
    clock.advance(10.5)
    second = guard.open(stripe())
    assert (second.reply.status, dict(second.reply.headers)["Retry-After"]) == (503, "30")
    assert last(outcomes) == ("in_progress", 503, "")
    assert guard.settle(first, status=200) is None
    assert guard.open(stripe()).reply.status == 200


@pytest.mark.parametrize(("left", "wait"), [(0.2, "1"), (59.5, "60"), (600, "60")])
def test_retry_after_is_the_rest_of_the_lease_within_a_minute(make, left, wait):
    guard = make(lease=left)
    guard.open(stripe())
    assert dict(guard.open(stripe()).reply.headers)["Retry-After"] == wait


@pytest.mark.parametrize("status", [301, 400, 404, 422, 500, 503, 199, 300, None])
def test_any_other_answer_releases_the_event(make, outcomes, status):
    guard = make()
    with guard.receive(stripe()) as receipt:
        if status is not None:
            receipt.answered(status)
    assert last(outcomes) == ("failed", status, "handler_status" if status else "not_answered")
    again = guard.open(stripe())
    assert again.event.attempt == 2
    assert again.event.idempotency_key == receipt._event.idempotency_key


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_completes(make, status):
    guard = make()
    assert guard.settle(guard.open(stripe()), status=status) is None
    assert guard.open(stripe()).reply.status == 200


def test_an_exception_releases_the_event_and_propagates(make, outcomes):
    guard = make()
    with pytest.raises(ZeroDivisionError), guard.receive(stripe()) as receipt:
        receipt.answered(200)
        raise ZeroDivisionError
    assert last(outcomes) == ("failed", None, "handler_raised")
    assert "ZeroDivisionError" in outcomes[-1].reason
    assert guard.open(stripe()).event.attempt == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
def test_a_stopped_worker_leaves_the_lease_to_run_out(make, outcomes, clock, store, stop):
    guard = make(lease=60)
    receipt = guard.open(stripe())
    assert guard.settle(receipt, error=stop()) is None
    assert last(outcomes) == ("abandoned", None, stop.__name__)
    assert "release" not in store.calls
    assert guard.open(stripe()).reply.status == 503
    clock.advance(61)
    assert guard.open(stripe()).event.attempt == 2


def test_a_receipt_is_settled_once(make, outcomes):
    guard = make()
    receipt = guard.open(stripe())
    guard.settle(receipt, status=200)
    guard.settle(receipt, error=ValueError())
    guard.settle(receipt, status=500)
    assert [outcome.outcome for outcome in outcomes] == ["handled"]


def test_a_handler_that_finds_the_body_unreadable_answers_as_a_rejection(make, outcomes):
    guard = make("github")
    delivery = presets.GITHUB.sign(b"not json", SECRET, id="1")
    with pytest.raises(MalformedBody), guard.receive(delivery) as receipt:
        receipt.event.json()
    assert last(outcomes) == ("rejected", 400, "malformed_body")
    receipt = guard.open(delivery)
    reply = guard.settle(receipt, error=MalformedBody("x"))
    assert (reply.status, json.loads(reply.body)["title"]) == (400, "webhook rejected")


def test_the_handlers_own_configuration_error_is_its_own(make, outcomes):
    guard = make()
    assert guard.settle(guard.open(stripe()), error=ConfigurationError("of another thing")) is None
    assert last(outcomes) == ("failed", None, "handler_raised")


# --- rejected before anything is claimed


def test_forged_deliveries_never_reach_the_store(make, store, outcomes):
    guard = make()
    for delivery in (stripe(secret=OTHER), stripe()._replace(body=b"{}"), Delivery(b"{}", {}), stripe()._replace(method="GET")):
        receipt = guard.open(delivery)
        assert receipt.reply.status in (401, 405)
        assert b"webhook rejected" in receipt.reply.body
        assert receipt.error is not None
        assert guard.settle(receipt, status=200) is None
    assert store.calls == []
    assert {outcome.outcome for outcome in outcomes} == {"rejected"}


def test_405_says_what_is_allowed(make):
    assert dict(make().open(stripe()._replace(method="GET")).reply.headers)["Allow"] == "POST"


def test_every_rejection_says_the_same_to_the_sender(make):
    guard = make()
    bodies = {
        guard.open(delivery).reply.body
        for delivery in (stripe(secret=OTHER), Delivery(b"{}", {"Stripe-Signature": "zzz"}), Delivery(b"", {}))
    }
    assert bodies == {b'{"type": "about:blank", "title": "webhook rejected", "status": 401}'}


def test_an_event_without_an_id_runs_once_by_its_content(make, outcomes, caplog):
    guard = make()
    delivery = presets.STRIPE.sign(b'{"type": "x"}', SECRET, timestamp=NOW)
    receipt = guard.open(delivery)
    assert receipt.event.id == f"sha256:{receipt.event.digest()}"
    guard.settle(receipt, status=200)
    assert [record.reason_code for record in caplog.records if "an event has no id" in record.message] == ["missing_event_id"]
    assert guard.open(delivery).reply.status == 200
    assert guard.open(presets.STRIPE.sign(b'{"type": "y"}', SECRET, timestamp=NOW)).reply is None
    assert [outcome.outcome for outcome in outcomes] == ["handled", "duplicate"]


def test_a_plugin_may_screen_and_reject(make, outcomes):
    guard = make(max_body=10).guard
    assert guard.screen(stripe()._replace(body=b"")) is None
    assert guard.screen(stripe()).reply.status == 413
    assert guard.reject(MethodNotAllowed("x"), stripe()).reply.status == 405
    assert [outcome.reason_code for outcome in outcomes] == ["body_too_large", "method_not_allowed"]


# --- reused ids


def test_a_known_id_with_another_body_is_a_duplicate_by_default(make, outcomes):
    guard = make(on_reused_id="duplicate")
    guard.settle(guard.open(stripe()), status=200)
    assert guard.open(stripe(amount=2)).reply.status == 200
    assert outcomes[-1].outcome == "duplicate"
    assert "differs" in outcomes[-1].reason


@pytest.mark.parametrize("state", ["in progress", "released", "done"])
def test_a_changed_retry_is_rejected_where_retries_never_change(make, outcomes, state):
    guard = make(on_reused_id="reject")
    first = guard.open(stripe())
    if state != "in progress":
        guard.settle(first, status=200 if state == "done" else 500)
    receipt = guard.open(stripe(amount=2))
    assert receipt.reply.status == 422
    assert isinstance(receipt.error, EventIdReused)
    assert last(outcomes) == ("rejected", 422, "event_id_reused")
    if state == "in progress":
        assert guard.settle(first, status=200) is None
    if state == "released":
        assert guard.open(stripe()).event.attempt == 4  # the honest body still runs, after two claims of the changed one


# --- a store that is down


def test_a_store_that_is_down_at_the_claim_runs_nothing(make, store, outcomes):
    store.before = {"claim"}
    receipt = make().open(stripe())
    assert (receipt.reply.status, dict(receipt.reply.headers)["Retry-After"]) == (503, "30")
    assert b"try again later" in receipt.reply.body
    assert last(outcomes) == ("unavailable", 503, "store_unavailable")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_store_that_is_down_at_the_end_answers_503_and_not_2xx(make, store, outcomes, when):
    guard = make()
    receipt = guard.open(stripe())
    setattr(store, when, {"complete"})
    reply = guard.settle(receipt, status=200)
    assert reply.status == 503
    assert last(outcomes) == ("unavailable", 503, "store_unavailable")
    assert isinstance(receipt.error, StoreUnavailable)


def test_receive_raises_what_could_not_be_completed(make, store):
    guard = make()
    store.before = {"complete"}
    with pytest.raises(StoreUnavailable), guard.receive(stripe()) as receipt:
        receipt.answered(200)


def test_a_store_that_is_down_when_the_handler_fails_keeps_the_handlers_failure(make, store, outcomes, clock):
    guard = make(lease=60)
    receipt = guard.open(stripe())
    store.before = {"release"}
    assert guard.settle(receipt, error=ValueError("mine")) is None
    assert "its claim could not be released yet" in outcomes[-1].reason
    store.before = set()
    clock.advance(61)
    assert guard.open(stripe()).event.attempt == 2


def test_a_lease_that_ran_out_is_found_out_at_the_end(make, outcomes, clock):
    guard = make(lease=60)
    slow = guard.open(stripe())
    clock.advance(61)
    other = guard.open(stripe())
    assert other.event.attempt == 2
    reply = guard.settle(slow, status=200)
    assert (reply.status, last(outcomes)) == (503, ("lease_lost", 503, "lease_lost"))
    assert isinstance(slow.error, LeaseLost)
    assert guard.settle(other, status=200) is None
    assert guard.open(stripe()).reply.status == 200


def test_a_lease_that_ran_out_before_the_handler_failed_is_logged(make, outcomes, clock):
    guard = make(lease=60)
    slow = guard.open(stripe())
    clock.advance(61)
    guard.open(stripe())
    guard.settle(slow, status=500)
    assert "its lease had run out" in outcomes[-1].reason


# --- an endpoint that runs all the same


def test_an_open_endpoint_runs_while_the_store_is_down_and_logs_it(make, store, outcomes):
    guard = make(on_outage="open", max_concurrent=1)
    store.before = {"claim"}
    for _ in range(2):
        receipt = guard.open(stripe())
        assert (receipt.reply, receipt.event.id, len(receipt.event.idempotency_key)) == (None, "evt_1", 64)
        assert guard.open(stripe("evt_2")).error.code == "overloaded"
        assert guard.settle(receipt, status=204) is None
        assert last(outcomes) == ("unprotected", 204, "store_unavailable")
        assert "the store is down" in outcomes[-1].reason
    assert guard.open(stripe(secret=OTHER)).reply.status == 401
    assert "complete" not in store.calls
    failing = guard.open(stripe())
    assert guard.settle(failing, error=ValueError()) is None
    assert last(outcomes) == ("failed", None, "handler_raised")
    assert "release" not in store.calls
    store.before = set()
    protected = guard.open(stripe())
    assert guard.settle(protected, status=204) is None
    assert last(outcomes) == ("handled", 204, "")


def test_an_open_endpoint_keeps_the_handlers_answer_when_the_store_goes_down(make, store, outcomes):
    guard = make(on_outage="open")
    receipt = guard.open(stripe())
    store.before = {"complete"}
    assert guard.settle(receipt, status=204) is None
    assert last(outcomes) == ("unprotected", 204, "store_unavailable")


def test_a_lost_lease_is_not_an_outage(make, outcomes, clock):
    guard = make(on_outage="open", lease=60)
    slow = guard.open(stripe())
    clock.advance(61)
    guard.open(stripe())
    assert guard.settle(slow, status=200).status == 503
    assert last(outcomes) == ("lease_lost", 503, "lease_lost")


# --- the concurrency limit


def test_concurrent_runs_are_limited(make, outcomes):
    guard = make(max_concurrent=2)
    running = [guard.open(stripe(f"evt_{n}")) for n in range(2)]
    third = guard.open(stripe("evt_2"))
    assert (third.reply.status, dict(third.reply.headers)["Retry-After"]) == (503, "1")
    assert last(outcomes) == ("overloaded", 503, "overloaded")
    assert guard.open(stripe("evt_9", secret=OTHER)).reply.status == 401
    for receipt, how in zip(running, ({"status": 200}, {"error": ValueError()}), strict=True):
        guard.settle(receipt, **how)
    assert guard.open(stripe("evt_2")).reply is None
    assert guard.open(stripe("evt_3")).reply is None
    assert guard.open(stripe("evt_4")).reply.status == 503


def test_a_delivery_that_runs_nothing_takes_no_slot(make, store):
    guard = make(max_concurrent=1)
    done = guard.open(stripe())
    guard.settle(done, status=200)
    for _ in range(3):
        assert guard.open(stripe()).reply.status == 200  # duplicates
    store.before = {"claim"}
    for _ in range(3):
        assert guard.open(stripe("evt_2")).error.code == "store_unavailable"
    store.before = set()
    reused = make(max_concurrent=1, on_reused_id="reject")
    assert reused.open(stripe(amount=2)).reply.status == 422
    stopped = reused.open(stripe("evt_3"))
    assert reused.settle(stopped, error=KeyboardInterrupt()) is None
    assert reused.open(stripe("evt_4")).reply is None


def test_a_store_that_breaks_its_contract_is_not_taken_for_a_delivery(make, store):
    guard = make(max_concurrent=1)
    store.claim = lambda key, **arguments: 1 / 0
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            guard.open(stripe())


# --- challenges


def slack(**fields):
    return presets.SLACK.sign(json.dumps(fields).encode(), SECRET, timestamp=NOW)


def test_a_signed_challenge_is_answered_and_claims_nothing(make, outcomes, store):
    receipt = make("slack").open(slack(type="url_verification", challenge="abc-_123"))
    assert (receipt.reply.status, receipt.reply.body) == (200, b"abc-_123")
    assert dict(receipt.reply.headers)["Content-Type"].startswith("text/plain")
    assert last(outcomes) == ("challenge", 200, "")
    assert store.calls == []


@pytest.mark.parametrize("challenge", [None, 7.5, "", "a" * 257, "<script>", "a b", "a\r\nSet-Cookie: x", "é", "v0=1"])
def test_a_challenge_that_is_not_a_token_is_not_echoed(make, challenge):
    receipt = make("slack").open(slack(type="url_verification", challenge=challenge))
    assert receipt.reply.status == 400
    assert b"script" not in receipt.reply.body


def test_an_unsigned_challenge_is_not_answered(make):
    delivery = slack(type="url_verification", challenge="abc")
    assert make("slack").open(Delivery(delivery.body, {})).reply.status == 401
    assert make("slack", secrets=OTHER).open(delivery).reply.status == 401


def test_an_event_that_speaks_of_challenges_is_an_event(make):
    receipt = make("slack").open(slack(type="event_callback", event_id="Ev1", text="url_verification"))
    assert receipt.event.id == "Ev1"
    assert make("slack").open(presets.SLACK.sign(b'["url_verification"]', SECRET, timestamp=NOW)).reply is None


# --- tenants


def by_path(path, headers):
    if path == "/down":
        raise OSError("no database")
    if path == "/typo":
        return "acme"
    return {"/acme": Tenant("acme", [SECRET]), "/other": Tenant("other", [OTHER])}.get(path)


def test_each_tenant_has_its_own_secrets_and_its_own_ids(make, outcomes):
    guard = make(secrets=by_path)
    first = guard.open(stripe()._replace(url="/acme?x=1"))
    assert first.event.tenant == outcomes_tenant(guard, first, outcomes) == "acme"
    second = guard.open(stripe(secret=OTHER)._replace(url="https://hooks.example/other?y"))
    assert (second.event.tenant, second.event.attempt) == ("other", 1)
    assert second.event.idempotency_key != first._event.idempotency_key
    assert guard.open(stripe()._replace(url="/other")).reply.status == 401
    assert guard.open(stripe(secret=OTHER)._replace(url="/acme")).reply.status == 401


def outcomes_tenant(guard, receipt, outcomes):
    guard.settle(receipt, status=200)
    return outcomes[-1].tenant


def test_an_unknown_tenant_is_rejected(make, outcomes):
    assert make(secrets=by_path).open(stripe()._replace(url="/nobody")).reply.status == 401
    assert last(outcomes) == ("rejected", 401, "unknown_tenant")


@pytest.mark.parametrize("path", ["/down", "/typo"])
def test_a_failed_lookup_is_not_a_verdict(make, outcomes, path):
    receipt = make(secrets=by_path).open(stripe()._replace(url=path))
    assert (receipt.reply.status, dict(receipt.reply.headers)["Retry-After"]) == (503, "30")
    assert last(outcomes) == ("unavailable", 503, "verification_unavailable")


def test_a_lookup_may_reject_or_be_unable_in_its_own_words(make):
    def reject(path, headers):
        raise SignatureMismatch("blocked")

    def unable(path, headers):
        raise VerificationUnavailable("vault is sealed")

    assert make(secrets=reject).open(stripe()).reply.status == 401
    assert make(secrets=unable).open(stripe()).reply.status == 503


def test_a_coroutine_may_look_up_for_an_async_guard_only(clock):
    async def lookup(path, headers):
        await asyncio.sleep(0)
        return Tenant("acme", [SECRET])

    class Lookup:
        async def __call__(self, path, headers):
            return await lookup(path, headers)

    for given in (lookup, Lookup()):
        endpoint = Endpoint(Verifier("stripe", given, clock=clock))
        assert asyncio.run(AsyncGuard(endpoint, MemoryStore()).open(stripe())).event.tenant == "acme"
        with pytest.raises(ConfigurationError, match="use AsyncGuard"):
            Guard(endpoint, MemoryStore())

    def hides_it(path, headers):
        awaitable = lookup(path, headers)
        return awaitable  # noqa: RET504 - a plain function whose answer must be awaited

    hidden = Endpoint(Verifier("stripe", hides_it, clock=clock))
    receipt = None
    with pytest.raises(RuntimeError, match="use AsyncGuard"):
        receipt = Guard(hidden, MemoryStore()).open(stripe())
    assert receipt is None


# --- which store goes with which guard


class Awaiting:
    """A store with asynchronous methods, over a real one."""

    def __init__(self, store):
        self._store = store
        self.capabilities = store.capabilities

    async def claim(self, key, **arguments):
        await asyncio.sleep(0)
        return self._store.claim(key, **arguments)

    async def complete(self, key, **arguments):
        await asyncio.sleep(0)
        return self._store.complete(key, **arguments)


def test_an_asynchronous_store_needs_an_async_guard(clock):
    store = Awaiting(MemoryStore())
    endpoint = Endpoint(Verifier("stripe", SECRET, clock=clock))
    with pytest.raises(ConfigurationError, match="use AsyncGuard"):
        Guard(endpoint, store)

    async def twice():
        guard = AsyncGuard(endpoint, store)
        await guard.settle(await guard.open(stripe()), status=200)
        return (await guard.open(stripe())).reply.status

    assert asyncio.run(twice()) == 200


def test_only_a_blocking_store_that_cannot_be_awaited_runs_in_a_thread(tmp_path, clock):
    endpoint = Endpoint(Verifier("stripe", SECRET, clock=clock))

    async def threads(store):
        ran = []

        async def in_thread(call):
            ran.append(call)
            return await asyncio.to_thread(call)

        guard = AsyncGuard(endpoint, store, in_thread=in_thread)
        await guard.settle(await guard.open(stripe()), status=200)
        await guard.settle(await guard.open(stripe("evt_2")), status=500)
        return len(ran)

    class Counted(SQLiteStore):
        """Replaces a method: its awaitable side would go past it."""

        claims = 0

        def claim(self, *arguments, **named):
            self.claims += 1
            return super().claim(*arguments, **named)

    class Wrapped:
        """Passes calls on, as a store around another one may."""

        def __init__(self, store):
            self._store = store

        def __getattr__(self, name):
            return getattr(self._store, name)

    counted = Counted(tmp_path / "counted.sqlite3")
    assert asyncio.run(threads(counted)) == 4
    assert counted.claims == 2
    assert asyncio.run(threads(Wrapped(SQLiteStore(tmp_path / "wrapped.sqlite3")))) == 4
    assert asyncio.run(threads(SQLiteStore(tmp_path / "claims.sqlite3"))) == 0
    assert asyncio.run(threads(MemoryStore())) == 0


def test_a_verifier_alone_will_do(kind):
    verifier = Verifier("stripe", SECRET)
    guard = kind(verifier, MemoryStore()).guard
    assert guard.endpoint.name == "stripe"
    assert repr(guard) == f"{kind.name}(Endpoint('stripe', 'stripe'), MemoryStore(0 of 100000 events))"


def test_threads_share_a_guard(clock):
    guard = Guard(Endpoint(Verifier("stripe", SECRET, clock=clock), max_concurrent=50), MemoryStore())
    ran, answers, barrier = [], [], threading.Barrier(16)

    def deliver():
        barrier.wait()
        for number in range(50):
            with guard.receive(stripe(f"evt_{number}")) as receipt:
                if receipt.reply is None:
                    ran.append(receipt.event.id)
                    receipt.answered(200)
                else:
                    answers.append(receipt.reply.status)

    workers = [threading.Thread(target=deliver) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(ran) == sorted(f"evt_{number}" for number in range(50))
    assert len(answers) == 15 * 50
    assert set(answers) <= {200, 503}


# --- what the log says


def test_one_line_for_each_delivery_and_no_secret_in_it(make, caplog):
    caplog.set_level(logging.INFO, "hookguard")
    guard = make()
    guard.settle(guard.open(stripe(card="4242-never-in-a-log")), status=200)
    guard.open(stripe(card="4242-never-in-a-log"))
    guard.open(stripe(secret=OTHER))
    guard.open(stripe("evt_2"))
    store, handled, duplicate, rejected = caplog.records
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "INFO", "WARNING"]
    assert store.name == "hookguard.store"
    assert "forgets at a restart, one process alone, claims by leases" in store.getMessage()
    assert (handled.endpoint, handled.provider, handled.outcome, handled.event_id, handled.event_type) == (
        "stripe", "stripe", "handled", "evt_1", "invoice.paid",
    )  # fmt: skip
    assert (handled.secret, handled.status, handled.attempt, handled.tenant) == ("#1", 200, 1, "")
    assert 0 < handled.duration < 60
    assert duplicate.outcome == "duplicate"
    assert (rejected.reason_code, rejected.status, rejected.event_id) == ("signature_mismatch", 401, "")
    assert "Check that this is the endpoint's secret" in rejected.reason
    everything = "".join(record.getMessage() + repr(record.__dict__) for record in caplog.records)
    for hidden in (SECRET, OTHER, "4242-never-in-a-log", stripe(card="4242-never-in-a-log").headers["stripe-signature"][20:]):
        assert hidden not in everything


def test_line_breaks_in_a_providers_text_stay_in_the_line(make, caplog):
    caplog.set_level(logging.INFO, "hookguard")
    guard = make()
    guard.settle(
        guard.open(presets.STRIPE.sign(b'{"id": "a\\nb", "type": "x\\r\\nERROR forged"}', SECRET, timestamp=NOW)), status=200
    )
    assert "\n" not in caplog.records[0].getMessage()
    assert "\r" not in caplog.records[0].getMessage()


def test_an_observer_that_raises_changes_nothing(kind, clock, caplog):
    seen = []

    def broken(outcome):
        raise ValueError("metrics are down")

    guard = kind(Endpoint(Verifier("stripe", SECRET, clock=clock), observers=[broken, seen.append]), MemoryStore())
    assert guard.settle(guard.open(stripe()), status=200) is None
    assert [outcome.outcome for outcome in seen] == ["handled"]
    assert "an observer of webhook outcomes raised" in caplog.text


class Passing:
    """An observer that passes some outcomes on, as a signal with listeners does."""

    def __init__(self, *wanted):
        self.wanted = wanted
        self.seen = []

    def __call__(self, outcome):
        self.seen.append(outcome.outcome)

    def listens(self, name):
        return name in self.wanted


@pytest.mark.parametrize("level", [logging.INFO, logging.CRITICAL])
def test_an_outcome_is_made_where_the_log_or_an_observer_wants_it(caplog, level):
    passing = Passing("duplicate")
    guard = Guard(Endpoint(Verifier("stripe", SECRET), observers=[passing]), MemoryStore())
    with caplog.at_level(level, "hookguard"):
        for _ in range(2):
            guard.run(presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET), lambda event: None)
    assert passing.seen == (["handled", "duplicate"] if level == logging.INFO else ["duplicate"])
    assert bool(caplog.records) is (level == logging.INFO)


def test_observer_whose_listens_raises_does_not_affect_the_delivery(caplog):
    class Broken(Passing):
        def listens(self, name):
            raise ValueError(name)

    passing, store = Passing("handled"), MemoryStore()
    guard = Guard(Endpoint(Verifier("stripe", SECRET), observers=[Broken(), passing]), store)
    with caplog.at_level(logging.ERROR, "hookguard"):
        assert guard.run(presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET), lambda event: None).status == 200
    assert passing.seen == ["handled"]
    assert "an observer of webhook outcomes raised an exception" in caplog.text


def test_the_log_names_the_url_where_it_is_signed(make, outcomes):
    make("signed-url").open(Delivery(b"", {}, url="/cb?token=abc"))
    assert "/cb" not in outcomes[-1].reason  # the token in it is a secret: the preset covers no URL
    signs_url = presets.generic_hmac(name="acme", header="X-Sig", signed="{url}{body}")
    make(signs_url, public_url="https://a.example/hook").open(Delivery(b"", {"X-Sig": "ab" * 32}, url="https://a.example/hook"))
    assert "https://a.example/hook" in outcomes[-1].reason


def test_a_receipts_repr(make):
    guard = make()
    receipt = guard.open(stripe())
    assert "Event" in repr(receipt)
    assert "401" in repr(guard.open(stripe(secret=OTHER)))
