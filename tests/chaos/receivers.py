"""The applications of the rig's workers: hookguard in each of its modes, and the well-known wrong ways.

A receiver is prepared once, before the workers are forked, and makes in each worker what handles one delivery: headers and
body in, status out. It says where it is by :func:`Worker.at`, so that kills can be aimed and counted.
"""

import asyncio
import os
import random
import time
from contextlib import contextmanager

from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from hookguard import AsyncGuard, Delivery, Endpoint, Guard, SQLiteStore, Verifier
from hookguard.stores.sql import AsyncSQLTransactionStore, SQLStore, SQLTransactionStore, create_table

SECRET = "a-secret-that-is-long-enough"
PREFIX = "hookguard-chaos"  # of the keys in Redis
LEASE = 5.0  # far longer than any handler here takes on a busy machine, so that a second run has no other cause than a kill

RECEIVING, VERIFYING, CLAIMING, HANDLING, HANDLED, COMPLETING, ANSWERING = range(7)
PHASES = ["receiving", "verifying", "claiming", "before the effect", "after the effect", "completing", "answering"]

INSERT = text("INSERT INTO effect (event_id, worker) VALUES (:event, :worker)")


class Worker:
    """One process that serves: its number, of which no other ever has the same, and its place in shared memory."""

    def __init__(self, number, phases, slot, file):
        self.number = number
        self._phases = phases
        self._slot = slot
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if file is not None else None
        self.outcome = "handled"

    def note(self, outcome):
        """Remember what became of the delivery, for the rig's figures."""
        self.outcome = f"{outcome.outcome}: {outcome.reason}" if outcome.reason else outcome.outcome

    def at(self, phase):
        """Report the phase, and stay there for a moment now and then, so that a kill finds it there."""
        self._phases[self._slot] = phase
        if phase != RECEIVING and random.random() < 0.2:
            time.sleep(random.uniform(0, 0.0006))

    def effect(self, event_id, execute=None):
        """Do what the event is about: a row, or where no database is at hand a line, which no kill can cut in two."""
        self.at(HANDLING)
        if execute is not None:
            execute(event_id, self.number)
        else:
            os.write(self._file, f"{event_id} {self.number}\n".encode())
        self.at(HANDLED)

    def watch(self, store):
        """Have a store report when it claims and completes. Its work stays the same."""
        claim, complete = store.claim, store.complete
        if asyncio.iscoroutinefunction(claim):

            async def awaited_claim(*args, **named):
                self.at(CLAIMING)
                return await claim(*args, **named)

            async def awaited_complete(*args, **named):
                self.at(COMPLETING)
                return await complete(*args, **named)

            store.claim, store.complete = awaited_claim, awaited_complete
        else:

            def watched_claim(*args, **named):
                self.at(CLAIMING)
                return claim(*args, **named)

            def watched_complete(*args, **named):
                self.at(COMPLETING)
                return complete(*args, **named)

            store.claim, store.complete = watched_claim, watched_complete
        return store


def endpoint(worker, lease=LEASE):
    return Endpoint(Verifier("stripe", [SECRET]), lease=lease, observers=[worker.note])


def sql_engine(url):
    """As the documentation has it; SQLite in WAL mode, and each waits for others at most this long."""
    made = create_engine(url, connect_args={"timeout": 20} if url.startswith("sqlite") else {})
    if made.dialect.name == "sqlite":

        @event.listens_for(made, "connect")
        def connected(connection, _):
            connection.execute("PRAGMA synchronous = NORMAL")

    return made


def _serving(guard, handle):
    """Serve deliveries by a blocking guard, as the plugins do."""

    def serve(headers, body):
        receipt = guard.open(Delivery(body, headers))
        if receipt.reply is not None:
            return receipt.reply.status
        try:
            handle(receipt.event)
        except Exception as error:
            reply = guard.settle(receipt, error=error)
            return reply.status if reply is not None else 500
        reply = guard.settle(receipt, status=204)
        return reply.status if reply is not None else 204

    return serve


