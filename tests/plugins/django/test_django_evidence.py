"""Records of deliveries in Django's database: the contract on three databases, a real view, and the command."""

import time

import pytest

pytest.importorskip("django")

from django_site import configure, site

configure()

from django.core.management import CommandError, call_command, load_command_class
from django.db import connections, transaction
from django.http import HttpResponse
from django.urls import path
from django_deliveries import SECRET, post, settings, stripe
from django_tables import InOneDatabase, close_database, open_database

from hookguard.errors import ConfigurationError
from hookguard.evidence.contract import KeptBody
from hookguard.guard.recording import flush
from hookguard.testing import EvidenceContract, FrozenClock
from hookguard_django import webhook
from hookguard_django.models import WebhookDelivery
from hookguard_django.stores import CacheStore, ORMStore, ORMTransactionStore


class TestSQLite(InOneDatabase, EvidenceContract):
    alias = "sqlite"


class TestPostgreSQL(InOneDatabase, EvidenceContract):
    alias = "postgresql"


class TestMariaDB(InOneDatabase, EvidenceContract):
    alias = "mysql"


@pytest.fixture(params=[ORMStore, ORMTransactionStore])
def store(request):
    open_database("sqlite")
    yield request.param("sqlite")
    assert flush()
    close_database("sqlite")


@webhook("stripe")
def view(request):
    return HttpResponse(status=204)


def project(store, **endpoint):
    given = settings(store)
    given["ENDPOINTS"]["stripe"] = {"SECRETS": [SECRET], "EVIDENCE": True, **endpoint}
    return site(path("hook", view), HOOKGUARD=given)


def records(store):
    assert flush()
    return store.evidence().find(limit=100)


def test_view_s_deliveries_are_recorded(store):
    with project(store, EVIDENCE={"KEEP_BODY": "1h", "ADDRESSES": "truncated"}):
        assert post(stripe("evt_1", card="canary-4242")).status_code == 204
        assert post(stripe("evt_2")._replace(body=b"{}")).status_code == 401
        rejected, handled = records(store)
    assert (handled.outcome, handled.event_id, handled.address) == ("handled", "evt_1", "127.0.0.0/24")
    assert (rejected.outcome, rejected.reason_code) == ("rejected", "signature_mismatch")
    assert b"canary-4242" in store.evidence().body(handled.delivery).body


def test_record_survives_the_rollback_of_the_view(store):
    @webhook("stripe")
    def failing(request):
        raise ValueError("the handler failed")

    given = settings(store)
    given["ENDPOINTS"]["stripe"] = {"SECRETS": [SECRET], "EVIDENCE": True}
    with site(path("hook", failing), HOOKGUARD=given):
        assert post(stripe("evt_1")).status_code == 500
        (failed,) = records(store)
    assert (failed.outcome, failed.reason_code) == ("failed", "handler_raised")


@pytest.mark.parametrize("alias", ["sqlite", "postgresql", "mysql"])
def test_migration_makes_the_table(alias):
    """The table of the migrations, not that of the models: open_database makes the latter."""
    open_database(alias)
    close_database(alias)
    call_command("migrate", "hookguard", database=alias, verbosity=0)
    try:
        samples = EvidenceContract()
        samples.clock = FrozenClock()
        evidence = ORMStore(alias).evidence()
        assert evidence.write([(samples.record(), None)]) == 1
        assert [each.event_id for each in evidence.find(limit=5)] == ["evt_1"]
        assert WebhookDelivery.objects.using(alias).count() == 1
    finally:
        call_command("migrate", "hookguard", "zero", database=alias, verbosity=0)
        with connections[alias].cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS django_migrations")
        connections.close_all()


def test_no_change_of_the_models_lacks_its_migration():
    call_command("makemigrations", "hookguard", check=True, dry_run=True, verbosity=0)


@pytest.fixture
def command(capsys):
    """Runs the command as ``manage.py`` does; returns the exit status and what was printed."""

    def run(*words):
        name = "hookguard_deliveries"
        with pytest.raises(SystemExit) as left:
            load_command_class("hookguard_django", name).run_from_argv(["manage.py", name, *words])
        said = capsys.readouterr()
        return left.value.code, said.out + said.err

    return run


def test_command_lists_shows_and_forgets(store, command):
    pytest.importorskip("click")
    with project(store):
        assert post(stripe("evt_1")).status_code == 204
        (record,) = records(store)
        status, said = command()
        assert (status, record.mark in said, "evt_1" in said) == (0, True, True), said
        assert command("--rejected") == (0, "no such delivery is recorded\n")
        assert record.delivery in command("show", record.mark)[1]
        assert command("forget", "--event", "evt_1", "--reason", "asked by mail")[0] == 0
        assert records(store)[0].event_id == ""


