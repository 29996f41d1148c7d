"""``manage.py hookguard_prune``, on each database."""

import io
import threading
import time

import pytest

pytest.importorskip("django")

from django_site import configure

configure()


from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings
from django_deliveries import settings
from django_tables import close_database, open_database

from hookguard.errors import StoreUnavailable
from hookguard.inbox.contract import Kept, Lane
from hookguard.inbox.settings import InboxSettings
from hookguard.store import StoreKey
from hookguard_django.management.commands import hookguard_prune
from hookguard_django.models import WebhookEvent, WebhookInbox
from hookguard_django.stores import ORMStore, ORMTransactionStore


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def alias(request):
    open_database(request.param)
    yield request.param
    close_database(request.param)


def fill(alias, expired, living=2):
    now = time.time()
    WebhookEvent.objects.using(alias).bulk_create(
        WebhookEvent(
            id=f"{number:064x}",
            scope="s",
            event_id=str(number),
            state=2,
            token=b"t",
            fingerprint=b"f",
            claimed_at=0,
            lease_until=0,
            expires_at=now - 50 if number < expired else now + 500,
            attempt=1,
        )
        for number in range(expired + living)
    )


def prune(**options):
    said = io.StringIO()
    call_command("hookguard_prune", stdout=said, **options)
    return said.getvalue().strip()


def left(alias):
    return WebhookEvent.objects.using(alias).count()


def test_all_that_has_expired_in_batches(alias, monkeypatch):
    pauses = []
    monkeypatch.setattr(hookguard_prune.time, "sleep", pauses.append)
    fill(alias, 25)
    assert prune(database=alias, batch=10, pause=0.5) == "25 expired webhook events deleted"
    assert pauses == [0.5, 0.5]
    assert left(alias) == 2
    assert prune(database=alias) == "0 expired webhook events deleted"


def test_at_most_as_many_as_one_may(alias):
    fill(alias, 25)
    assert prune(database=alias, limit=1) == "1 expired webhook event deleted"
    assert prune(database=alias, limit=20, batch=15) == "20 expired webhook events deleted"
    assert left(alias) == 6


def test_without_a_word():
    open_database("sqlite")
    assert prune(database="sqlite", verbosity=0) == ""
    close_database("sqlite")


@pytest.mark.parametrize("store", [ORMStore, ORMTransactionStore])
def test_the_database_is_the_one_that_the_store_is_in(store):
    open_database("sqlite")
    fill("sqlite", 3)
    with override_settings(HOOKGUARD=settings(store("sqlite"))):
        assert prune() == "3 expired webhook events deleted"
    close_database("sqlite")


@pytest.mark.parametrize("options", [{"batch": 0}, {"limit": 0}, {"pause": -1.0}])
def test_nonsense_is_rejected(options):
    with pytest.raises(CommandError, match="at least 1"):
        prune(**options)


def test_a_database_that_is_not_there_or_not_migrated():
    with pytest.raises(CommandError, match=r"^DATABASES has no 'elsewhere': --database takes one of .*sqlite"):
        prune(database="elsewhere")
    with pytest.raises(CommandError, match=r"^sqlite cannot answer .*manage\.py migrate"):
        prune(database="sqlite")


def test_the_count_deleted_before_an_outage_is_printed(monkeypatch):
    open_database("sqlite")
    fill("sqlite", 5)
    purge, answers = ORMStore.purge, iter([True, False])

    def goes_away(self, *, limit):
        if not next(answers):
            raise StoreUnavailable("gone")
        return purge(self, limit=limit)

    monkeypatch.setattr(ORMStore, "purge", goes_away)
    with pytest.raises(CommandError, match=r"^2 deleted, then: gone"):
        prune(database="sqlite", batch=2, pause=0)
    close_database("sqlite")


def test_pruning_does_not_wait_for_working_processes(alias):
    """A claim in an open transaction holds a row; PostgreSQL's purge goes past it."""
    if alias != "postgresql":
        pytest.skip("only PostgreSQL can skip what is locked")
    fill(alias, 5)
    from django.db import transaction

    done = []
    with transaction.atomic(using=alias):
        WebhookEvent.objects.using(alias).select_for_update().get(event_id="3")

        def elsewhere():
            done.append(prune(database=alias))
            connections.close_all()

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(30)
        assert done == ["4 expired webhook events deleted"]
    assert left(alias) == 3


def test_old_entries_of_the_inbox_are_deleted_as_well(alias):
    inbox = ORMStore(alias).inbox()
    usual = Kept(key=StoreKey("s", "0"), endpoint="pay", event_type="paid", head="{}", body=b"{}", retention=60)
    inbox.put([usual._replace(key=StoreKey("s", str(number))) for number in range(5)])
    for held in inbox.take(Lane("pay"), limit=3, lease=60, settings=InboxSettings()):
        assert inbox.complete(held.key, token=held.token, settings=InboxSettings(keep=0))
    assert prune(database=alias, batch=2) == "0 expired webhook events deleted\n3 old inbox entries deleted"
    assert prune(database=alias) == "0 expired webhook events deleted"
    assert len(inbox.find(limit=9)) == 2
    with connections[alias].cursor() as cursor:
        cursor.execute("DROP TABLE hookguard_inbox")
    assert prune(database=alias) == "0 expired webhook events deleted", "a project that has yet to migrate"
    with connections[alias].schema_editor() as editor:
        editor.create_model(WebhookInbox)
