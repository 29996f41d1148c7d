"""A worker's views in transactional mode on Django's ORM: an entry is done exactly if its effect is there, once."""

import logging
import threading
import time
from functools import partial

import pytest

pytest.importorskip("django")

from django.core.handlers.asgi import ASGIHandler
from django.db import OperationalError, connections, transaction
from django.http import HttpResponse
from django.test import TestCase
from django_inbox_shop import InboxShop, elsewhere, store_key
from django_shop import ALIASES, Child, close_shop, fresh_id, open_shop
from django_tables import wait_for_disk
from test_django_transactions import ANSWERS, expected, kill, raises
from waiting import SOON_OVER

from hookguard import GiveUp
from hookguard.errors import MissingTable, StoreMisconfigured, StoreUnavailable
from hookguard.work.process import work as run_worker
from hookguard.work.worker import Worker
from hookguard_django.stores import ORMTransactionStore
from hookguard_django.work import open_lanes, wsgi_application


@pytest.fixture(scope="module", params=ALIASES)
def alias(request):
    open_shop(request.param)
    wait_for_disk(request.param)
    yield request.param
    close_shop(request.param)


@pytest.fixture(params=[False, True], ids=["", "ATOMIC_REQUESTS"])
def shop(request, alias):
    with InboxShop(alias, atomic_requests=request.param) as made:
        yield made


@pytest.mark.parametrize("work", ANSWERS, ids=lambda work: work.__name__)
def test_no_entry_is_done_without_its_effect(shop, work):
    event_id = fresh_id()
    outcome = shop.send(event_id, partial(work, shop))
    right = 200 in expected(work, shop)
    assert (outcome, shop.truth(event_id)) == (("handled", (1, True)) if right else ("failed", (0, False)))
    if not right:
        assert (shop.entry(event_id).attempt, shop.entry(event_id).crashes) == (1, 0)
        assert shop.handle(shop.take(event_id)).outcome == "handled"
        assert shop.truth(event_id) == (1, True)
    assert shop.take(event_id) is None
    assert shop.put(event_id) == 200
    assert shop.store._running == {}
    assert connections[shop.alias].execute_wrappers == []
    assert not connections[shop.alias].in_atomic_block


def test_a_constraint_that_fails_at_the_commit_leaves_the_entry_to_its_next_try(shop):
    if shop.alias == "mysql":
        pytest.skip("MySQL checks every constraint at once")

    def refers_to_nothing(event_id):
        shop.good(event_id)
        Child(parent_id=404).save(using=shop.alias)

    event_id = fresh_id()
    assert shop.send(event_id, refers_to_nothing) == "failed"
    assert shop.truth(event_id) == (0, False)
    assert shop.entry(event_id).reason.startswith("transaction_failed: ")
    assert shop.handle(shop.take(event_id)).outcome == "handled"
    assert shop.truth(event_id) == (1, True)


def test_an_on_commit_callback_runs_only_after_the_entry_is_done(shop, caplog):
    seen = []

    def work(answer, event_id):
        shop.good(event_id)
        transaction.on_commit(lambda: seen.append(shop.truth(event_id)), using=shop.alias)
        transaction.on_commit(lambda: 1 / 0, using=shop.alias)
        return answer

    event_id = fresh_id()
    assert shop.send(event_id, partial(work, HttpResponse(status=422))) == "failed"
    assert seen == []
    with caplog.at_level(logging.ERROR, logger="hookguard.django"):
        assert shop.handle(shop.take(event_id), partial(work, HttpResponse())).outcome == "handled"
    assert seen == [(1, True)]
    assert "on_commit callback raised" in caplog.text
    assert shop.truth(event_id) == (1, True)


# --- while the view runs


def test_nobody_takes_an_entry_whose_lease_ends_while_it_is_handled(alias, monkeypatch):
    if alias == "sqlite":
        monkeypatch.setitem(connections.settings[alias], "OPTIONS", {"timeout": 0.2})  # of new connections
    with InboxShop(alias) as shop:
        mine, other = fresh_id(), fresh_id()
        for event_id in (mine, other):
            shop.put(event_id)
        held = shop.take(mine, lease=SOON_OVER)
        lane, found = shop.lane, []

        def others():
            # Another process: an inbox that does not know of this one's transactions.
            inbox = ORMTransactionStore(alias).inbox()
            taken = inbox.take(lane.lane, limit=500, lease=60.0, settings=lane.settings)
            return [each.kept.key.id for each in taken if each.kept.key.id in (mine, other)]

        def work(event_id):
            shop.good(event_id)
            found.extend([elsewhere(others), elsewhere(lambda: shop.put(fresh_id()))])

        assert shop.handle(held, work).outcome == "handled"
        if alias == "sqlite":
            assert isinstance(found[0], StoreUnavailable), "its one writer is the view's transaction"
            assert found[1] == 503, "the provider sends it again"
        else:
            assert found == [[other], 200]
        assert shop.truth(mine) == (1, True)
        assert shop.entry(mine).crashes == 0


