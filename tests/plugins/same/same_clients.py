"""Every way an app is made and reached within this process, and a client for each."""

import asyncio
from contextlib import contextmanager

import httpx
import same_apps
from django_site import site

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


class Client:
    """Sends deliveries to an app, whichever gateway it speaks."""

    def __init__(self, app, gateway):
        self.app, self.gateway = app, gateway

    def send(self, endpoint, delivery, query):
        request = {
            "method": delivery.method,
            "url": f"/hooks/{endpoint}{query}",
            "content": delivery.body,
            "headers": list(delivery.headers.items()),
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


@contextmanager
def client_of(way, settings, handle):
    """A client of a fresh app with these settings, whose every handler is ``handle(event)``."""
    kind, gateway = way
    made = getattr(same_apps, kind)(settings, handle)
    if not kind.startswith("django"):
        yield Client(made, gateway)
        return
    with site(*made, HOOKGUARD=settings, DEBUG_PROPAGATE_EXCEPTIONS=False):
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler

        yield Client(ASGIHandler() if gateway == "asgi" else WSGIHandler(), gateway)
