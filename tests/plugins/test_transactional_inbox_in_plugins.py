"""One view in transactional mode, in each framework: direct, and from an inbox. The same handler, and the same effects."""

import asyncio
import threading
import time

import pytest

for needed in ("flask", "starlette", "fastapi", "sqlalchemy", "httpx"):
    pytest.importorskip(needed)

import httpx
from fastapi import Depends, FastAPI
from flask import Flask
from sql_inbox_shops import make_inbox_tables
from sql_shops import EVENTS, SECRET, Effect, signed
from sql_urls import url
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import scoped_session, sessionmaker
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.routing import Route

from hookguard.stores.sql import AsyncSQLTransactionStore, SQLTransactionStore
from hookguard.testing import awork_off, work_off
from hookguard.work.process import work
from hookguard.work.worker import Worker
from hookguard_flask import HookGuard, current_webhook
from hookguard_starlette import HookGuard as AsyncHookGuard

BLOCKING = ["postgresql+psycopg", "mysql+pymysql"]
AWAITED = ["postgresql+asyncpg", "mysql+asyncmy"]
INBOX = {"tries": 3, "first": 0.001, "longest_wait": 0.002}


@pytest.fixture(params=[False, INBOX], ids=["direct", "inbox"])
def inbox(request):
    return request.param


@pytest.fixture
def plain(request):
    """An engine of the test's own, to the database of the parameter ``driver``."""
    driver = request.getfixturevalue("driver")
    names = {"asyncpg": "postgresql+psycopg", "asyncmy": "mysql+pymysql"}
    engine = create_engine(url(names.get(driver.rpartition("+")[2], driver), None))
    with engine.begin() as connection:
        make_inbox_tables(connection)
    yield engine
    engine.dispose()


def effects(plain):
    with plain.connect() as connection:
        found = connection.execute(select(Effect.event_id, func.count()).group_by(Effect.event_id)).all()
    return dict(map(tuple, found))


def how_of(event):
    """Return what an event asks for at its first try: to raise, or a method of the session."""
    return event.json().get("how") if event.attempt == 1 else None


def flask_app(store, inbox, meanwhile=lambda: None):
    app = Flask("shop")
    app.config["HOOKGUARD_ENDPOINTS"] = {"stripe": {"secrets": [SECRET], "inbox": inbox}}
    app.config["HOOKGUARD_STORE"] = store
    hooks = HookGuard(app)

    @app.post("/hook")
    @hooks.guard("stripe")
    def stripe():
        store.session.add(Effect(event_id=current_webhook.id))
        store.session.flush()
        meanwhile()
        if how := how_of(current_webhook):
            if how == "raise":
                raise ValueError(how)
            getattr(store.session, how)()
        return "", 204

    return app


#: Each with what the first try comes to.
EVENT_KINDS = {"evt_good": None, "evt_raises": "raise", "evt_rolls_back": "rollback", "evt_commits": "commit"}


def expected_outcomes():
    """Of ``work_off``: all first tries, and the second ones of those that failed."""
    failed = [event for event, how in EVENT_KINDS.items() if how]
    return [(event, "failed" if how else "handled") for event, how in EVENT_KINDS.items()] + [
        (event, "handled") for event in failed
    ]


@pytest.mark.parametrize("driver", BLOCKING)
@pytest.mark.parametrize("make", [sessionmaker, lambda engine: scoped_session(sessionmaker(engine))], ids=["maker", "scoped"])
def test_a_flask_view_is_the_same_direct_and_from_an_inbox(driver, plain, inbox, make):
    engine = create_engine(url(driver, None))
    app = flask_app(SQLTransactionStore(make(engine), table=EVENTS), inbox)

    def post(event_id, **fields):
        delivery = signed(event_id, **fields)
        return app.test_client().post("/hook", data=delivery.body, headers=list(delivery.headers.items())).status_code

    answers = [post(event, how=how) for event, how in EVENT_KINDS.items()]
    if inbox:
        assert answers == [200] * 4
        assert effects(plain) == {}
        assert [(each.event_id, each.outcome) for each in work_off(app)] == expected_outcomes()
    else:
        assert answers == [204, 500, 500, 500]
        assert [post(event) for event in EVENT_KINDS] == [200, 204, 204, 204]
    assert effects(plain) == dict.fromkeys(EVENT_KINDS, 1)
    assert [post(event) for event in EVENT_KINDS] == [200] * 4
    engine.dispose()


def starlette_app(hooks, handle):
    async def stripe(request):
        await handle(request.state.webhook)
        return Response(status_code=204)

    return Starlette(routes=[Route("/hook", stripe, methods=["POST"], middleware=[hooks.middleware("stripe")])])


def fastapi_app(hooks, handle):
    app = FastAPI()
    app.add_middleware(hooks.Middleware)

    @app.post("/hook", status_code=204)
    async def stripe(event=Depends(hooks.event("stripe"))):
        await handle(event)

    return app