def test_a_duplicate_is_answered_and_people_need_not_wait_while_an_entry_is_handled(shop):
    event_id = fresh_id()
    shop.put(event_id)
    answers = []

    def people():
        keys = [shop.key(event_id)]
        yield shop.put(event_id)
        yield shop.store.forget(store_key(event_id))
        if shop.alias != "sqlite":  # whose one writer is the view's transaction
            yield shop.inbox.rerun(keys, reason="a test", by="a test")
            yield shop.inbox.drop(keys, reason="a test", by="a test")

    def work(event_id):
        shop.good(event_id)
        answers.extend(elsewhere(lambda: list(people())))

    assert shop.handle(shop.take(event_id), work).outcome == "handled"
    assert answers == [200, False, 0, 0][: len(answers)]
    assert len(answers) >= 2
    assert shop.truth(event_id) == (1, True)


def test_an_entry_is_not_forgotten_before_it_is_handled(shop):
    event_id = fresh_id()
    shop.put(event_id)
    assert not shop.store.forget(store_key(event_id))
    assert shop.handle(shop.take(event_id)).outcome == "handled"
    assert shop.store.forget(store_key(event_id))
    assert not shop.store.forget(store_key(event_id))
    assert shop.send(event_id) == "handled"
    assert shop.truth(event_id) == (2, True)


# --- the lease is lost


def test_a_worker_that_was_late_runs_nothing(shop):
    event_id = fresh_id()
    shop.put(event_id)
    late = shop.take(event_id, lease=SOON_OVER)
    quick = shop.take(event_id)
    ran = []

    def notes(event_id):
        ran.append(event_id)
        shop.good(event_id)

    outcome = shop.handle(late, notes)
    assert (outcome.outcome, outcome.reason_code, ran) == ("lease_lost", "lease_lost", [])
    assert shop.handle(quick, notes).outcome == "handled"
    assert (shop.truth(event_id), ran) == ((1, True), [event_id])
    assert shop.handle(late, notes).outcome == "lease_lost", "a done entry is not run once more"
    assert ran == [event_id]


def test_a_view_that_loses_its_connection_loses_its_effect(shop):
    """Its server gives the entry away, and another worker handles it before the first one wants to commit."""
    if shop.alias == "sqlite":
        pytest.skip("SQLite has no connection that could break")
    event_id = fresh_id()
    shop.put(event_id)
    late = shop.take(event_id, lease=SOON_OVER)
    outcomes = []

    def quick():
        ends = time.monotonic() + 30
        while (held := shop.take(event_id)) is None:
            assert time.monotonic() < ends
        return shop.handle(held).outcome

    def is_cut(event_id):
        shop.good(event_id)
        kill(shop.alias)
        outcomes.append(elsewhere(quick))

    outcomes.append(shop.handle(late, is_cut).outcome)
    assert outcomes[0] == "handled"
    assert outcomes[1] in ("lease_lost", "failed")
    assert shop.truth(event_id) == (1, True)


@pytest.mark.parametrize("committed", [False, True])
def test_a_commit_whose_answer_gets_lost_is_asked_for(shop, committed, monkeypatch):
    """The server ends the connection just before the commit, or just after it."""
    event_id = fresh_id()
    assert shop.put(event_id) == 200
    held = shop.take(event_id)
    connection = connections[shop.alias]
    commit = connection._commit

    def is_cut():
        if connection.connection is None or f"{event_id} wrote" not in notes:
            return commit()  # another transaction's
        notes.clear()
        if committed:
            commit()
        if shop.alias != "sqlite":
            kill(shop.alias)
        raise OperationalError("the server has gone away")

    notes = []

    def work(event_id):
        shop.good(event_id)
        notes.append(f"{event_id} wrote")

    monkeypatch.setattr(connection, "_commit", is_cut)
    assert shop.handle(held, work).outcome == ("handled" if committed else "failed")
    assert notes == []
    monkeypatch.undo()
    if not committed:
        assert "has gone away" in shop.entry(event_id).reason
        assert shop.handle(shop.take(event_id)).outcome == "handled"
    assert shop.truth(event_id) == (1, True)


def test_a_persistent_connection_that_broke_is_opened_again(alias):
    if alias == "sqlite":
        pytest.skip("SQLite has no connection that could break")
    with InboxShop(alias) as shop:
        event_id = fresh_id()
        shop.put(event_id)
        held = shop.take(event_id)
        kill(alias)
        assert shop.inbox.begin(held.key, token=held.token)
        assert shop.inbox.roll_back(held.key, token=held.token)
        assert shop.handle(held).outcome == "handled"
        assert shop.truth(event_id) == (1, True)


# --- what is stored apart