def test_command_reports_a_store_without_records(command):
    pytest.importorskip("click")
    with site(path("hook", view), HOOKGUARD=settings()):
        status, said = command()
    assert status == 1
    assert "MemoryStore" in said
    assert "keeps no records of deliveries" in said


def test_prune_deletes_old_records(store, capsys):
    samples = EvidenceContract()
    samples.clock = time.time
    store.evidence().write([(samples.record(number, keep_until=1.0 if number < 4 else 9e9), None) for number in range(1, 6)])
    with project(store):
        call_command("hookguard_prune", batch=2, pause=0.0)
    assert "3 old records or bodies deleted" in capsys.readouterr().out
    assert len(records(store)) == 2


def test_prune_stops_at_its_limit_although_bodies_count_beside_records(store):
    samples = EvidenceContract()
    samples.clock = time.time
    over = [(samples.record(number, keep_until=1.0), None) for number in range(1, 5)]
    body = [(samples.record(number, body_until=1.0), KeptBody(b"{}")) for number in range(5, 9)]
    store.evidence().write(over + body)
    with project(store):
        call_command("hookguard_prune", limit=1, pause=0.0, verbosity=0)
    assert len(records(store)) == 7


def test_store_in_the_cache_is_rejected_by_name():
    given = settings(CacheStore())
    given["ENDPOINTS"]["stripe"]["EVIDENCE"] = True
    from hookguard_django.conf import guard_for

    with site(path("hook", view), HOOKGUARD=given), pytest.raises(ConfigurationError, match="CacheStore cannot keep records"):
        guard_for("stripe")


def test_record_that_is_written_in_a_transaction_by_hand_ends_with_it(store):
    """The process's own thread is never in one."""
    samples = EvidenceContract()
    samples.clock = time.time
    with pytest.raises(ZeroDivisionError), transaction.atomic(using="sqlite"):
        store.evidence().write([(samples.record(), None)])
        raise ZeroDivisionError
    assert records(store) == []


def test_command_replays_an_event_that_failed(command):
    pytest.importorskip("click")
    ran = []

    @webhook("stripe")
    def hook(request):
        ran.append(request.webhook.attempt)
        return HttpResponse(status=500 if len(ran) == 1 else 204)

    store = ORMStore("sqlite")
    given = settings(store)
    given["ENDPOINTS"]["stripe"] = {"SECRETS": [SECRET], "EVIDENCE": {"KEEP_BODY": "1h"}}
    open_database("sqlite")
    with site(path("hook", hook), HOOKGUARD=given):
        assert post(stripe("evt_1")).status_code == 500
        (record,) = records(store)
        with pytest.raises(CommandError, match="say in a few words why"):
            call_command("hookguard_replay", record.mark, reason=" ")
        with pytest.raises(CommandError, match="no recorded delivery has a name"):
            call_command("hookguard_replay", "ffffff", reason="the bug is mended")
        with pytest.raises(SystemExit) as left:
            call_command("hookguard_replay", record.mark, reason="the bug is mended")
        assert left.value.code == 0
        assert ran == [1, 2]
        assert records(store)[0].note.endswith(": the bug is mended: handled")
        assert post(stripe("evt_1")).status_code == 200
        assert ran == [1, 2], "it was completed"
    assert flush()
    close_database("sqlite")


def test_transactional_store_replays_nothing():
    pytest.importorskip("click")
    store = ORMTransactionStore("sqlite")
    open_database("sqlite")
    with project(store, EVIDENCE={"KEEP_BODY": "1h"}):
        assert post(stripe("evt_1")).status_code == 204
        (record,) = records(store)
        with pytest.raises(CommandError, match="is transactional, and a replay cannot be a part"):
            call_command("hookguard_replay", record.mark, reason="the bug is mended", forget=True)
    close_database("sqlite")


def test_replay_of_an_entry_names_the_command_of_django():
    pytest.importorskip("click")
    store = ORMStore("sqlite")
    open_database("sqlite")
    with project(store, EVIDENCE={"KEEP_BODY": "1h"}):
        assert post(stripe("evt_1")).status_code == 204
        (record,) = records(store)
    stored = project(store, INBOX=True, EVIDENCE={"KEEP_BODY": "1h"})
    with stored, pytest.raises(CommandError, match=r"rerun the entry with `manage\.py hookguard_inbox rerun`"):
        call_command("hookguard_replay", record.mark, reason="the bug is mended")
    close_database("sqlite")
