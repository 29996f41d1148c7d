"""A sender that hangs up: Django cancels the view of its request, and the event must be handled to its end all the same."""

import asyncio
import logging

import pytest

pytest.importorskip("django")

from django_deliveries import apost, settings, stripe
from django_site import configure, site

configure()

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connection, connections
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import sync_only_middleware

from hookguard_django import webhook
from hookguard_django.stores import ORMStore

OURS = "hookguard_django.middleware.WebhookMiddleware"


@sync_only_middleware
def synchronous(get_response):
    """Makes Django call whatever is beneath it, a view that awaits too, from a thread."""

    def middleware(request):
        return get_response(request)

    return middleware


class Sender:
    """Hangs up as soon as the view has begun."""

    def __init__(self):
        self.begun = asyncio.Event()
        self.gone = asyncio.Event()
        self.read = False

    async def __call__(self):
        if not self.read:
            self.read = True
            return {"type": "http.request", "body": stripe().body, "more_body": False}
        await self.begun.wait()
        self.gone.set()
        return {"type": "http.disconnect"}

    async def deliver(self):
        """Send it through Django's own ASGI handler; what was answered."""
        delivery, sent = stripe(), []
        headers = {**dict(delivery.headers.items()), "content-length": str(len(delivery.body)), "host": "testserver"}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": "/hook",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }

        async def send(message):
            sent.append(message)

        await ASGIHandler()(scope, self, send)
        return sent


@pytest.fixture
def ran():
    return []


@pytest.fixture(params=["memory", "orm"])
def store(request):
    if request.param == "memory":
        yield None
        return
    from hookguard_django.models import WebhookEvent

    with connections["sqlite"].schema_editor() as editor:
        editor.create_model(WebhookEvent)
    yield ORMStore("sqlite")
    with connections["sqlite"].schema_editor() as editor:
        editor.delete_model(WebhookEvent)
    connections["sqlite"].close()


def query():
    with connection.cursor() as cursor:
        return cursor.execute("SELECT 1").fetchone()[0]


def project(view, *, middleware, guarded_by_path, store=None):
    hooks = settings(store, **({"PATHS": {"/hook": "stripe"}} if guarded_by_path else {}))
    chain = [f"{__name__}.synchronous"] * middleware + [OURS] * guarded_by_path
    return site(path("hook", view if guarded_by_path else webhook("stripe")(view)), HOOKGUARD=hooks, MIDDLEWARE=chain)


@pytest.mark.parametrize("middleware", [False, True], ids=["", "synchronous middleware"])
@pytest.mark.parametrize("guarded_by_path", [False, True], ids=["decorator", "PATHS"])
def test_a_view_whose_sender_hung_up_finishes_and_its_event_is_done(store, middleware, guarded_by_path, ran):
    async def deliveries():
        sender = Sender()

        async def view(request):
            ran.append("begun")
            if sender.begun.is_set():
                return HttpResponse(status=204)
            sender.begun.set()
            await sender.gone.wait()
            await asyncio.sleep(0.1)  # the cancellation comes here
            ran.append(await sync_to_async(query)())
            return HttpResponse(status=204)

        with project(view, middleware=middleware, guarded_by_path=guarded_by_path, store=store):
            assert await sender.deliver() == [], "the view was not cancelled, so this test tells nothing"
            assert ran == ["begun", 1]
            assert (await apost(stripe())).status_code == 200
            assert ran == ["begun", 1]

    asyncio.run(deliveries())


def test_a_failure_after_the_sender_hung_up_is_logged_and_retried(ran, caplog):
    async def deliveries():
        sender = Sender()

        async def view(request):
            ran.append(request.webhook.id)
            if len(ran) == 1:
                sender.begun.set()
                await sender.gone.wait()
                await asyncio.sleep(0.1)
                raise ZeroDivisionError
            return HttpResponse(status=204)

        with project(view, middleware=False, guarded_by_path=False):
            with caplog.at_level(logging.ERROR, "hookguard.django"):
                assert await sender.deliver() == []
            assert [type(record.exc_info[1]) for record in caplog.records if record.name == "hookguard.django"] == [
                ZeroDivisionError
            ]
            assert (await apost(stripe())).status_code == 204

    asyncio.run(deliveries())
