"""A handler that writes with a session of its own in transactional mode is warned of once, in the log."""

import asyncio
import logging

import pytest

sqlalchemy = pytest.importorskip("sqlalchemy")
pytest.importorskip("aiosqlite")

from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from hookguard.store import StoreKey
from hookguard.stores.sql import AsyncSQLTransactionStore, SQLTransactionStore

KEY = StoreKey("stripe/stripe", "evt_1")
ASKED = {"fingerprint": b"f" * 32, "lease": 60.0, "retention": 3600.0}
INSERT = text("INSERT INTO payment (invoice) VALUES ('in_1')")
# Its writer would wait for the claim's for ever: temporary tables are each connection's own.
TABLE = text("CREATE TEMPORARY TABLE payment (invoice TEXT)")
SAID = "a handler writes with a session of its own"


def said(caplog):
    return caplog.text.count(SAID)


def test_a_blocking_handler_is_warned_of_once(tmp_path, caplog):
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    sessions = sessionmaker(engine)
    store = SQLTransactionStore(sessions)
    store.create_table()

    def write(session):
        session.execute(text("DROP TABLE IF EXISTS temp.payment"))
        session.execute(TABLE)
        session.execute(INSERT)
        session.execute(text("SELECT 1"))

    with caplog.at_level(logging.WARNING, "hookguard"):
        with sessions() as before:
            write(before)
        store.claim(KEY, token=b"t", **ASKED)
        write(store.session)
        with sessions() as reading:
            reading.execute(text("SELECT 1"))
        assert said(caplog) == 0
        for _ in range(2):
            with sessions() as own:
                write(own)
        assert said(caplog) == 1
        store.release(KEY, token=b"t")
    engine.dispose()


def test_an_asynchronous_handler_is_warned_of_once(tmp_path, caplog):
    async def run():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
        sessions = async_sessionmaker(engine)
        store = AsyncSQLTransactionStore(sessions)
        await store.create_table()
        await store.claim(KEY, token=b"t", **ASKED)
        await store.session.execute(TABLE)
        await store.session.execute(INSERT)
        assert said(caplog) == 0
        for _ in range(2):
            async with sessions() as own:
                await own.execute(text("DROP TABLE IF EXISTS temp.payment"))
                await own.execute(TABLE)
                await own.execute(INSERT)
        await store.release(KEY, token=b"t")
        await engine.dispose()

    with caplog.at_level(logging.WARNING, "hookguard"):
        asyncio.run(run())
    assert said(caplog) == 1
