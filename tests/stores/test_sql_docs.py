"""The pages on SQL stores and on transactional mode, run as they stand there."""

import asyncio
import re
import sys
import types
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

from sql_shops import SECRET, signed
from sql_urls import url
from sqlalchemy import func, select
from sqlalchemy.orm import sessionmaker

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


def run(name, code, monkeypatch):
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)  # where frameworks look a handler's annotations up
    exec(compile(code, f"docs/{name}", "exec"), module.__dict__)
    return module


FLASK, FASTAPI, OUTBOX = blocks("transactional.md")[:3]
PAID = {"type": "invoice.paid", "data": {"object": {"id": "in_1"}}}


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql", "sqlite+pysqlite"])
def test_the_flask_app_and_the_outbox(driver, tmp_path, monkeypatch):
    pytest.importorskip("flask")
    monkeypatch.setenv("DATABASE_URL", url(driver, tmp_path))
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    page = run("transactional_flask", FLASK, monkeypatch)
    exec(compile(OUTBOX, "docs/transactional.md", "exec"), page.__dict__)
    page.Base.metadata.drop_all(page.engine)
    page.Base.metadata.create_all(page.engine)

    # What the page says to do in a handler, in this one.
    @page.app.post("/outbox")
    @page.hooks.guard("stripe")
    def outbox():
        page.note(page.store.session, page.current_webhook, "a@shop.example")
        return ("", 500) if page.current_webhook.json().get("fails") else ("", 204)

    def post(event_id, path="/hooks/stripe", **fields):
        delivery = signed(event_id, **fields)
        client = page.app.test_client()
        return client.post(path, data=delivery.body, headers=list(delivery.headers.items())).status_code

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
                headers = list(delivery.headers.items())
                return (await sender.post("/hooks/stripe", content=delivery.body, headers=headers)).status_code

            assert [await post("evt_1", **PAID) for _ in range(2)] == [204, 200]
            assert await post("evt_2", type="invoice.paid") == 500
            async with page.async_sessionmaker(page.engine)() as session:
                assert await session.scalar(select(func.count()).select_from(page.Payment)) == 1
            async with page.engine.begin() as connection:
                await connection.run_sync(page.Base.metadata.drop_all)

    asyncio.run(scenario())


def test_the_stores_of_the_page_are_made(monkeypatch):
    pytest.importorskip("psycopg")
    page = run("stores_sql", blocks("stores/sql.md")[0], monkeypatch)
    assert page.store.capabilities.clock == "server"
