"""The pages on SQL stores and on transactional mode, run as they stand there."""

import asyncio
import importlib
import os
import sys
import types

import pytest

pytest.importorskip("sqlalchemy")

from pages import blocks, shell
from sql_shops import SECRET, signed
from sql_urls import fresh, url
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import sessionmaker

TRANSACTIONAL, STORE = blocks("docs/transactional.md"), blocks("docs/stores/sql.md")
FLASK, FASTAPI = TRANSACTIONAL["SQLAlchemy with Flask"], TRANSACTIONAL["SQLAlchemy with asyncio: FastAPI, Starlette"]
INBOX, OUTBOX = TRANSACTIONAL["From an inbox"], TRANSACTIONAL["What is outside: mail, charges, other services"]


def run(name, block, monkeypatch):
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)  # where frameworks look a handler's annotations up
    block.run(module.__dict__)
    return module


PAID = {"type": "invoice.paid", "data": {"object": {"id": "in_1"}}}


@pytest.mark.runs("docs/transactional.md", "SQLAlchemy with Flask", "What is outside: mail, charges, other services")
@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql", "sqlite+pysqlite"])
def test_the_flask_app_and_the_outbox(driver, tmp_path, monkeypatch):
    pytest.importorskip("flask")
    monkeypatch.setenv("DATABASE_URL", url(driver, tmp_path))
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    page = run("transactional_flask", FLASK, monkeypatch)
    OUTBOX.run(page.__dict__)
    page.Base.metadata.drop_all(page.engine)
    page.Base.metadata.create_all(page.engine)

    # The page's lines for a handler, in this one.
    @page.app.post("/outbox")
    @page.hooks.guard("stripe")
    def outbox():
        page.note(page.store.session, page.current_webhook, "a@shop.example")
        return ("", 500) if page.current_webhook.json().get("fails") else ("", 204)

    def post(event_id, path="/hooks/stripe", **fields):
        delivery = signed(event_id, **fields)
        client = page.app.test_client()
        return client.post(path, data=delivery.body, headers=delivery.headers).status_code

    def payments():
        with sessionmaker(page.engine)() as session:
            return session.scalar(select(func.count()).select_from(page.Payment))

    assert [post("evt_1", **PAID) for _ in range(2)] == [204, 200]
    assert payments() == 1
    assert post("evt_2", type="invoice.paid") == 500
    assert payments() == 1

    sent = []
    assert [post("evt_3", "/outbox", fails=fails) for fails in (True, False, False)] == [500, 204, 200]
    page.send_mails(sessionmaker(page.engine), lambda address, key: sent.append((address, key)))
    page.send_mails(sessionmaker(page.engine), lambda address, key: sent.append((address, key)))
    assert [address for address, _ in sent] == ["a@shop.example"]
    page.Base.metadata.drop_all(page.engine)
    page.engine.dispose()


@pytest.mark.runs("docs/transactional.md", "From an inbox", "From an inbox 2")
@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
def test_the_flask_app_answers_first(driver, tmp_path, monkeypatch):
    pytest.importorskip("flask")
    monkeypatch.setenv("DATABASE_URL", url(driver, tmp_path))
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    *table, setting = INBOX.printed().splitlines(keepends=True)
    below, before = "event_table(Base.metadata)\n", next(line for line in FLASK.splitlines(keepends=True) if "ENDPOINTS" in line)
    (tmp_path / "app.py").write_text(FLASK.replace(below, below + "".join(table)).replace(before, setting), "utf-8")
    engine = create_engine(url(driver, tmp_path))
    with engine.begin() as connection:
        for name in ("payment", "hookguard_event", "hookguard_inbox"):
            connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "app", raising=False)
    page = importlib.import_module("app")
    monkeypatch.setitem(sys.modules, "app", page)

    def post(event_id, **fields):
        delivery = signed(event_id, **fields)
        return page.app.test_client().post("/hooks/stripe", data=delivery.body, headers=delivery.headers).status_code

    def payments():
        with sessionmaker(page.engine)() as session:
            return session.scalar(select(func.count()).select_from(page.Payment))

    assert [post("evt_1", **PAID) for _ in range(2)] == [200, 200]
    assert payments() == 0
    command = TRANSACTIONAL["From an inbox 2"].printed().removeprefix("$ ").strip()
    done = shell(f"{command} --drain", tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    assert "ended: 1 handled" in done.stdout, done.stdout
    assert payments() == 1
    page.Base.metadata.drop_all(page.engine)
    page.engine.dispose()
    engine.dispose()


@pytest.mark.runs("docs/transactional.md", "SQLAlchemy with asyncio: FastAPI, Starlette")
@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "sqlite+aiosqlite"])
def test_the_fastapi_app(driver, tmp_path, monkeypatch):
    pytest.importorskip("fastapi")
    httpx = pytest.importorskip("httpx")
    monkeypatch.setenv("DATABASE_URL", url(driver, tmp_path))
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    page = run("transactional_fastapi", FASTAPI, monkeypatch)

    async def scenario():
        async with page.engine.begin() as connection:
            await connection.run_sync(page.Base.metadata.drop_all)
        transport = httpx.ASGITransport(app=page.app, raise_app_exceptions=False)
        async with (
            page.lifespan(page.app),
            httpx.AsyncClient(transport=transport, base_url="http://shop.example") as sender,
        ):

            async def post(event_id, **fields):
                delivery = signed(event_id, **fields)
                return (await sender.post("/hooks/stripe", content=delivery.body, headers=delivery.headers)).status_code

            assert [await post("evt_1", **PAID) for _ in range(2)] == [204, 200]
            assert await post("evt_2", type="invoice.paid") == 500
            async with page.async_sessionmaker(page.engine)() as session:
                assert await session.scalar(select(func.count()).select_from(page.Payment)) == 1
            async with page.engine.begin() as connection:
                await connection.run_sync(page.Base.metadata.drop_all)

    asyncio.run(scenario())


@pytest.mark.runs("docs/stores/sql.md", "PostgreSQL, MySQL, MariaDB, SQLite")
def test_the_stores_of_the_page_are_made(monkeypatch):
    pytest.importorskip("psycopg")
    page = run("stores_sql", STORE["PostgreSQL, MySQL, MariaDB, SQLite"], monkeypatch)
    assert page.store.capabilities.clock == "server"


@pytest.mark.runs("docs/stores/sql.md", "Sizing and upkeep")
def test_the_table_takes_the_setting_of_autovacuum(tmp_path):
    pytest.importorskip("psycopg")
    engine = create_engine(url("postgresql+psycopg", tmp_path))
    fresh(engine, "hookguard_event")
    with engine.begin() as connection:
        connection.execute(text(STORE["Sizing and upkeep"].printed()))
        options = connection.scalar(text("SELECT reloptions FROM pg_class WHERE relname = 'hookguard_event'"))
    engine.dispose()
    assert options == ["autovacuum_vacuum_scale_factor=0.02"]
