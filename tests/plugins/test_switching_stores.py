"""The page on choosing a store says that changing it is one line. Here that line is changed, and nothing else."""

import asyncio
from uuid import uuid4

import pytest
import servers
from pages import blocks

from hookguard import presets

SECRET = "a-secret-that-is-long-enough"

STORES = ("sqlite", "redis", "postgresql", "postgresql+asyncpg", "mysql")


@pytest.fixture(params=STORES)
def store(request, tmp_path):
    """The value of that line."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/claims.sqlite3"
    if request.param == "redis":
        servers.needs("Redis")
        pytest.importorskip("redis")
        return servers.REDIS
    pytest.importorskip("sqlalchemy")
    if request.param == "mysql":
        servers.needs("MariaDB")
        pytest.importorskip("pymysql")
        return servers.MARIADB
    servers.needs("PostgreSQL")
    pytest.importorskip("asyncpg" if "asyncpg" in request.param else "psycopg")
    return request.param + servers.POSTGRESQL.removeprefix("postgresql")


@pytest.fixture
def delivery():
    """An event that no earlier run of the tests left in a server."""
    return presets.STRIPE.sign(b'{"id": "evt_%s"}' % uuid4().hex.encode(), SECRET, headers={"Content-Type": "application/json"})


def test_a_flask_app_switches_its_store(store, delivery):
    pytest.importorskip("flask")
    from flask import Flask

    from hookguard_flask import HookGuard

    if "asyncpg" in store:
        pytest.skip("Flask's views are not asynchronous: its stores are the blocking ones")
    ran = []
    app = Flask("switch")
    app.config["HOOKGUARD_ENDPOINTS"] = {"stripe": {"secrets": [SECRET]}}
    app.config["HOOKGUARD_STORE"] = store
    hooks = HookGuard(app)

    @app.post("/hooks/stripe")
    @hooks.guard("stripe")
    def stripe():
        ran.append(1)
        return "", 204

    answers = [
        app.test_client().post("/hooks/stripe", data=delivery.body, headers=delivery.headers).status_code for _ in range(2)
    ]
    assert (answers, ran) == ([204, 200], [1])
    close(app.extensions["hookguard"].guard_for("stripe").store)


def test_a_starlette_app_switches_its_store(store, delivery):
    pytest.importorskip("starlette")
    httpx = pytest.importorskip("httpx")
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from hookguard_starlette import HookGuard

    ran = []

    async def stripe(request):
        ran.append(request.state.webhook.id)
        return Response(status_code=204)

    hooks = HookGuard({"stripe": {"secrets": [SECRET]}}, store=store)
    app = Starlette(routes=[Route("/hooks/stripe", stripe, methods=["POST"], middleware=[hooks.middleware("stripe")])])

    async def deliver():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            posts = [await client.post("/hooks/stripe", content=delivery.body, headers=delivery.headers) for _ in range(2)]
            answers = [post.status_code for post in posts]
        closing = close(hooks.guard_for("stripe").store)
        if closing is not None:
            await closing
        return answers

    assert asyncio.run(deliver()) == [204, 200]
    assert len(ran) == 1


def close(store):
    return getattr(store, "close", lambda: None)()


@pytest.mark.runs("docs/stores.md", "Choosing a store")
def test_that_line_of_the_page_for_each_framework():
    pytest.importorskip("redis")
    pytest.importorskip("starlette")
    from types import SimpleNamespace

    from hookguard_starlette import HookGuard

    names = {"app": SimpleNamespace(config={}), "HOOKGUARD": {}, "ENDPOINTS": {"stripe": {"secrets": [SECRET]}}}
    blocks("docs/stores.md")["Choosing a store"].run({**names, "HookGuard": HookGuard})
    assert names["app"].config["HOOKGUARD_STORE"] == names["HOOKGUARD"]["STORE"] == "redis://127.0.0.1:6379/0"
