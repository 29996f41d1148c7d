"""A shop whose handlers write to a database in transactional mode: the same handlers by blocking and by awaited drivers."""

import asyncio
import contextlib
import json

import pytest

pytest.importorskip("sqlalchemy")

from loops import Loop
from sql_urls import async_engine, engine
from sqlalchemy import ForeignKey, Integer, String, event, func, insert, select, text
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from hookguard import AsyncGuard, Delivery, Guard, HookguardError, Verifier, presets
from hookguard.stores.sql import AsyncSQLTransactionStore, SQLTransactionStore, create_table

SECRET = "a-secret-that-is-long-enough"
EVENTS = "hookguard_shop"

#: Every blocking driver, and the awaited one of each database.
DRIVERS = (
    "postgresql+psycopg",
    "mysql+pymysql",
    "sqlite+pysqlite",
    "postgresql+asyncpg",
    "mysql+asyncmy",
    "sqlite+aiosqlite",
)


class Model(DeclarativeBase):
    pass


class Effect(Model):
    """The effect of a handler: one row an event, and nothing in the table forbids a second one."""

    __tablename__ = "hookguard_shop_effect"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    event_id: Mapped[str] = mapped_column(String(80))


class Taken(Model):
    """One row that is there, so that adding it again is a database error."""

    __tablename__ = "hookguard_shop_taken"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)


class Child(Model):
    """Refers to a row that must be there when the transaction commits, where the database can put that off."""

    __tablename__ = "hookguard_shop_child"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    parent: Mapped[int] = mapped_column(ForeignKey(Taken.id, deferrable=True, initially="DEFERRED"))


def tables_of(made):
    if made.dialect.name == "postgresql":
        return list(Model.metadata.tables.values())
    return [Effect.__table__, Taken.__table__]  # MySQL cannot put a constraint off


def make_tables(connection):
    Model.metadata.drop_all(connection, tables=tables_of(connection.engine))
    Model.metadata.create_all(connection, tables=tables_of(connection.engine))
    connection.execute(text(f"DROP TABLE IF EXISTS {EVENTS}"))
    create_table(connection, EVENTS)
    connection.execute(insert(Taken).values(id=1))


def signed(event_id, **fields):
    delivery = presets.STRIPE.sign(json.dumps({"id": event_id, "type": "paid", **fields}).encode(), SECRET)
    return Delivery(delivery.body, delivery.headers)


class Hand:
    """The argument of a handler: the session, blocking or awaited, behind one awaited face."""

    def __init__(self, session, event_id, *, core):
        self.session = session
        self.event_id = event_id
        self.core = core  # write by the session's connection and Core, or by the ORM

    async def _(self, result):
        return await result if asyncio.iscoroutine(result) else result

    async def connection(self):
        return await self._(self.session.connection())

    async def execute(self, statement):
        return await self._((await self.connection() if self.core else self.session).execute(statement))

    async def write(self):
        """The effect."""
        if self.core:
            await self.execute(insert(Effect).values(event_id=self.event_id))
        else:
            self.session.add(Effect(event_id=self.event_id))
            await self._(self.session.flush())

    async def fail(self):
        """A database error."""
        if self.core:
            await self.execute(insert(Taken).values(id=1))
        else:
            self.session.add(Taken(id=1))
            await self._(self.session.flush())

    async def commit(self):
        await self._(self.session.commit())

    async def rollback(self):
        await self._(self.session.rollback())

    async def close(self):
        await self._(self.session.close())

    @contextlib.asynccontextmanager
    async def nested(self):
        savepoint = self.session.begin_nested()
        if hasattr(savepoint, "__aenter__"):
            async with savepoint:
                yield
        else:
            with savepoint:
                yield


class Shop:
    """A guard, a store and a database, by a blocking driver."""

    def __init__(self, driver, folder, make_store=None, **options):
        self.driver = driver
        self.engine = engine(driver, folder, **options)
        self.sessions = sessionmaker(self.engine)
        self.store = (make_store or SQLTransactionStore)(self.sessions, table=EVENTS)
        self.guard = Guard(Verifier("stripe", [SECRET]), self.store)

    @property
    def dialect(self):
        return self.engine.dialect.name

    def make_tables(self):
        with self.engine.begin() as connection:
            make_tables(connection)

    def send(self, event_id, handler, *, core=False):
        """Deliver an event; the status of the answer."""
        try:
            with self.guard.receive(signed(event_id)) as receipt:
                if receipt.reply is not None:
                    return receipt.reply.status
                receipt.answered(self.run(handler(Hand(self.store.session, event_id, core=core))))
        except HookguardError as error:
            return getattr(error, "status", 500)
        except Exception:
            return 500  # what a framework answers
        return receipt.status if receipt.reply is None else receipt.reply.status

    def run(self, work):
        try:
            work.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("a blocking session suspended")

    def truth(self, event_id):
        """How many effects there are, and whether the event is done."""
        with self.sessions() as session:
            return _truth(session, event_id)

    def close(self):
        self.engine.dispose()


class AsyncShop(Shop):
    """The same by an awaited one, on a loop of its own."""

    def __init__(self, driver, folder, make_store=None, **options):
        self.driver = driver
        self.loop = Loop()
        self.async_engine = async_engine(driver, folder, **options)
        self.engine = self.async_engine.sync_engine
        self.sessions = async_sessionmaker(self.async_engine)
        self.store = (make_store or AsyncSQLTransactionStore)(self.sessions, table=EVENTS)
        self.guard = AsyncGuard(Verifier("stripe", [SECRET]), self.store)

    def make_tables(self):
        async def make():
            async with self.async_engine.begin() as connection:
                await connection.run_sync(make_tables)

        self.loop.run(make())

    def send(self, event_id, handler, *, core=False):
        return self.loop.run(self.asend(event_id, handler, core=core))

    async def asend(self, event_id, handler, *, core=False):
        try:
            async with self.guard.receive(signed(event_id)) as receipt:
                if receipt.reply is not None:
                    return receipt.reply.status
                receipt.answered(await handler(Hand(self.store.session, event_id, core=core)))
        except HookguardError as error:
            return getattr(error, "status", 500)
        except Exception:
            return 500
        return receipt.status if receipt.reply is None else receipt.reply.status

    def truth(self, event_id):
        async def look():
            async with self.sessions() as session:
                return await session.run_sync(_truth, event_id)

        return self.loop.run(look())

    def close(self):
        self.loop.run(self.async_engine.dispose())
        self.loop.close()


def _truth(session, event_id):
    effects = session.scalar(select(func.count()).select_from(Effect).where(Effect.event_id == event_id))
    state = session.scalar(text(f"SELECT state FROM {EVENTS} WHERE event_id = :event_id").bindparams(event_id=event_id))
    return effects, state == 2


def shop_for(driver, folder, make_store=None, **options):
    awaited = driver.rpartition("+")[2] in ("asyncpg", "asyncmy", "aiosqlite")
    made = (AsyncShop if awaited else Shop)(driver, folder, make_store, **options)
    if made.dialect == "sqlite":
        # Constraints that are put off are checked only where this is on.
        @event.listens_for(made.engine, "connect")
        def constrain(connection, _):
            cursor = connection.cursor()
            cursor.execute("PRAGMA foreign_keys = ON")
            cursor.close()

    return made
