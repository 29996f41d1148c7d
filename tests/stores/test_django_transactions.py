"""Transactional mode in Django: whatever a view does to its transaction, there is no 2xx without the effect and the mark."""

import logging
import threading
import time
from functools import partial

import pytest

pytest.importorskip("django")

import contextlib

from django.db import IntegrityError, connections, transaction
from django.http import HttpResponse
from django.test import TestCase
from django.urls import path
from django_shop import ALIASES, Child, Effect, Shop, Taken, close_shop, fresh_id, open_shop, send

from hookguard import Claim, ClaimStatus, StoreKey, StoreUnavailable
from hookguard.errors import StoreMisconfigured, TransactionEscaped
from hookguard.store import Capabilities
from hookguard_django.stores import ORMStore, ORMTransactionStore


@pytest.fixture(scope="module", params=ALIASES)
def alias(request):
    open_shop(request.param)
    yield request.param
    close_shop(request.param)


@pytest.fixture(params=[False, True], ids=["", "ATOMIC_REQUESTS"])
def shop(request, alias):
    with Shop(alias, atomic_requests=request.param) as made:
        yield made


# --- what a view may do. Each is called with the shop and the event's id.


def swallows_an_error_of_a_model(shop, event_id):
    """Django marks the transaction: nothing can be asked any more, and its end is a rollback."""
    shop.good(event_id)
    with contextlib.suppress(IntegrityError):
        Taken(id=1).save(using=shop.alias, force_insert=True)


def swallows_an_error_of_a_statement(shop, event_id):
    """Django does not mark it; PostgreSQL turns the commit into a rollback without a word."""
    shop.good(event_id)
    try:
        with connections[shop.alias].cursor() as cursor:
            cursor.execute("INSERT INTO hookguard_shop_taken (id) VALUES (1)")
    except IntegrityError:
        pass


def swallows_an_error_in_a_block(shop, event_id):
    """Django rolls the block back, and no exception leaves it."""
    with transaction.atomic(using=shop.alias):
        swallows_an_error_of_a_model(shop, event_id)


def swallows_an_error_in_a_block_without_a_savepoint(shop, event_id):
    with transaction.atomic(using=shop.alias, savepoint=False):
        swallows_an_error_of_a_model(shop, event_id)


def sets_rollback(shop, event_id):
    shop.good(event_id)
    transaction.set_rollback(True, using=shop.alias)


def sets_rollback_in_a_block(shop, event_id):
    with transaction.atomic(using=shop.alias):
        sets_rollback(shop, event_id)


def commits(shop, event_id):
    shop.good(event_id)
    transaction.commit(using=shop.alias)


def commits_and_swallows(shop, event_id):
    """Django rejects it before it does anything, so nothing is lost."""
    shop.good(event_id)
    with contextlib.suppress(transaction.TransactionManagementError):
        transaction.commit(using=shop.alias)


def rolls_back_and_swallows(shop, event_id):
    shop.good(event_id)
    with contextlib.suppress(transaction.TransactionManagementError):
        transaction.rollback(using=shop.alias)


def switches_to_autocommit(shop, event_id):
    shop.good(event_id)
    transaction.set_autocommit(True, using=shop.alias)


def executes(sql, *, swallow=False):
    def work(shop, event_id):
        shop.good(event_id)
        try:
            with connections[shop.alias].cursor() as cursor:
                cursor.execute(sql)
        except Exception:
            if not swallow:
                raise

    work.__name__ = f"executes_{sql}{'_and_swallows' if swallow else ''}"
    return work


def rolls_back_by_the_driver(shop, event_id):
    shop.good(event_id)
    connections[shop.alias].connection.rollback()


def rolls_back_by_the_driver_and_writes_again(shop, event_id):
    rolls_back_by_the_driver(shop, event_id)
    shop.good(event_id)


def closes_the_connection(shop, event_id):
    shop.good(event_id)
    connections[shop.alias].close()


def raises(shop, event_id):
    shop.good(event_id)
    raise ValueError("the view's own mistake")


def raises_a_database_error(shop, event_id):
    shop.good(event_id)
    Taken(id=1).save(using=shop.alias, force_insert=True)


def is_durable(shop, event_id):
    with transaction.atomic(using=shop.alias, durable=True):
        shop.good(event_id)


def leaves_a_block_open(shop, event_id):
    shop.good(event_id)
    transaction.atomic(using=shop.alias).__enter__()


