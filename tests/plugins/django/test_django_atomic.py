"""ATOMIC_REQUESTS: the view's transaction is committed before the event is marked as done, or the event comes again."""

import pytest

pytest.importorskip("django")

from django_deliveries import apost, post, settings, stripe
from django_site import configure, site

configure()

import asyncio
import sqlite3
from contextlib import closing

from django.db import connection, connections, transaction
from django.http import HttpResponse
from django.urls import path

from hookguard_django import WebhookView, webhook
from hookguard_django.models import WebhookEvent
from hookguard_django.stores import ORMTransactionStore

OURS = "hookguard_django.middleware.WebhookMiddleware"


@pytest.fixture(autouse=True)
def tables():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE shop (id INTEGER PRIMARY KEY)")
        cursor.execute("CREATE TABLE sale (event TEXT, shop INTEGER REFERENCES shop (id) DEFERRABLE INITIALLY DEFERRED)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE sale")
        cursor.execute("DROP TABLE shop")
    connections.close_all()


@pytest.fixture(autouse=True)
def atomic_requests():
    connections.settings["default"]["ATOMIC_REQUESTS"] = True
    yield
    connections.settings["default"]["ATOMIC_REQUESTS"] = False


def sales():
    with connection.cursor() as cursor:
        return cursor.execute("SELECT count(*) FROM sale").fetchone()[0]


def handle(request):
    """Write a row; then do what the delivery asks for."""
    wanted = request.webhook.json().get("then")
    shop = 7 if wanted == "no such shop" else None
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO sale VALUES (%s, %s)", [request.webhook.id, shop])
    assert connection.in_atomic_block
    if wanted == "raise":
        raise ZeroDivisionError
    if wanted == "roll back":
        transaction.set_rollback(True)
    return HttpResponse(status=500 if wanted == "answer 500" else 204)


class Hook(WebhookView):
    endpoint = "stripe"

    def received(self, request, event):
        return handle(request)


@pytest.fixture(params=["decorator", "class", "middleware"])
def serve(request):
    hooks = settings()
    view = {"decorator": webhook("stripe")(handle), "class": Hook.as_view(), "middleware": handle}[request.param]
    middleware = [OURS] if request.param == "middleware" else []
    if middleware:
        hooks["PATHS"] = {"/hook": "stripe"}
    with site(path("hook", view), HOOKGUARD=hooks, MIDDLEWARE=middleware):
        yield


@pytest.mark.usefixtures("serve")
def test_the_row_and_the_event_are_kept_together():
    assert post(stripe()).status_code == 204
    assert sales() == 1
    assert post(stripe()).status_code == 200
    assert sales() == 1


@pytest.mark.usefixtures("serve")
def test_a_failed_commit_releases_the_event():
    """A deferred constraint speaks up at COMMIT, after the view has answered 204."""
    assert post(stripe(then="no such shop")).status_code == 500
    assert sales() == 0
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO shop VALUES (7)")
    assert post(stripe(then="no such shop")).status_code == 204, "the event was lost"
    assert sales() == 1


@pytest.mark.usefixtures("serve")
def test_a_view_that_raises_leaves_no_row_and_the_event_comes_again():
    assert post(stripe(then="raise")).status_code == 500
    assert sales() == 0
    assert post(stripe()).status_code == 204
    assert sales() == 1


def test_an_asynchronous_view_is_rejected_as_django_does():
    async def view(request):
        return HttpResponse()

    with site(path("hook", webhook("stripe")(view)), HOOKGUARD=settings()), pytest.raises(RuntimeError, match="ATOMIC_REQUESTS"):
        asyncio.run(apost(stripe(), raises=True))


def test_a_view_that_opts_out_runs_outside_the_transaction():
    inside = []

    @webhook("stripe")
    @transaction.non_atomic_requests
    def view(request):
        inside.append(connection.in_atomic_block)
        return HttpResponse()

    with site(path("hook", view), HOOKGUARD=settings()):
        assert post(stripe()).status_code == 200
    assert inside == [False]


@pytest.fixture
def claims():
    with connection.schema_editor() as editor:
        editor.create_model(WebhookEvent)
    yield ORMTransactionStore("default")
    with connection.schema_editor() as editor:
        editor.delete_model(WebhookEvent)


def test_an_event_without_a_claim_has_the_transaction_all_the_same(claims):
    """Transactional mode while the store is down: the claim's transaction, in which the view would run, was not begun."""
    locked = closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None))

    @webhook("stripe")
    def view(request):
        other.rollback()
        return handle(request)

    with site(path("hook", view), HOOKGUARD=settings(claims, ON_OUTAGE="open")), locked as other:
        for fields, status, written in (({"then": "raise"}, 500, 0), ({}, 204, 1)):
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout = 20")
            other.execute("BEGIN IMMEDIATE")
            assert post(stripe(**fields)).status_code == status
            assert sales() == written
    assert WebhookEvent.objects.count() == 0, "the store was not down, so this test tells nothing"