@pytest.mark.parametrize("driver", AWAITED)
@pytest.mark.parametrize("make_app", [starlette_app, fastapi_app])
def test_an_asgi_handler_is_the_same_direct_and_from_an_inbox(driver, plain, inbox, make_app):
    async def live():
        engine = create_async_engine(url(driver, None))
        store = AsyncSQLTransactionStore(async_sessionmaker(engine), table=EVENTS)
        hooks = AsyncHookGuard({"stripe": {"secrets": [SECRET], "inbox": inbox}}, store=store)

        async def handle(event):
            store.session.add(Effect(event_id=event.id))
            await store.session.flush()
            if how := how_of(event):
                if how == "raise":
                    raise ValueError(how)
                await getattr(store.session, how)()

        app = make_app(hooks, handle)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:

            async def post(event_id, **fields):
                delivery = signed(event_id, **fields)
                answer = await client.post("/hook", content=delivery.body, headers=list(delivery.headers.items()))
                return answer.status_code

            answers = [await post(event, how=how) for event, how in EVENT_KINDS.items()]
            if inbox:
                assert answers == [200] * 4
                assert effects(plain) == {}
                assert [(each.event_id, each.outcome) for each in await awork_off(app, hooks)] == expected_outcomes()
            else:
                assert answers == [204, 500, 500, 500]
                assert [await post(event) for event in EVENT_KINDS] == [200, 204, 204, 204]
            assert [await post(event) for event in EVENT_KINDS] == [200] * 4
        await engine.dispose()

    asyncio.run(live())
    assert effects(plain) == dict.fromkeys(EVENT_KINDS, 1)


#: How many connections to this database wait for a lock.
WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p"
    " ON p.id = t.trx_mysql_thread_id WHERE p.db = database() AND t.trx_state = 'LOCK WAIT'",
}


@pytest.mark.parametrize("driver", BLOCKING)
def test_a_handler_that_outlasts_its_lease_runs_once_in_two_workers(driver, plain, caplog):
    """The transaction keeps the entry: its lease is not extended, and the other worker finds nothing to take."""
    engine = create_engine(url(driver, None))
    store = SQLTransactionStore(sessionmaker(engine), table=EVENTS)

    waiting = []

    def outlast():
        until = time.monotonic() + 60
        while not any(count.overdue > 1.5 for count in store.inbox().counts()):  # three looks of the other worker
            assert time.monotonic() < until
            with plain.connect() as connection:
                waiting.append(connection.scalar(text(WAITING[plain.dialect.name])))
            time.sleep(0.05)

    app = flask_app(store, INBOX, outlast)
    delivery = signed("evt_long")
    assert app.test_client().post("/hook", data=delivery.body, headers=list(delivery.headers.items())).status_code == 200
    lanes = app.extensions["hookguard"].open_lanes(app)
    workers = [Worker(app, lanes, lease=2) for _ in range(2)]
    threads = [threading.Thread(target=lambda worker=worker: asyncio.run(worker.run())) for worker in workers]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 90
    while not any(worker.summary.outcomes["handled"] for worker in workers):
        assert time.monotonic() < until
        time.sleep(0.05)
    for worker in workers:
        worker.stop()
    for thread in threads:
        thread.join(60)
    assert sorted(worker.summary.outcomes["handled"] for worker in workers) == [0, 1]
    assert effects(plain) == {"evt_long": 1}
    assert "extended" not in caplog.text
    assert set(waiting) == {0}, "another connection waited for the transaction"
    engine.dispose()


def until_extended(store):
    """Wait until a lease ends later than it does now."""
    (entry,) = store.inbox().find(limit=1)
    until = time.monotonic() + 60
    while store.inbox().find(limit=1)[0].due_at <= entry.due_at:
        assert time.monotonic() < until, "the lease is not extended"
        time.sleep(0.05)


def only_run(app, store, event_id, how=None):
    """Receive one event, and run it once in a worker with short leases; the outcomes and the entry."""
    delivery = signed(event_id, how=how)
    assert app.test_client().post("/hook", data=delivery.body, headers=list(delivery.headers.items())).status_code == 200
    worker = Worker(app, app.extensions["hookguard"].open_lanes(app), lease=2)
    thread = threading.Thread(target=lambda: asyncio.run(worker.run()))
    thread.start()
    until = time.monotonic() + 90
    while not worker.summary.outcomes:
        assert time.monotonic() < until
        time.sleep(0.05)
    worker.stop()
    thread.join(60)
    (entry,) = store.inbox().find(limit=1)
    return dict(worker.summary.outcomes), entry


@pytest.mark.parametrize("driver", BLOCKING)
def test_a_lease_is_extended_while_its_transaction_waits_to_begin(driver, plain):
    engine = create_engine(url(driver, None))
    make, waited = sessionmaker(engine), []

    def sessions():
        if waited == [None]:  # the run's; the first session says which engine it is
            waited.append(until_extended(store))
        return make()

    store = SQLTransactionStore(sessions, table=EVENTS)
    app = flask_app(store, INBOX)
    store.inbox()
    waited.append(None)
    outcomes, entry = only_run(app, store, "evt_waits")
    assert (outcomes, entry.attempt, entry.crashes) == ({"handled": 1}, 1, 0)
    assert waited == [None, None]
    assert effects(plain) == {"evt_waits": 1}
    engine.dispose()


