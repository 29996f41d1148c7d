"""The same deliveries through every framework get the same replies and run the same handlers."""

import asyncio

import pytest

for needed in ("flask", "django", "starlette", "fastapi", "litestar", "quart", "httpx"):
    pytest.importorskip(needed)

import httpx
import same_apps
from django_site import site
from same_scenarios import IN_PROCESS, scenarios, special

from hookguard import MemoryStore

#: (how the app is made, the gateway it speaks)
WAYS = [
    ("flask_sync", "wsgi"),
    ("flask_async", "wsgi"),
    ("django_sync", "wsgi"),
    ("django_async", "wsgi"),
    ("django_sync", "asgi"),
    ("django_async", "asgi"),
    ("starlette", "asgi"),
    ("fastapi_dependency", "asgi"),
    ("fastapi_route_class", "asgi"),
    ("litestar", "asgi"),
    ("quart", "asgi"),
]

#: What one framework answers otherwise, and why.
DIFFERENCES = {
    ("litestar", "a handler that cannot read the JSON"): "it turns every exception into its own 500 before the guard sees it",
    ("quart", "a handler that cannot read the JSON"): "likewise",
}


class Client:
    """Sends deliveries to an app, whichever gateway it speaks."""

    def __init__(self, app, gateway):
        self.app, self.gateway = app, gateway

    def send(self, step):
        request = {
            "method": step.delivery.method,
            "url": f"/hooks/{step.endpoint}{step.delivery.url}",
            "content": step.delivery.body,
            "headers": list(step.delivery.headers.items()),
        }
        if self.gateway == "wsgi":
            transport = httpx.WSGITransport(self.app, raise_app_exceptions=False)
            with httpx.Client(transport=transport, base_url="http://localhost") as client:
                return client.request(**request)

        async def post():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(**request)

        return asyncio.run(post())


@pytest.fixture(params=WAYS, ids="-".join)
def way(request):
    return request.param


@pytest.fixture
def play(way):
    """Send the steps of a scenario to a fresh app and compare."""
    kind, gateway = way

    def play(name, steps, store):
        ran = []

        def handle(event):
            ran.append((event.id, event.attempt))
            return same_apps.answer(event)

        settings = {"endpoints": IN_PROCESS, "store": store}
        made = getattr(same_apps, kind)(settings, handle)
        if not kind.startswith("django"):
            compare(name, Client(made, gateway), steps, ran)
            return
        with site(*made, HOOKGUARD=settings, DEBUG_PROPAGATE_EXCEPTIONS=False):
            from django.core.handlers.asgi import ASGIHandler
            from django.core.handlers.wsgi import WSGIHandler

            compare(name, Client(ASGIHandler() if gateway == "asgi" else WSGIHandler(), gateway), steps, ran)

    def compare(name, client, steps, ran):
        for number, step in enumerate(steps, 1):
            answer = client.send(step)
            wanted = step.answer
            if (kind, name) in DIFFERENCES:
                assert (answer.status_code, len(ran)) == (500, wanted.ran), "it agrees by now: take it off the list"
                continue
            assert (answer.status_code, len(ran)) == (wanted.status, wanted.ran), f"step {number}: {answer.text[:200]}"
            for header, value in wanted.headers:
                assert answer.headers.get(header) == value, f"step {number}: {header}"
            if wanted.body is not None:
                assert answer.content == wanted.body, f"step {number}"

    return play


@pytest.mark.parametrize("name", scenarios())
def test_the_same_reply(play, name):
    play(name, scenarios()[name], MemoryStore())


@pytest.mark.parametrize("name", special())
def test_the_same_reply_with_a_store_or_a_lookup_of_its_own(play, name):
    store, steps = special()[name]
    play(name, steps, store())


def test_there_are_enough_of_them():
    assert len(scenarios()) + len(special()) >= 25
