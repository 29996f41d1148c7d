"""A shop in transactional mode whose endpoint has an inbox: events are stored, and handled as a worker and a plugin do it."""

import inspect
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")

from loops import Loop
from sql_shops import EVENTS, SECRET, AsyncShop, Effect, Hand, Shop, make_tables, signed
from sql_urls import url
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from hookguard import AsyncGuard, Endpoint, Guard, Verifier
from hookguard.guard.bridge import call_inline
from hookguard.guard.resuming import WORKER
from hookguard.inbox.settings import InboxSettings
from hookguard.stores.sql import AsyncSQLTransactionStore, SQLTransactionStore, create_table
from hookguard.work.calling import Answer
from hookguard.work.lanes import OpenLane
from hookguard.work.run import Run

ENTRIES = "hookguard_shop_inbox"

#: A blocking and an awaited driver of each server.
DRIVERS = ("postgresql+psycopg", "mysql+pymysql", "postgresql+asyncpg", "mysql+asyncmy")

SETTINGS = {"tries": 24, "first": 0.001, "longest_wait": 0.002}


def make_inbox_tables(connection):
    connection.execute(text(f"DROP TABLE IF EXISTS {ENTRIES}"))
    make_tables(connection)
    create_table(connection, EVENTS, inbox=True)


class _Works:
    """The steps of a worker with one entry."""

    store: Any
    plain: Any
    run: Any
    loop: Any

    def _open(self, **inbox):
        self.outcomes = []
        # Its engine waits for the disk: a store with an inbox must not be used otherwise.
        endpoint = Endpoint(Verifier("stripe", [SECRET]), inbox={**SETTINGS, **inbox}, observers=[self.outcomes.append])
        self.guard = (AsyncGuard if hasattr(self, "loop") else Guard)(endpoint, self.store)
        self.inbox = self.store.inbox()
        self.lane = OpenLane(endpoint, InboxSettings(**{**SETTINGS, **inbox}), self.inbox, call_inline)

    def do(self, work):
        """Run a coroutine to its end."""
        return self.loop.run(work) if hasattr(self, "loop") else self.run(work)

    def put(self, event_id):
        """Receive an event, as the web process does; the reply."""
        return self.do(awaited(self.guard.open(signed(event_id)))).reply

    def key(self, event_id):
        return self.guard.endpoint.key(self.guard.endpoint.verifier.verify(signed(event_id))).idempotency_key

    def take(self, event_id, lease=60.0):
        """Take an entry, as a worker does; None if it cannot be taken."""
        key = self.key(event_id)
        return self.do(awaited(self.inbox.take_one(key, lease=lease, settings=self.lane.settings)))

    def handle(self, held, handler, *, core=False):
        """Run a handler with an entry that was taken; the outcome."""
        return self.do(self.ahandle(held, handler, core=core))

    async def ahandle(self, held, handler, *, core=False):
        run = Run(self.lane, held, sleep=None)
        receipt, call = run.begin()
        resumed = self.guard.resume(call.extra[WORKER])
        assert resumed is not None
        opened = await awaited(self.guard.begin(resumed))
        answer = Answer(None if opened.reply is None else opened.reply.status)
        if opened.reply is None:
            answer = await self._answer(opened, handler, core)
        return await run.end(receipt, answer, 30.0)

    async def _answer(self, receipt, handler, core):
        try:
            status = await handler(Hand(self.store.session, receipt.event.id, core=core))
        except Exception as error:
            await awaited(self.guard.settle(receipt, error=error))
            return Answer(500, error=error)
        reply = await awaited(self.guard.settle(receipt, status=status))
        return Answer(status if reply is None else reply.status)

    def send(self, event_id, handler, *, core=False):
        """Store an event and handle it; the name of the outcome."""
        assert self.put(event_id).status == 200
        return self.handle(self.take(event_id), handler, core=core).outcome

    def entry(self, event_id):
        (entry,) = self.do(awaited(self.inbox.find(key=self.key(event_id), limit=1)))
        return entry

    def truth(self, event_id):
        """How many effects there are, and whether the entry is done."""
        with self.plain.connect() as connection:
            effects = connection.scalar(select(func.count()).select_from(Effect).where(Effect.event_id == event_id))
        return effects, self.entry(event_id).state.name == "DONE"

    def make_tables(self):
        with self.plain.begin() as connection:
            make_inbox_tables(connection)


async def awaited(answer):
    return await answer if inspect.isawaitable(answer) else answer


class InboxShop(_Works, Shop):
    def __init__(self, driver, folder, **options):
        self.driver = driver
        self.engine = self.plain = create_engine(url(driver, folder), **options)
        self.sessions = sessionmaker(self.engine)
        self.store = SQLTransactionStore(self.sessions, table=EVENTS)
        self._open()


class AsyncInboxShop(_Works, AsyncShop):
    def __init__(self, driver, folder, **options):
        self.driver = driver
        self.loop = Loop()
        self.async_engine = create_async_engine(url(driver, folder), **options)
        self.engine = self.async_engine.sync_engine
        self.plain = create_engine(url({"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}[self.dialect], folder))
        self.sessions = async_sessionmaker(self.async_engine)
        self.store = AsyncSQLTransactionStore(self.sessions, table=EVENTS)
        self._open()

    def close(self):
        self.plain.dispose()
        super().close()


def inbox_shop(driver, folder, **options):
    return (AsyncInboxShop if driver.endswith(("asyncpg", "asyncmy")) else InboxShop)(driver, folder, **options)


__all__ = ["DRIVERS", "ENTRIES", "AsyncInboxShop", "InboxShop", "awaited", "inbox_shop"]