class SQLTransaction:
    """Transactional mode by SQLAlchemy: the handler writes with the session that the claim is part of."""

    in_file = False

    def prepare(self, url):
        engine = create_engine(url)
        create_table(engine)
        engine.dispose()

    def make(self, url, worker):
        store = worker.watch(SQLTransactionStore(sessionmaker(sql_engine(url))))

        def write(event, worker):
            store.session.execute(INSERT, {"event": event, "worker": worker})

        return _serving(Guard(endpoint(worker), store), lambda event: worker.effect(event.id, write))


class AwaitedSQLTransaction(SQLTransaction):
    """The same with an AsyncSession, on PostgreSQL."""

    def make(self, url, worker):
        loop = asyncio.new_event_loop()
        engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
        store = worker.watch(AsyncSQLTransactionStore(async_sessionmaker(engine)))
        guard = AsyncGuard(endpoint(worker), store)

        async def handle(event):
            worker.at(HANDLING)
            await store.session.execute(INSERT, {"event": event.id, "worker": worker.number})
            worker.at(HANDLED)

        async def receive(delivery):
            receipt = await guard.open(delivery)
            if receipt.reply is not None:
                return receipt.reply.status
            try:
                await handle(receipt.event)
            except Exception as error:
                reply = await guard.settle(receipt, error=error)
                return reply.status if reply is not None else 500
            reply = await guard.settle(receipt, status=204)
            return reply.status if reply is not None else 204

        return lambda headers, body: loop.run_until_complete(receive(Delivery(body, headers)))


class DjangoView:
    """Transactional mode in Django's own request handling, around a view with our decorator."""

    in_file = False

    def prepare(self, url):
        from django.conf import settings

        full = make_url(url)
        engine = {"postgresql": "postgresql", "mysql": "mysql", "sqlite": "sqlite3"}[full.get_backend_name()]
        database = {"ENGINE": f"django.db.backends.{engine}", "NAME": full.database, "CONN_MAX_AGE": None}
        if engine == "sqlite3":
            database["OPTIONS"] = {"timeout": 20}
        else:
            database |= {"HOST": full.host, "PORT": full.port, "USER": full.username, "PASSWORD": full.password or ""}
        if engine == "mysql":
            import pymysql

            pymysql.install_as_MySQLdb()
        settings.configure(
            SECRET_KEY="only-for-tests-and-nothing-else",
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF=__name__,
            USE_TZ=True,
            LOGGING_CONFIG=None,
            DATABASES={"default": database},
            INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "hookguard_django"],
            MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
            HOOKGUARD={},
        )
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", "hookguard", verbosity=0)
        connections.close_all()

    def make(self, url, worker):
        import io

        from django.conf import settings
        from django.core.handlers.wsgi import WSGIHandler
        from django.db import connection
        from django.http import HttpResponse
        from django.urls import path

        from hookguard_django import webhook
        from hookguard_django.stores import ORMTransactionStore

        settings.HOOKGUARD = {"STORE": worker.watch(ORMTransactionStore()), "ENDPOINTS": {}}

        def write(event, worker):
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO effect (event_id, worker) VALUES (%s, %s)", [event, worker])

        @webhook(endpoint(worker))
        def view(request):
            worker.effect(request.webhook.id, write)
            return HttpResponse(status=204)

        urlpatterns.append(path("hook", view))
        application = WSGIHandler()

        def serve(headers, body):
            answered = []
            environ = {
                "REQUEST_METHOD": "POST",
                "PATH_INFO": "/hook",
                "SERVER_NAME": "chaos",
                "SERVER_PORT": "80",
                "SERVER_PROTOCOL": "HTTP/1.1",
                "wsgi.url_scheme": "http",
                "wsgi.input": io.BytesIO(body),
                "wsgi.errors": io.StringIO(),
                "CONTENT_LENGTH": str(len(body)),
                "CONTENT_TYPE": "application/json",
            }
            for name, value in headers:
                if name.lower() not in ("content-length", "content-type"):
                    environ["HTTP_" + name.upper().replace("-", "_")] = value
            response = application(environ, lambda status, headers: answered.append(int(status[:3])))
            for _ in response:
                pass
            response.close()
            return answered[0]

        return serve