def leaves_blocks_open_and_raises(shop, event_id):
    """As a generator does that nobody ends."""
    leaves_a_block_open(shop, event_id)
    transaction.atomic(using=shop.alias, savepoint=False).__enter__()
    raise ValueError("the view's own mistake")


def answers_422(shop, event_id):
    shop.good(event_id)
    return HttpResponse(status=422)


def writes_to_another_database(shop, event_id):
    shop.good(event_id)
    Effect(event_id=event_id).save(using=next(other for other in ALIASES if other != shop.alias))


def writes_to_another_database_and_swallows(shop, event_id):
    with contextlib.suppress(TransactionEscaped):
        writes_to_another_database(shop, event_id)


def fails_in_a_block(shop, event_id):
    shop.good(event_id)
    try:
        with transaction.atomic(using=shop.alias):
            Taken(id=1).save(using=shop.alias, force_insert=True)
    except IntegrityError:
        pass


def fails_in_a_block_in_a_block(shop, event_id):
    with transaction.atomic(using=shop.alias):
        fails_in_a_block(shop, event_id)


def writes_in_a_block(shop, event_id):
    with transaction.atomic(using=shop.alias):
        shop.good(event_id)


def goes_back_to_a_savepoint_of_its_own(shop, event_id):
    shop.good(event_id)
    begin = getattr(transaction, "savepoint_create", None) or transaction.savepoint  # renamed in Django 6
    before = begin(using=shop.alias)
    shop.good(event_id)
    transaction.savepoint_rollback(before, using=shop.alias)


ANSWERS = {
    swallows_an_error_of_a_model: 500,
    swallows_an_error_of_a_statement: None,  # see below
    swallows_an_error_in_a_block: 500,
    swallows_an_error_in_a_block_without_a_savepoint: 500,
    sets_rollback: 500,
    sets_rollback_in_a_block: 500,
    commits: 500,
    commits_and_swallows: 200,
    rolls_back_and_swallows: 200,
    switches_to_autocommit: 500,
    executes("COMMIT"): 500,
    executes("commit", swallow=True): 500,
    executes("ROLLBACK", swallow=True): 500,
    executes(" BEGIN", swallow=True): 500,
    rolls_back_by_the_driver: 500,
    rolls_back_by_the_driver_and_writes_again: 500,
    closes_the_connection: (500, 503),
    raises: 500,
    raises_a_database_error: 500,
    is_durable: 500,
    leaves_a_block_open: 500,
    leaves_blocks_open_and_raises: 500,
    answers_422: 422,
    writes_to_another_database: 500,
    writes_to_another_database_and_swallows: 500,
    fails_in_a_block: 200,
    fails_in_a_block_in_a_block: 200,
    writes_in_a_block: 200,
    goes_back_to_a_savepoint_of_its_own: 200,
}


def expected(work, shop):
    if work is swallows_an_error_of_a_statement:
        # Elsewhere the statement alone is undone, the effect before it is there, and the view has accepted that.
        return (500,) if shop.alias == "postgresql" else (200,)
    return ANSWERS[work] if isinstance(ANSWERS[work], tuple) else (ANSWERS[work],)


def broken(shop, event_id, status):
    """The fault of an answer in words; empty for a right answer."""
    effects, done = shop.truth(event_id)
    if 200 <= status < 300 and (effects, done) != (1, True):
        return f"{status} with {effects} effects, {'done' if done else 'not done'}"
    if not done and effects:
        return f"{effects} effects of an event that is not done"
    if done and not 200 <= status < 300:
        return f"{status} of an event that is done"
    return ""


@pytest.mark.parametrize("work", ANSWERS, ids=lambda work: work.__name__)
def test_no_view_is_answered_2xx_without_its_effect(shop, work):
    event_id = fresh_id()
    status = shop.send(event_id, partial(work, shop))
    assert broken(shop, event_id, status) == ""
    assert status in expected(work, shop)
    # The provider tries again, by then the view is mended; and once more, because an answer got lost.
    assert [shop.send(event_id) for _ in range(2)] == [200, 200]
    assert shop.truth(event_id) == (1, True)
    assert shop.store._running == {}
    assert shop.store._busy == set()
    assert connections[shop.alias].execute_wrappers == []


def test_a_schema_change_that_would_commit_in_mysql_is_rejected(shop):
    if shop.alias != "mysql":
        pytest.skip("elsewhere it is part of the transaction")
    for sql in (
        "CREATE TABLE hookguard_shop_more (id INTEGER)",
        "TRUNCATE hookguard_shop_child",
        "LOCK TABLES hookguard_shop_taken READ",
    ):
        event_id = fresh_id()
        assert (sql, shop.send(event_id, partial(executes(sql), shop))) == (sql, 500)
        assert shop.truth(event_id) == (0, False)
    temporary = executes("CREATE TEMPORARY TABLE hookguard_shop_aside (id INTEGER)")
    event_id = fresh_id()
    assert shop.send(event_id, lambda event_id: temporary(shop, event_id)) == 200
    assert shop.truth(event_id) == (1, True)
    connections[shop.alias].close()


