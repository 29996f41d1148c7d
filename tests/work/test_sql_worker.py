"""Events on their whole way over a database server: received, stored, taken by a worker, and handled by the application."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

for needed in ("flask", "starlette", "fastapi", "sqlalchemy", "redis", "click", "httpx"):
    pytest.importorskip(needed)

import httpx
import shop
from redis_servers import Server
from sql_urls import AsyncSQLStore, SQLStore, engine, url
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from test_every_framework import EVENTS, entries, stored, work_off

from hookguard.errors import StoreMisconfigured
from hookguard.stores.redis import AsyncRedisStore, RedisStore
from hookguard.testing import awork_off
from hookguard.testing import work_off as work_off_here
from hookguard_starlette import HookGuard

DRIVERS = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}


class OnSQL:
    """A database without the tables."""

    def __init__(self, driver):
        self.engine = engine(driver, None)
        self._clean()

    def _clean(self):
        with self.engine.begin() as connection:
            for table in ("hookguard_event", "hookguard_inbox"):
                connection.execute(text(f"DROP TABLE IF EXISTS {table}"))

    def address(self, *, asynchronous=False):
        names = {"postgresql": ("postgresql+psycopg", "postgresql+asyncpg"), "mysql": ("mysql+pymysql", "mysql+asyncmy")}
        return url(names[self.engine.dialect.name][asynchronous], None)

    def open(self, *, asynchronous=False, **options):
        kind = AsyncSQLStore if asynchronous else SQLStore
        return kind.from_url(self.address(asynchronous=asynchronous), timeout=20, **options)

    def close(self):
        self._clean()
        self.engine.dispose()


class OnRedis:
    """A Redis that keeps a file."""

    def __init__(self, folder):
        folder.mkdir()
        self.server = Server(folder, "--appendonly", "yes")

    def address(self, *, asynchronous=False):
        return self.server.url

    def open(self, *, asynchronous=False):
        return (AsyncRedisStore if asynchronous else RedisStore).from_url(self.server.url, timeout=20)

    def close(self):
        self.server.close()


@pytest.fixture(params=[*DRIVERS, "redis"])
def database(request, tmp_path):
    made = OnRedis(tmp_path / "redis") if request.param == "redis" else OnSQL(DRIVERS[request.param])
    yield made
    made.close()


@pytest.fixture
def store(database):
    """A store as a URL in the settings makes it."""
    store = database.open()
    yield store
    store.close()


@pytest.mark.parametrize("kind", ["flask", "fastapi_dependency"])
def test_same_deliveries_end_in_the_same_states(kind, database, store, tmp_path):
    inbox = store.inbox()
    inbox.put([stored(name, **asked) for name, (asked, _, _) in EVENTS.items()])
    work_off(kind, tmp_path, EVERY_STORE=database.address(asynchronous=kind != "flask"))
    found = {name: (entry.state.name, entry.attempt) for name, entry in entries(inbox).items()}
    assert found == {name: (state, attempt) for name, (_, state, attempt) in EVENTS.items()}


def test_a_flask_app_answers_first_and_handles_later(store, tmp_path):
    app = shop.make_app(tmp_path, store, tries=2)
    assert [shop.send(app, name, fails=name == "evt_2").status_code for name in ("evt_1", "evt_2", "evt_1")] == [200] * 3
    assert shop.runs(tmp_path) == []
    outcomes = [(outcome.event_id, outcome.outcome) for outcome in work_off_here(app)]
    assert outcomes == [("evt_1", "handled"), ("evt_2", "failed"), ("evt_2", "handled")]
    assert [event for event, _, _ in shop.runs(tmp_path)] == ["evt_1", "evt_2"]


def test_an_asgi_app_answers_first_and_handles_later(database):
    endpoint = {"secrets": [shop.SECRET], "inbox": True}
    store = database.open(asynchronous=True)
    hooks = HookGuard({"stripe": endpoint}, store=store)
    ran = []

    async def receive(request):
        ran.append((request.state.webhook.id, request.state.webhook.attempt))
        return Response(status_code=500 if len(ran) == 1 else 204)

    app = Starlette(routes=[Route("/hooks/stripe", receive, methods=["POST"], middleware=[hooks.middleware("stripe")])])

    async def live():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.example") as client:

            async def send(name):
                delivery = shop.signed("stripe", name)
                answer = await client.post("/hooks/stripe", content=delivery.body, headers=dict(delivery.headers.items()))
                return answer.status_code, answer.headers.get("hookguard-duplicate")

            answers = await asyncio.gather(*(send(f"evt_{number % 10}") for number in range(20)))
        assert sorted(answers, key=str) == [(200, "1")] * 10 + [(200, None)] * 10
        assert ran == []
        outcomes = await awork_off(app, hooks)
        await store.close()
        return [outcome.outcome for outcome in outcomes]

    assert asyncio.run(live()) == ["failed"] + ["handled"] * 10
    assert min(ran) == ("evt_0", 1)
    assert len(ran) == 11


@pytest.mark.parametrize("database", DRIVERS, indirect=True)
def test_an_app_whose_table_is_not_made_yet_answers_503(database, tmp_path, caplog):
    store = database.open(create=False)
    app = shop.make_app(tmp_path, store)
    assert shop.send(app, "evt_1").status_code == 503
    assert "create it with create_table(engine" in caplog.text
    store.create_table()
    assert shop.send(app, "evt_1").status_code == 200
    store.close()


def test_the_command_line_lists_and_reruns_entries(database, store, tmp_path):
    app = shop.make_app(tmp_path, store, tries=1)
    shop.send(app, "evt_1", gives_up=True)
    work_off_here(app)
    (entry,) = store.inbox().find(limit=10)

    def command(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, "-m", "hookguard.cli", "inbox", database.address(), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "evt_1" in command("--state", "dead", "--json")
    command("rerun", entry.key[:12], "--reason", "the customer is back")
    assert store.inbox().find(limit=10)[0].state.name == "WAITING"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_app_does_not_start_with_a_redis_that_would_lose_its_inbox(asynchronous, tmp_path):
    server = Server(tmp_path)
    try:
        if not asynchronous:
            with pytest.raises(StoreMisconfigured, match="set appendonly to yes"):
                shop.make_app(tmp_path, server.url)
            return
        store = AsyncRedisStore.from_url(server.url, timeout=20)
        hooks = HookGuard({"stripe": {"secrets": [shop.SECRET], "inbox": True}}, store=store)
        app = Starlette(routes=[Route("/", lambda _: None, methods=["POST"], middleware=[hooks.middleware("stripe")])])

        async def live():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.example") as client:
                delivery = shop.signed("stripe", "evt_1")
                answer = await client.post("/", content=delivery.body, headers=dict(delivery.headers.items()))
            found = await store.inbox().find(limit=1)
            await store.close()
            return answer.status_code, found

        status, found = asyncio.run(live())
        assert (status >= 500, found) == (True, [])
    finally:
        server.close()