urlpatterns = []


class Lease:
    """Lease mode: the effect is elsewhere, in a file."""

    in_file = True

    def __init__(self, store):
        self.store = store

    def prepare(self, url):
        if not url.startswith(("redis", "sqlite")):
            engine = create_engine(url)
            create_table(engine)
            engine.dispose()

    def make(self, url, worker):
        store = worker.watch(self.store(url))
        return _serving(Guard(endpoint(worker), store), lambda event: worker.effect(event.id))


def redis_store(url):
    from hookguard.stores.redis import RedisStore

    return RedisStore.from_url(url, prefix=PREFIX, timeout=20)


class Wrong:
    """Verifies as it should, and remembers as most blog posts do."""

    in_file = True

    def prepare(self, url):
        """There are the marks already."""

    def make(self, url, worker):
        engine, verifier = sql_engine(url), Verifier("stripe", [SECRET])

        def serve(headers, body):
            self.handle(verifier.verify(Delivery(body, headers)), engine, worker)
            return 204

        return serve

    @contextmanager
    def marks(self, engine):
        with engine.begin() as connection:
            yield lambda sql, **values: connection.execute(text(sql), values)


class MarkFirst(Wrong):
    """Remember the id, then run: a kill in between loses the event."""

    def handle(self, event, engine, worker):
        worker.at(CLAIMING)
        with self.marks(engine) as execute:
            new = execute("INSERT INTO mark (id) VALUES (:id) ON CONFLICT DO NOTHING", id=event.id).rowcount
        if new:
            worker.effect(event.id)


class CheckRunMark(Wrong):
    """Look, run, remember: two concurrent duplicates both run, and a kill before the mark runs the event again."""

    def handle(self, event, engine, worker):
        worker.at(CLAIMING)
        with self.marks(engine) as execute:
            known = execute("SELECT 1 FROM mark WHERE id = :id", id=event.id).first()
        if not known:
            worker.effect(event.id)
            worker.at(COMPLETING)
            with self.marks(engine) as execute:
                execute("INSERT INTO mark (id) VALUES (:id) ON CONFLICT DO NOTHING", id=event.id)


class TwoTransactions(Lease):
    """Lease mode with the effect in the same database, committed on its own: right for a lease, and not exactly once."""

    in_file = False

    def make(self, url, worker):
        engine = sql_engine(url)

        def write(event, worker):
            with engine.begin() as connection:
                connection.execute(INSERT, {"event": event, "worker": worker})

        store = worker.watch(self.store(url))
        return _serving(Guard(endpoint(worker), store), lambda event: worker.effect(event.id, write))


class ShortLease(Lease):
    """A lease that ends while its handler runs: another worker begins although nobody was killed."""

    def make(self, url, worker):
        store = worker.watch(self.store(url))
        return _serving(Guard(endpoint(worker, 0.001), store), lambda event: worker.effect(event.id))


def sqlite_store(url):
    return SQLiteStore(make_url(url).database + ".claims", timeout=20)


RECEIVERS = {
    "sqlalchemy": SQLTransaction(),
    "sqlalchemy-async": AwaitedSQLTransaction(),
    "django": DjangoView(),
    "lease": Lease(lambda url: SQLStore.from_url(url, timeout=20)),
    "lease-sqlite": Lease(sqlite_store),
    "lease-redis": Lease(redis_store),
    "mark-first": MarkFirst(),
    "check-run-mark": CheckRunMark(),
    "two-transactions": TwoTransactions(lambda url: SQLStore.from_url(url, timeout=20)),
    "short-lease": ShortLease(sqlite_store),
}