@pytest.mark.parametrize("driver", BLOCKING)
def test_a_lease_is_extended_when_the_transaction_is_over_and_the_run_is_not(driver, plain):
    """The handler failed, and its answer is still on the way through the application."""
    engine = create_engine(url(driver, None))
    store = SQLTransactionStore(sessionmaker(engine), table=EVENTS)
    app = flask_app(store, {**INBOX, "first": 3600, "longest_wait": 3600})
    in_worker = []

    @app.errorhandler(ValueError)
    def answers(error):
        in_worker.append(error)
        until_extended(store)
        return "", 500

    outcomes, entry = only_run(app, store, "evt_slow", how="raise")
    assert (outcomes, entry.attempt, entry.crashes, len(in_worker)) == ({"failed": 1}, 1, 0, 1)
    assert "ValueError" in entry.reason
    assert effects(plain) == {}
    engine.dispose()


@pytest.mark.parametrize("driver", BLOCKING)
def test_a_rolled_back_entry_is_not_overdue_before_it_is_released(driver, plain):
    """The handler outlasted its lease and failed: another worker would count a crash, and its error would be lost."""
    engine = create_engine(url(driver, None))
    store = SQLTransactionStore(sessionmaker(engine), table=EVENTS)

    def overdue():
        return max(count.overdue for count in store.inbox().counts())

    def outlast():
        until = time.monotonic() + 60
        while overdue() < 0.2:
            assert time.monotonic() < until
            time.sleep(0.05)

    app = flask_app(store, {**INBOX, "first": 3600, "longest_wait": 3600}, outlast)
    found = []

    @app.errorhandler(ValueError)
    def answers(error):
        found.append(overdue())
        return "", 500

    outcomes, entry = only_run(app, store, "evt_late", how="raise")
    assert (outcomes, entry.attempt, entry.crashes, found) == ({"failed": 1}, 1, 0, [0.0])
    engine.dispose()


@pytest.mark.parametrize("driver", AWAITED)
def test_no_task_after_the_answer_finds_the_session(driver, plain, inbox):
    """Its context is a copy of the handler's, and what it wrote there nobody would commit."""
    found = []

    async def live():
        engine = create_async_engine(url(driver, None))
        store = AsyncSQLTransactionStore(async_sessionmaker(engine), table=EVENTS)
        hooks = AsyncHookGuard({"stripe": {"secrets": [SECRET], "inbox": inbox}}, store=store)

        async def later():
            try:
                found.append(store.session)
            except RuntimeError as error:
                found.append(str(error))

        async def stripe(request):
            store.session.add(Effect(event_id=request.state.webhook.id))
            return Response(status_code=204, background=BackgroundTask(later))

        app = hooks.wrap(Starlette(routes=[Route("/hook", stripe, methods=["POST"])]), paths={"/hook": "stripe"})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.example") as client:
            delivery = signed("evt_later")
            answer = await client.post("/hook", content=delivery.body, headers=list(delivery.headers.items()))
            assert answer.status_code == (200 if inbox else 204)
        if inbox:
            assert [each.outcome for each in await awork_off(app, hooks)] == ["handled"]
        await engine.dispose()

    asyncio.run(live())
    assert found == ["no webhook is being handled here: ask for the session inside a guarded handler"]
    assert effects(plain) == {"evt_later": 1}


@pytest.mark.parametrize("driver", BLOCKING)
def test_sessions_of_flask_sqlalchemy_work_in_a_worker_too(driver, plain):
    """They belong to the application's context, which the worker's own threads lack."""
    flask_sqlalchemy = pytest.importorskip("flask_sqlalchemy")
    app = Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = url(driver, None)
    database = flask_sqlalchemy.SQLAlchemy(app)
    store = SQLTransactionStore(database.session, table=EVENTS)
    app.config["HOOKGUARD_ENDPOINTS"] = {"stripe": {"secrets": [SECRET], "inbox": INBOX}}
    app.config["HOOKGUARD_STORE"] = store
    hooks = HookGuard(app)

    @app.post("/hook")
    @hooks.guard("stripe")
    def stripe():
        database.session.add(Effect(event_id=current_webhook.id))
        return "", 204

    delivery = signed("evt_flask")
    assert app.test_client().post("/hook", data=delivery.body, headers=list(delivery.headers.items())).status_code == 200
    summary = work(Worker(app, app.extensions["hookguard"].open_lanes(app), drain=True))
    assert dict(summary.outcomes) == {"handled": 1}
    assert effects(plain) == {"evt_flask": 1}
    with app.app_context():
        database.engine.dispose()
