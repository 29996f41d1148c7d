"""ATOMIC_REQUESTS: the view's transaction is committed before the event is marked as done, or the event comes again."""

import pytest

pytest.importorskip("django")

from django_deliveries import apost, post, settings, stripe
from django_site import configure, site

configure()

import asyncio

from django.db import connection, connections, transaction
from django.http import HttpResponse
from django.urls import path

from hookguard_django import WebhookView, webhook

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
def test_a_commit_that_fails_gives_the_event_back():
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


def test_an_asynchronous_view_is_refused_as_django_does():
    async def view(request):
        return HttpResponse()

    with site(path("hook", webhook("stripe")(view)), HOOKGUARD=settings()), pytest.raises(RuntimeError, match="ATOMIC_REQUESTS"):
        asyncio.run(apost(stripe(), raises=True))


def test_one_that_opts_out_runs_outside():
    inside = []

    @webhook("stripe")
    @transaction.non_atomic_requests
    def view(request):
        inside.append(connection.in_atomic_block)
        return HttpResponse()

    with site(path("hook", view), HOOKGUARD=settings()):
        assert post(stripe()).status_code == 200
    assert inside == [False]
