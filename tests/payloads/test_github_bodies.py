"""Real bodies of GitHub, through the core and each plugin: the handler gets the very bytes, once."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from hookguard import AsyncGuard, Delivery, Endpoint, Guard, MemoryStore, Verifier, presets

SECRET = "a-secret-that-is-long-enough"
FOLDER = os.environ.get("HOOKGUARD_PAYLOADS")
BODIES = sorted(Path(FOLDER, "github").glob("*.json")) if FOLDER else []

pytestmark = pytest.mark.skipif(FOLDER is None, reason="HOOKGUARD_PAYLOADS names no folder with provider's bodies")


def core(seen):
    guard = Guard(Endpoint(Verifier("github", SECRET)), MemoryStore())

    def send(delivery):
        with guard.receive(delivery) as receipt:
            if receipt.reply is not None:
                return receipt.reply.status, dict(receipt.reply.headers)
            seen.append(receipt.event)
            receipt.answered(204)
        return 204, {}

    return send


def core_async(seen):
    guard = AsyncGuard(Endpoint(Verifier("github", SECRET)), MemoryStore())

    async def receive(delivery):
        async with guard.receive(delivery) as receipt:
            if receipt.reply is not None:
                return receipt.reply.status, dict(receipt.reply.headers)
            seen.append(receipt.event)
            receipt.answered(204)
        return 204, {}

    return lambda delivery: asyncio.run(receive(delivery))


def flask(seen):
    flask = pytest.importorskip("flask")
    from hookguard_flask import HookGuard, get_current_webhook

    app = flask.Flask("bodies")
    app.config.update(HOOKGUARD_ENDPOINTS={"github": {"secrets": [SECRET]}}, HOOKGUARD_STORE=MemoryStore())
    hooks = HookGuard(app)

    @app.post("/hook")
    @hooks.guard("github")
    def hook():
        assert flask.request.get_data() == get_current_webhook().body
        seen.append(get_current_webhook())
        return "", 204

    def send(delivery):
        answer = app.test_client().post("/hook", data=delivery.body, headers=list(delivery.headers.items()))
        return answer.status_code, answer.headers

    return send


def django(seen):
    pytest.importorskip("django")
    from django_site import site

    manager = site(HOOKGUARD={"ENDPOINTS": {"github": {"SECRETS": [SECRET]}}, "STORE": MemoryStore()})
    manager.__enter__()
    from django.http import HttpResponse
    from django.test import Client
    from django.urls import path

    from hookguard_django import webhook

    @webhook("github")
    def hook(request):
        assert request.body == request.webhook.body
        seen.append(request.webhook)
        return HttpResponse(status=204)

    from django.conf import settings

    settings.ROOT_URLCONF.urlpatterns.append(path("hook", hook))

    def send(delivery):
        headers = {name: value for name, value in delivery.headers.items() if name.lower() != "content-type"}
        client = Client(enforce_csrf_checks=True)
        answer = client.post("/hook", delivery.body, content_type="application/json", headers=headers)
        return answer.status_code, answer.headers

    send.close = lambda: manager.__exit__(None, None, None)
    return send


def starlette(seen):
    pytest.importorskip("starlette")
    pytest.importorskip("httpx")
    import httpx
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from hookguard_starlette import HookGuard, get_current_webhook

    hooks = HookGuard({"github": {"secrets": [SECRET]}}, store=MemoryStore())

    async def hook(request):
        assert await request.body() == get_current_webhook().body
        seen.append(get_current_webhook())
        return Response(status_code=204)

    app = Starlette(routes=[Route("/hook", hook, methods=["POST"], middleware=[hooks.middleware("github")])])

    def send(delivery):
        async def post():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
                return await client.post("/hook", content=delivery.body, headers=delivery.headers.items())

        answer = asyncio.run(post())
        return answer.status_code, answer.headers

    return send


@pytest.mark.parametrize("way", [core, core_async, flask, django, starlette], ids=lambda way: way.__name__)
def test_every_body_reaches_the_handler_byte_for_byte_and_once(way):
    seen = []
    send = way(seen)
    try:
        for number, path in enumerate(BODIES):
            body = path.read_bytes()
            headers = {"Content-Type": "application/json"}
            delivery = presets.GITHUB.sign(body, SECRET, id=f"delivery-{number}", type=path.stem, headers=headers)
            assert send(delivery)[0] == 204, path.name
            event = seen[-1]
            assert hashlib.sha256(event.body).digest() == hashlib.sha256(body).digest()
            assert (len(event.body), event.type, event.id) == (len(body), path.stem, f"delivery-{number}")
            assert isinstance(event.json(), dict)
            status, answer = send(delivery)
            assert (status, {name.lower(): value for name, value in answer.items()}["hookguard-duplicate"]) == (200, "1")
            assert send(Delivery(body + b" ", delivery.headers))[0] == 401
    finally:
        getattr(send, "close", lambda: None)()
    assert len(seen) == len(BODIES) >= 25
