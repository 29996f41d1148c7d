"""Every test client takes the result of sign() as it is."""

import asyncio

import httpx
import pytest

from hookguard import presets

DELIVERY = presets.GITHUB.sign(b"{}", "a-secret-that-is-long-enough", headers={"X-GitHub-Event": "push"})
WANTED = {name: DELIVERY.headers[name] for name in ("x-hub-signature-256", "x-github-event")}


def test_flask_s_test_client_takes_the_headers():
    flask = pytest.importorskip("flask")
    app = flask.Flask(__name__)
    app.post("/")(lambda: dict(flask.request.headers))
    came = app.test_client().post("/", data=DELIVERY.body, headers=DELIVERY.headers).json
    assert {name: came[name.title()] for name in WANTED} == WANTED


def test_httpx_takes_the_headers_for_an_asgi_app():
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    app = Starlette(routes=[Route("/", lambda request: JSONResponse(dict(request.headers)), methods=["POST"])])

    async def post():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example") as client:
            return (await client.post("/", content=DELIVERY.body, headers=DELIVERY.headers)).json()

    came = asyncio.run(post())
    assert {name: came[name] for name in WANTED} == WANTED


def test_django_s_test_client_takes_the_headers():
    pytest.importorskip("django")
    from django.http import JsonResponse
    from django.test import Client
    from django.urls import path
    from django_site import site

    with site(path("hook", lambda request: JsonResponse(dict(request.headers)))):
        content_type = DELIVERY.headers["Content-Type"]
        came = Client(enforce_csrf_checks=False).post("/hook", DELIVERY.body, content_type, headers=DELIVERY.headers).json()
    assert {name: came[name.title()] for name in WANTED} == WANTED


def test_quart_s_test_client_takes_the_headers():
    quart = pytest.importorskip("quart")
    app = quart.Quart(__name__)

    @app.post("/")
    async def echo():
        return dict(quart.request.headers)

    async def post():
        return await (await app.test_client().post("/", data=DELIVERY.body, headers=DELIVERY.headers)).get_json()

    came = asyncio.run(post())
    assert {name: came[name.title()] for name in WANTED} == WANTED