def test_tries_and_reasons_outlive_the_rollback(shop):
    event_id = fresh_id()
    reasons = []
    shop.put(event_id)

    def commits(event_id):
        shop.good(event_id)
        with connections[shop.alias].cursor() as cursor:
            cursor.execute("COMMIT")

    for work in (partial(raises, shop), lambda _: HttpResponse(status=422), commits):
        assert shop.handle(shop.take(event_id), work).outcome == "failed"
        reasons.append(shop.entry(event_id).reason)
    assert reasons[:2] == ["handler_raised: ValueError: the view's own mistake", "handler_status: the handler answered 422"]
    assert reasons[2].startswith("transaction_escaped: the view executed COMMIT")
    assert (shop.entry(event_id).attempt, shop.truth(event_id)) == (3, (0, False))


def test_a_view_that_gives_up_leaves_a_dead_entry_and_no_effect(shop):
    event_id = fresh_id()

    def gives_up(event_id):
        shop.good(event_id)
        raise GiveUp("this customer is gone")

    assert shop.send(event_id, gives_up) == "dead"
    assert (shop.entry(event_id).state.name, shop.truth(event_id)) == ("DEAD", (0, False))
    # Its provider sends it again, and by now the customer is back.
    assert shop.send(event_id) == "handled"
    assert shop.truth(event_id) == (1, True)


# --- in a worker


def test_a_worker_handles_each_event_once_by_wsgi_and_asgi(alias):
    with InboxShop(alias) as shop:
        for app in (wsgi_application(), ASGIHandler()):
            good, failing = [fresh_id() for _ in range(6)], [fresh_id() for _ in range(6)]
            assert {shop.put(event_id) for event_id in good + failing} == {200}
            failed = set()

            def work(event_id, failing=failing, failed=failed):
                shop.good(event_id)
                if event_id in failing and event_id not in failed:
                    failed.add(event_id)
                    raise ValueError("not this time")

            shop.work = work
            done, ends = set(), time.monotonic() + 60
            while len(done) < 12:  # a second try is due a moment later, when the worker may have ended
                assert time.monotonic() < ends
                run_worker(Worker(app, open_lanes(app), drain=True))
                done = {event_id for event_id in good + failing if shop.entry(event_id).state.name == "DONE"}
            assert {shop.truth(event_id) for event_id in good + failing} == {(1, True)}
            assert [shop.entry(event_id).attempt for event_id in good + failing] == [1] * 6 + [2] * 6


def test_a_worker_runs_events_beside_each_other_except_on_sqlite(alias):
    """SQLite's one writer is the view's transaction: a second one would wait for it, and could fail."""
    together, most = [], [0]
    inside = threading.Event()

    def work(event_id):
        together.append(event_id)
        most[0] = max(most[0], len(together))
        if len(together) > 1:
            inside.set()
        shop.good(event_id)
        inside.wait(0.2 if alias == "sqlite" else 30)
        together.remove(event_id)

    with InboxShop(alias) as shop:
        events = [fresh_id() for _ in range(3)]
        assert {shop.put(event_id) for event_id in events} == {200}
        shop.work = work
        assert shop.lane.room == (1 if alias == "sqlite" else float("inf"))
        outcomes = run_worker(Worker(wsgi_application(), open_lanes(None), drain=True)).outcomes
        assert (outcomes["handled"] >= 3, outcomes["failed"]) == (True, 0)
        assert {shop.truth(event_id) for event_id in events} == {(1, True)}
    assert (most[0] == 1) == (alias == "sqlite")


def test_a_projects_own_test_case_works_off_its_inbox(alias):
    """Django's TestCase wraps each test into a transaction, of which all of this is a part."""
    from hookguard.testing import work_off

    with InboxShop(alias) as shop:

        class Case(TestCase):
            databases = {alias}  # noqa: RUF012 - as Django's documentation has it

            def runTest(self):  # noqa: N802 - unittest's name
                event_id = fresh_id()
                shop.work = shop.good
                assert shop.put(event_id) == 200
                assert [each.outcome for each in work_off() if each.event_id == event_id] == ["handled"]
                assert shop.truth(event_id) == (1, True)

        result = Case().defaultTestResult()
        Case()(result)
        assert result.errors == result.failures == []
        assert result.testsRun == 1


# --- what is rejected


def test_a_transaction_around_the_worker_s_view_is_rejected(alias):
    with InboxShop(alias) as shop:
        event_id = fresh_id()
        shop.put(event_id)
        held = shop.take(event_id)
        with transaction.atomic(using=alias), pytest.raises(StoreMisconfigured, match="outside of @transaction.atomic"):
            shop.inbox.begin(held.key, token=held.token)
        assert shop.handle(held).outcome == "handled"
        assert shop.truth(event_id) == (1, True)


def test_the_check_finds_that_the_table_of_the_inbox_is_missing(alias):
    with InboxShop(alias) as shop:
        assert shop.store.check() == []
        with connections[alias].cursor() as cursor:
            cursor.execute("ALTER TABLE hookguard_inbox RENAME TO hookguard_inbox_away")
        try:
            with pytest.raises(MissingTable, match="hookguard_inbox"):
                shop.store.check()
            assert not shop.store.forget(store_key("never")), "claims work before the table is there"
        finally:
            with connections[alias].cursor() as cursor:
                cursor.execute("ALTER TABLE hookguard_inbox_away RENAME TO hookguard_inbox")