def test_a_rollback_that_is_set_after_the_completion_is_not_answered_2xx(shop):
    """By the project's own wrapper of statements: Django's commit is a rollback then, without an exception."""

    def sets_rollback_after(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if connections[shop.alias].in_atomic_block and "SET\n    reply = CASE" in sql:  # the completion
            transaction.set_rollback(True, using=shop.alias)
        return answer

    event_id = fresh_id()
    with connections[shop.alias].execute_wrapper(sets_rollback_after):
        assert shop.send(event_id) == 500
    assert shop.truth(event_id) == (0, False)
    assert shop.send(event_id) == 200
    assert shop.truth(event_id) == (1, True)


def test_a_constraint_that_fails_at_the_commit_is_not_answered_2xx(shop):
    if shop.alias == "mysql":
        pytest.skip("MySQL checks every constraint at once")

    def refers_to_nothing(event_id):
        shop.good(event_id)
        Child(parent_id=404).save(using=shop.alias)

    event_id = fresh_id()
    assert shop.send(event_id, refers_to_nothing) == 500
    assert shop.truth(event_id) == (0, False)
    assert shop.send(event_id) == 200
    assert shop.truth(event_id) == (1, True)


def test_lease_mode_under_atomic_requests_acknowledges_nothing_that_django_rolls_back(alias):
    """There the mark comes after the view's transaction, which Django ends as a rollback without a word."""

    def refers_to_nothing(shop, event_id):
        shop.good(event_id)
        Child(parent_id=404).save(using=shop.alias)

    works = [swallows_an_error_of_a_model, swallows_an_error_of_a_statement, sets_rollback, raises, refers_to_nothing]
    with Shop(alias, atomic_requests=True, store=ORMStore(alias)) as shop:
        for work in works:
            event_id = fresh_id()
            status = shop.send(event_id, partial(work, shop))
            kept = work is swallows_an_error_of_a_statement and alias != "postgresql"
            assert (work.__name__, status) == (work.__name__, 200 if kept else 500)
            assert broken(shop, event_id, status) == ""
            assert [shop.send(event_id) for _ in range(2)] == [200, 200]
            assert shop.truth(event_id) == (1, True)


def test_an_on_commit_callback_runs_after_the_commit_and_cannot_undo_it(shop, caplog):
    seen = []

    def work(event_id):
        shop.good(event_id)
        transaction.on_commit(lambda: seen.append(shop.truth(event_id)), using=shop.alias)
        transaction.on_commit(lambda: 1 / 0, using=shop.alias)

    event_id = fresh_id()
    with caplog.at_level(logging.ERROR, logger="hookguard.django"):
        assert shop.send(event_id, work) == 200
    assert seen == [(1, True)]
    assert "on_commit callback raised" in caplog.text
    assert shop.send(event_id) == 200
    assert shop.truth(event_id) == (1, True)


def test_an_on_commit_callback_may_write_to_another_database(shop):
    other = "sqlite" if shop.alias != "sqlite" else "default"
    with connections[other].cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS aside (id TEXT)")

    def work(event_id):
        shop.good(event_id)

        def after():
            with connections[other].cursor() as cursor:
                cursor.execute("INSERT INTO aside VALUES (%s)", [event_id])

        transaction.on_commit(after, using=shop.alias)

    event_id = fresh_id()
    assert shop.send(event_id, work) == 200
    with connections[other].cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM aside WHERE id = %s", [event_id]).fetchone()[0] == 1
        cursor.execute("DROP TABLE aside")
    assert shop.truth(event_id) == (1, True)


def test_a_driver_that_commits_behind_djangos_back_is_done_once_unless_killed(shop):
    def work(event_id):
        shop.good(event_id)
        connections[shop.alias].connection.commit()

    event_id = fresh_id()
    assert [shop.send(event_id, work) for _ in range(2)] == [200, 200]
    assert shop.truth(event_id) == (1, True)


# --- the negative control


class Naive:
    """Open a transaction, look, mark, run, commit: what most would write, and what a library must not."""

    def __init__(self, alias):
        self.alias = alias
        self.atomic = None

    capabilities = Capabilities(durable=True, shared=True, transactional=True, may_forget=False, clock="server", blocking=True)

    def claim(self, key, *, token, fingerprint, lease, retention):
        from hookguard_django.models import WebhookEvent

        self.atomic = transaction.atomic(using=self.alias)
        self.atomic.__enter__()
        values = {"scope": key.scope, "event_id": key.id, "state": 2, "token": token, "fingerprint": fingerprint}
        times = {"claimed_at": 0, "lease_until": 0, "expires_at": 9e9, "attempt": 1}
        _, created = WebhookEvent.objects.using(self.alias).get_or_create(id=key.idempotency_key, defaults=values | times)
        if not created:
            self.atomic.__exit__(None, None, None)
            return Claim(ClaimStatus.DONE)
        return Claim(ClaimStatus.ACQUIRED)

    def complete(self, key, *, token, retention, reply=None):
        self.atomic.__exit__(None, None, None)
        return True

    def release(self, key, *, token):
        self.atomic.__exit__(ValueError, ValueError(), None)
        return True


def test_a_naive_transaction_loses_events():
    found = {}
    open_shop("postgresql")
    with Shop("postgresql", store=Naive("postgresql")) as shop:
        for work in ANSWERS:
            if "another_database" in work.__name__ or work.__name__.startswith("leaves_"):
                continue  # an open block would be that of every later work
            event_id = fresh_id()
            try:
                status = shop.send(event_id, partial(work, shop))
                if problem := broken(shop, event_id, status):
                    found[work.__name__] = problem
            finally:
                connections["postgresql"].close()
    close_shop("postgresql")
    lost = {name for name, problem in found.items() if problem == "200 with 0 effects, not done"}
    assert lost >= {
        "swallows_an_error_of_a_model",
        "swallows_an_error_of_a_statement",
        "sets_rollback",
        "rolls_back_by_the_driver",
    }
    assert found["swallows_an_error_in_a_block"] == "200 with 0 effects, done"
    assert "fails_in_a_block" not in found


# --- together


def test_a_duplicate_is_answered_while_the_first_one_runs(shop):
    """Ordered by events and not by the clock: the view does not end before the duplicate has its answer."""
    event_id = fresh_id()
    inside, answered = threading.Event(), threading.Event()
    statuses = []

    def waits(event_id):
        shop.good(event_id)
        inside.set()
        assert answered.wait(30)

    def first():
        statuses.append(send(event_id))
        connections.close_all()

    shop.work = waits
    running = threading.Thread(target=first)
    running.start()
    assert inside.wait(30)
    shop.work = shop.good
    assert [send(event_id) for _ in range(3)] == [503] * 3
    if shop.alias != "sqlite":  # which has one writer at a time
        assert send(fresh_id()) == 200
    with pytest.raises(StoreUnavailable, match="is being handled"):
        shop.store.forget(key_of(event_id))
    assert running.is_alive()
    answered.set()
    running.join(30)
    assert statuses == [200]
    assert send(event_id) == 200
    assert shop.truth(event_id) == (1, True)


def test_a_duplicate_in_another_process_waits_for_the_first(shop):
    """A store that knows nothing of the first, as in another process; SQLite's waits for the file as long as it may."""
    other, event_id = ORMTransactionStore(shop.alias), fresh_id()
    ask = {"token": b"t" * 16, "fingerprint": b"f" * 32, "lease": 60, "retention": 60}
    answers = []

    def elsewhere(key):
        def claim():
            try:
                if shop.alias == "sqlite":
                    with connections[shop.alias].cursor() as cursor:
                        cursor.execute("PRAGMA busy_timeout = 50")
                answers.append(other.claim(key, **ask).status)
            except StoreUnavailable:
                answers.append("unavailable")
            finally:
                connections.close_all()

        thread = threading.Thread(target=claim)
        thread.start()
        thread.join(30)

    def work(event_id):
        shop.good(event_id)
        elsewhere(key_of(event_id))
        elsewhere(key_of(done))

    done = fresh_id()
    assert shop.send(done) == 200
    assert shop.send(event_id, work) == 200
    elsewhere(key_of(event_id))
    first = "unavailable" if shop.alias == "sqlite" else ClaimStatus.IN_PROGRESS
    # A completed event is known as completed, also during a write.
    assert answers == [first, ClaimStatus.DONE, ClaimStatus.DONE]


def key_of(event_id):
    return StoreKey("stripe/stripe", event_id)


def test_many_concurrent_duplicates_make_one_effect_each(shop):
    events = [fresh_id() for _ in range(6)]
    done = []

    def provider(event_id):
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            if send(event_id) == 200:
                done.append(event_id)
                break
            time.sleep(0.01)  # a provider waits before it sends again; one that does not keeps the winner from the CPU
        connections.close_all()

    racing = [threading.Thread(target=provider, args=(event_id,)) for event_id in events * 2]
    for each in racing:
        each.start()
    for each in racing:
        each.join(120)
    assert sorted(done) == sorted(events * 2)
    assert [shop.truth(event_id) for event_id in events] == [(1, True)] * 6


def test_an_event_can_be_forgotten_and_run_again(shop):
    event_id = fresh_id()
    assert shop.send(event_id) == 200
    assert shop.store.forget(key_of(event_id))
    assert not shop.store.forget(key_of(event_id))
    assert shop.send(event_id) == 200
    assert shop.truth(event_id) == (2, True)
    assert shop.store.purge(limit=5) == 0
    assert shop.store.check() == []


def test_a_persistent_connection_that_broke_is_opened_again(shop):
    if shop.alias == "sqlite":
        pytest.skip("SQLite has no connection that could break")
    assert shop.send(fresh_id()) == 200
    kill(shop.alias)
    event_id = fresh_id()
    assert shop.send(event_id) == 200
    assert shop.truth(event_id) == (1, True)


def kill(alias):
    """Have the server end this thread's connection."""
    mine = connections[alias]
    with mine.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()" if alias == "postgresql" else "SELECT connection_id()")
        number = cursor.fetchone()[0]

    def other():
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)" if alias == "postgresql" else "KILL %s", [number])
        connections.close_all()

    killer = threading.Thread(target=other)
    killer.start()
    killer.join()


