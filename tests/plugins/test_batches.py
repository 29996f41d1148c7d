"""Batches where the frameworks differ: transactional stores, stored replies, and the ways that run a handler once only."""

import asyncio
import json
from dataclasses import replace

import pytest

for needed in ("flask", "starlette", "fastapi", "httpx", "sqlalchemy", "aiosqlite"):
    pytest.importorskip(needed)

import httpx
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from hookguard import ConfigurationError, MemoryStore, presets
from hookguard.batch import Batch
from hookguard.stores.sql import AsyncSQLTransactionStore, SQLTransactionStore

SECRET = "a-secret-that-is-long-enough"
LISTED = replace(presets.STRIPE, name="listed", batch=Batch("events"))
ENDPOINTS = {"listed": {"preset": LISTED, "secrets": [SECRET]}}


def carry(*numbers):
    return LISTED.sign(json.dumps({"events": [{"id": f"evt_{number}"} for number in numbers]}).encode(), SECRET)


def flask_app(store, view):
    from flask import Flask

    from hookguard_flask import HookGuard

    app = Flask("batches")
    app.config["HOOKGUARD"] = {"endpoints": ENDPOINTS, "store": store}
    hooks = HookGuard(app)
    if view is not None:
        app.post("/hook")(hooks.guard("listed")(view))
    return app, hooks


def post(app, delivery):
    return app.test_client().post("/hook", data=delivery.body, headers=list(delivery.headers.items()))


def apost(app, delivery):
    async def send():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/hook", content=delivery.body, headers=list(delivery.headers.items()))

    return send()


def test_every_event_has_a_transaction_of_its_own(tmp_path):
    from hookguard_flask import current_webhook

    engine = create_engine(f"sqlite:///{tmp_path}/shop.sqlite3")
    store = SQLTransactionStore(sessionmaker(engine))
    store.create_table()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE effect (id TEXT)"))

    def view():
        store.session.execute(text("INSERT INTO effect VALUES (:id)"), {"id": current_webhook.id})
        if current_webhook.id == "evt_2" and failing:
            raise OSError("no")
        return "", 204

    app, _ = flask_app(store, view)
    failing = True
    assert [post(app, carry(1, 2, 3)).status_code for _ in range(2)] == [500, 500]
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT id FROM effect ORDER BY id")).all() == ["evt_1", "evt_3"]
    failing = False
    assert [post(app, carry(1, 2, 3, 4)).status_code for _ in range(2)] == [204, 200]
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT id FROM effect ORDER BY id")).all() == ["evt_1", "evt_2", "evt_3", "evt_4"]
    engine.dispose()


def test_every_event_has_an_asynchronous_transaction_of_its_own(tmp_path):
    from starlette.applications import Starlette
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import Response
    from starlette.routing import Route

    from hookguard_starlette import HookGuard

    async def main():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.sqlite3")
        store = AsyncSQLTransactionStore(async_sessionmaker(engine))
        await store.create_table()
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE effect (id TEXT)"))
        failing = True

        async def view(request):
            event = request.state.webhook
            await store.session.execute(text("INSERT INTO effect VALUES (:id)"), {"id": event.id})
            if event.id == "evt_2" and failing:
                raise OSError("no")
            return Response(status_code=204)

        async def effects():
            async with engine.connect() as connection:
                return (await connection.scalars(text("SELECT id FROM effect ORDER BY id"))).all()

        async def dispatch(request, call_next):
            return await call_next(request)

        hooks = HookGuard(ENDPOINTS, store=store)
        app = Starlette(routes=[Route("/hook", view, methods=["POST"])])
        app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)  # it runs what is within in a task of its own
        app.add_middleware(hooks.Middleware, paths={"/hook": "listed"})
        assert [(await apost(app, carry(1, 2, 3))).status_code for _ in range(2)] == [500, 500]
        assert await effects() == ["evt_1", "evt_3"]
        failing = False
        assert [(await apost(app, carry(1, 2, 3, 4))).status_code for _ in range(2)] == [204, 200]
        assert await effects() == ["evt_1", "evt_2", "evt_3", "evt_4"]
        await engine.dispose()

    asyncio.run(main())


def test_a_duplicate_gets_the_stored_reply_of_the_last_event():
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from hookguard_starlette import HookGuard

    endpoints = {"listed": {**ENDPOINTS["listed"], "store_reply": True}}

    async def view(request):
        return PlainTextResponse(f"did {request.state.webhook.id}", 201)

    hooks = HookGuard(endpoints, store=MemoryStore())
    app = Starlette(routes=[Route("/hook", view, methods=["POST"], middleware=[hooks.middleware("listed")])])
    for _ in range(2):
        answer = asyncio.run(apost(app, carry(1, 2)))
        assert (answer.status_code, answer.text) == (201, "did evt_2")
    assert answer.headers["Hookguard-Duplicate"] == "1"


def test_streams_and_background_tasks_are_awaited():
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    from hookguard_starlette import HookGuard

    order = []

    async def view(request):
        number = request.state.webhook.id
        request.state.mark = getattr(request.state, "mark", 0) + 1
        order.append((number, request.state.mark))

        async def pieces():
            yield b"did "
            yield number.encode()

        return StreamingResponse(pieces(), 200, background=BackgroundTask(order.append, "behind"))

    hooks = HookGuard(ENDPOINTS, store=MemoryStore())
    app = hooks.wrap(Starlette(routes=[Route("/hook", view, methods=["POST"])]), "listed")
    assert asyncio.run(apost(app, carry(1, 2))).text == "did evt_2"
    assert order == [("evt_1", 1), "behind", ("evt_2", 1), "behind"]  # each run begins with the state as it came


def test_a_dependency_runs_the_handler_once_so_it_takes_no_batch():
    from hookguard_starlette import HookGuard

    with pytest.raises(ConfigurationError, match="may carry several events, and a dependency runs the handler once"):
        HookGuard(ENDPOINTS, store=MemoryStore()).event("listed")


def test_protect_in_flask_takes_no_batch():
    from flask import Blueprint, Flask

    from hookguard_flask import HookGuard

    wanted = r"may carry several events, and protect\(\) runs a view once: put @hooks.guard\('listed'\)"
    app, hooks = flask_app(MemoryStore(), None)
    with pytest.raises(ConfigurationError, match=wanted):
        hooks.protect(app, "listed", prefix="/hooks/")
    with pytest.raises(ConfigurationError, match=wanted):
        hooks.protect(Blueprint("bp", __name__), "listed")
    # Before the app is known it is found when the two meet.
    for register_first in (True, False):
        later, bp = HookGuard(), Blueprint("bp", __name__)
        later.protect(bp, "listed")
        app = Flask("later")
        app.config["HOOKGUARD"] = {"endpoints": ENDPOINTS, "store": MemoryStore()}
        steps = [lambda app=app, bp=bp: app.register_blueprint(bp), lambda app=app, later=later: later.init_app(app)]
        first, second = steps if register_first else steps[::-1]
        first()
        with pytest.raises(ConfigurationError, match=wanted):
            second()