def test_a_connection_that_breaks_under_the_view_is_503_and_nothing_happened(shop):
    if shop.alias == "sqlite":
        pytest.skip("SQLite has no connection that could break")

    def work(event_id):
        shop.good(event_id)
        kill(shop.alias)

    event_id = fresh_id()
    assert shop.send(event_id, work) in (500, 503)
    assert shop.truth(event_id) == (0, False)
    assert shop.send(event_id) == 200
    assert shop.truth(event_id) == (1, True)


# --- what is rejected


def test_a_transaction_around_the_view_is_rejected(alias):
    from django_site import site

    from hookguard_django import webhook

    with Shop(alias) as shop:
        for using in (alias, "default"):
            around = transaction.atomic(using=using)(webhook("stripe")(shop.view))
            from django.conf import settings

            event_id = fresh_id()
            with site(path("hook", around), HOOKGUARD=settings.HOOKGUARD):
                assert send(event_id) in (500, 503)
            assert shop.truth(event_id) == (0, False)


def test_manual_transactions_are_rejected(alias):
    connections[alias].ensure_connection()
    transaction.set_autocommit(False, using=alias)
    try:
        for store in (ORMStore(alias), ORMTransactionStore(alias)):
            with pytest.raises(StoreMisconfigured, match="autocommit is off"):
                store.claim(key_of("1"), token=b"t" * 16, fingerprint=b"f", lease=60, retention=60)
    finally:
        transaction.set_autocommit(True, using=alias)


@pytest.mark.parametrize("store", [ORMStore, ORMTransactionStore])
def test_a_database_that_is_not_there(store):
    with pytest.raises(StoreMisconfigured, match="DATABASES has no 'elsewhere'"):
        store("elsewhere").claim(key_of("1"), token=b"t" * 16, fingerprint=b"f", lease=60, retention=60)


# --- in the tests of a project, whose cases are transactions themselves


def test_a_projects_own_test_case_works(alias):
    """Django's TestCase wraps each test into a transaction; that does not count as a transaction around the view."""
    with Shop(alias) as shop:

        class Case(TestCase):
            databases = {alias}  # noqa: RUF012 - as Django's documentation has it

            def runTest(self):  # noqa: N802 - unittest's name
                for store in (ORMTransactionStore(alias), ORMStore(alias)):
                    event_id = fresh_id()
                    with Shop(alias, store=store) as inner:
                        assert inner.send(event_id) == 200
                        assert inner.send(event_id) == 200
                        assert inner.truth(event_id) == (1, True)
                        other = fresh_id()
                        assert inner.send(other, lambda event_id: raises(inner, event_id)) == 500
                        assert inner.send(other) == 200

        result = Case().defaultTestResult()
        Case()(result)
        assert result.errors == result.failures == []
        assert result.testsRun == 1
        assert shop.truth("nothing") == (0, False)
