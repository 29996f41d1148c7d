"""Django's stores under the contract: the ORM on three databases, the cache over two servers."""

import asyncio
import socket
import sys
import threading
import time
import types
from contextlib import contextmanager

import pytest

pytest.importorskip("django")

import servers
from django_site import configure

configure()

from django.core.cache import caches
from django.db import OperationalError, connections
from django.test import override_settings
from django_tables import InOneDatabase, close_database, open_database

from hookguard import StoreKey, StoreUnavailable
from hookguard.errors import MissingTable, StoreMisconfigured
from hookguard.guard.bridge import BlockingStoreAdapter
from hookguard.stores.fitness import check_claims
from hookguard.testing import StoreContract
from hookguard_django.models import WebhookEvent
from hookguard_django.stores import CacheStore, ORMStore, orm

KEY = StoreKey("s", "e")
ARGUMENTS = {"token": b"t" * 16, "fingerprint": b"f" * 32, "lease": 60.0, "retention": 100.0}


class Tidy(ORMStore):
    """Closes the connections of threads that do not live on, as nothing else would in a test."""

    def _run(self, step):
        try:
            return super()._run(step)
        finally:
            if threading.current_thread() is not threading.main_thread():
                connections.close_all()


class ORMContract(InOneDatabase, StoreContract):
    def make_store(self, clock):
        WebhookEvent.objects.using(self.alias).all().delete()
        return Tidy(self.alias, clock=clock)

    @contextmanager
    def outage(self):
        with connections[self.alias].cursor() as cursor:
            cursor.execute("ALTER TABLE hookguard_event RENAME TO hookguard_out_of_reach")
        yield
        with connections[self.alias].cursor() as cursor:
            cursor.execute("ALTER TABLE hookguard_out_of_reach RENAME TO hookguard_event")


class TestORMOnSQLite(ORMContract):
    alias = "sqlite"


class TestORMOnPostgreSQL(ORMContract):
    alias = "postgresql"


class TestORMOnMariaDB(ORMContract):
    alias = "mysql"


BACKENDS = {
    "redis": "django.core.cache.backends.redis.RedisCache",
    "django-redis": "django_redis.cache.RedisCache",
    "memcached": "django.core.cache.backends.memcached.PyMemcacheCache",
}


def cache_settings(kind, **options):
    if kind == "memcached":
        servers.needs("Memcached")
        pytest.importorskip("pymemcache")
        url = servers.MEMCACHED.removeprefix("memcached://")
        options = {"timeout": 10, "connect_timeout": 10, **options}
    else:
        servers.needs("Redis")
        pytest.importorskip("redis")
        url = servers.REDIS
        if kind == "django-redis":
            pytest.importorskip("django_redis")
    return aimed_at(kind, url, **options)


def aimed_at(kind, url, **options):
    cache = {"BACKEND": BACKENDS[kind], "LOCATION": url, "KEY_PREFIX": "hookguard-tests", "OPTIONS": options}
    return override_settings(CACHES={"default": cache})


def nowhere():
    """An address at which nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{nobody.getsockname()[1]}"


class TidyCache(CacheStore):
    """Closes the connections of threads that do not live on, as nothing else would in a test."""

    def claim(self, *arguments, **named):
        try:
            return super().claim(*arguments, **named)
        finally:
            if threading.current_thread() is not threading.main_thread():
                caches.close_all()


class CacheContract(StoreContract):
    kind = ""
    purges = False

    @classmethod
    def setup_class(cls):
        cls.settings = cache_settings(cls.kind)
        cls.settings.enable()
        cls.made = TidyCache(timeout=20).claims

    @classmethod
    def teardown_class(cls):
        cls.empty()
        getattr(cls.made, "close", lambda: None)()
        caches.close_all()
        cls.settings.disable()

    @classmethod
    def empty(cls):
        """Others use these servers too, so that one whose keys can be found is not emptied."""
        if cls.kind == "memcached":
            caches["default"].clear()
        elif names := list(cls.made.client.scan_iter(match="hookguard-tests:*", count=1000)):
            cls.made.client.delete(*names)

    def make_store(self, clock):
        self.empty()
        store = TidyCache(timeout=20, clock=clock)
        if self.kind != "memcached":
            assert store.claims.client.ping()
            store.claims.client.close()
            store.claims.client = self.made.client  # one for all of the class
        return store

    @contextmanager
    def outage(self):
        reached = self.store._made
        kind = "redis" if self.kind == "memcached" else self.kind
        url = nowhere()
        with aimed_at(self.kind, url if kind != self.kind else f"redis://{url}"):
            self.store._made = None
            yield
            caches.close_all()
        self.store._made = reached


class TestCacheOnRedis(CacheContract):
    kind = "redis"


class TestCacheOnDjangoRedis(CacheContract):
    kind = "django-redis"


class TestCacheOnMemcached(CacheContract):
    kind = "memcached"


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_cache_reports_its_promises_and_no_problem(kind):
    with cache_settings(kind):
        store = CacheStore()
        assert store.capabilities.may_forget
        assert store.capabilities.shared
        assert not store.capabilities.transactional
        assert store.capabilities.clock == ("client" if kind == "memcached" else "server")
        assert all("append-only" in remark or "evicted" in remark for remark in store.check())
        assert store.purge(limit=1) == 0
        getattr(store.claims, "close", lambda: None)()
        caches.close_all()


def test_a_caches_client_may_wait_for_ever_and_a_web_worker_must_not():
    with cache_settings("redis"):
        pool = CacheStore(timeout=0.5).claims.client.connection_pool
        assert pool.timeout == 0.5, "a burst waits for a connection, and no longer"
        options = pool.connection_kwargs
        assert options["socket_timeout"] == 0.25
        assert options["retry"].get_retries() == 0
    with cache_settings("memcached", timeout=None):
        assert "blocks the worker for ever" in CacheStore().check()[0]
        caches.close_all()


def test_a_change_of_an_entry_in_memcached_between_a_look_and_a_step():
    """The cache API cannot do this: the second write is rejected, and its worker reads again."""
    with cache_settings("memcached"):
        store = CacheStore()
        caches["default"].clear()
        assert store.claim(KEY, **ARGUMENTS).status.name == "ACQUIRED"
        assert store.release(KEY, token=ARGUMENTS["token"])
        client = caches["default"]._cache
        gets, between = client.gets, []

        def looked(*arguments):
            found = gets(*arguments)
            if not between:
                between.append("begun")
                between.append(CacheStore().claim(KEY, **{**ARGUMENTS, "token": b"o" * 16}).status.name)
            return found

        client.gets = looked
        assert store.claim(KEY, **ARGUMENTS).status.name == "IN_PROGRESS"
        assert between == ["begun", "ACQUIRED"]
        caches["default"].clear()
        caches.close_all()


@pytest.mark.parametrize("options", [{}, {"ignore_exc": True}], ids=str)
def test_a_memcached_that_pymemcache_has_given_up_is_not_an_answer(options):
    """It then returns what it returns for a miss, without an error."""
    pytest.importorskip("pymemcache")
    with aimed_at("memcached", nowhere(), **options):
        store = CacheStore()
        for _ in range(4):
            for ask in (
                lambda: store.claim(KEY, **ARGUMENTS),
                lambda: store.complete(KEY, token=b"t", retention=5),
                lambda: store.release(KEY, token=b"t"),
                lambda: store.extend(KEY, token=b"t", lease=5),
                lambda: store.forget(KEY),
            ):
                with pytest.raises(StoreUnavailable):
                    ask()
        caches.close_all()


def test_another_programs_value_under_the_key_is_not_an_answer():
    with cache_settings("memcached"):
        cache = caches["default"]
        for value in ("text", {"a": 1}, 7):
            cache.set(f"hookguard:{KEY.idempotency_key}", value)
            with pytest.raises(StoreUnavailable, match="another program"):
                CacheStore().claim(KEY, **ARGUMENTS)
        cache.clear()
        caches.close_all()


REJECTED = [
    "django.core.cache.backends.locmem.LocMemCache",
    "django.core.cache.backends.dummy.DummyCache",
    "django.core.cache.backends.db.DatabaseCache",
    "django.core.cache.backends.filebased.FileBasedCache",
]


@pytest.mark.parametrize("backend", REJECTED)
def test_a_cache_that_loses_events_is_rejected_with_the_reason(backend, tmp_path):
    with override_settings(CACHES={"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}):
        for rejected in (CacheStore().check, lambda: CacheStore().capabilities, lambda: CacheStore().claim(KEY, **ARGUMENTS)):
            with pytest.raises(StoreMisconfigured, match="loses events"):
                rejected()
    with pytest.raises(StoreMisconfigured, match="elsewhere"):
        CacheStore("elsewhere").check()


def test_a_memcached_by_another_client_is_rejected(monkeypatch):
    """It was not tried, so it is not offered."""
    monkeypatch.setitem(sys.modules, "pylibmc", types.SimpleNamespace(NotFound=KeyError, Client=object))
    cache = {"BACKEND": "django.core.cache.backends.memcached.PyLibMCCache", "LOCATION": "127.0.0.1:1"}
    with override_settings(CACHES={"default": cache}), pytest.raises(StoreMisconfigured, match="PyMemcacheCache"):
        CacheStore().check()


def test_a_redis_cache_that_is_spread_over_servers_is_rejected():
    pytest.importorskip("django_redis")
    sharded = {
        "BACKEND": BACKENDS["django-redis"],
        "LOCATION": [servers.REDIS, servers.REDIS],
        "OPTIONS": {"CLIENT_CLASS": "django_redis.client.ShardClient"},
    }
    with override_settings(CACHES={"default": sharded}), pytest.raises(StoreMisconfigured, match="spread over several"):
        CacheStore().check()


# --- the ORM's


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def alias(request):
    open_database(request.param)
    yield request.param
    close_database(request.param)


def test_a_database_that_a_test_may_not_use_is_reported_in_the_words_of_its_plugin(alias, monkeypatch):
    """pytest-django replaces this method in tests that lack its mark. An advice on the store would mislead."""

    def blocked(connection):
        raise RuntimeError('Database access not allowed, use the "django_db" mark')

    connections[alias].close()
    with monkeypatch.context() as patched:
        patched.setattr("django.db.backends.base.base.BaseDatabaseWrapper.ensure_connection", blocked)
        with pytest.raises(RuntimeError, match="django_db"):
            ORMStore(alias).claim(KEY, **ARGUMENTS)


def test_a_table_that_is_missing_says_what_to_do():
    with pytest.raises(MissingTable, match=r"manage\.py migrate"):
        ORMStore("sqlite").claim(KEY, **ARGUMENTS)
    with pytest.raises(MissingTable, match=r"manage\.py migrate hookguard --database sqlite"):
        ORMStore("sqlite").check()
    connections.close_all()


def test_a_healthy_database_has_no_problem(alias):
    store = ORMStore(alias)
    assert store.check() == []
    assert store.capabilities.clock == ("client" if alias == "sqlite" else "server")
    assert WebhookEvent.objects.using(alias).count() == 0


def test_a_check_reports_clocks_and_rows_that_no_purge_reached(alias, monkeypatch):
    true = time.time
    if alias != "sqlite":  # whose clock is the process's
        monkeypatch.setattr("hookguard.stores.fitness.time.time", lambda: true() - 90)
        assert "ahead of this process's" in ORMStore(alias).check()[0]
        monkeypatch.undo()
    monkeypatch.setattr("hookguard.stores.fitness.EXPIRED", 2)
    store = ORMStore(alias, clock=lambda: true() - 1000)
    for number in range(3):
        store.claim(StoreKey("s", str(number)), **ARGUMENTS)
    assert "manage.py hookguard_prune" in ORMStore(alias).check()[0]


BROKEN = {
    "has no column reply": ("ALTER TABLE hookguard_event DROP COLUMN reply", MissingTable),
    "has no index on expires_at": ("DROP INDEX hookguard_event_expiry{on_table}", StoreMisconfigured),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_table_that_is_not_as_it_was_migrated_is_found(alias, what):
    sql, error = BROKEN[what]
    with connections[alias].cursor() as cursor:
        cursor.execute(sql.format(on_table=" ON hookguard_event" if alias == "mysql" else ""))
    with pytest.raises(error, match=what):
        ORMStore(alias).check()


def test_a_table_without_its_key_is_rejected():
    open_database("postgresql")
    with connections["postgresql"].cursor() as cursor:
        cursor.execute("ALTER TABLE hookguard_event DROP CONSTRAINT hookguard_event_pkey")
    with pytest.raises(StoreMisconfigured, match="primary key"):
        ORMStore("postgresql").check()
    close_database("postgresql")


def test_many_concurrent_checks_of_a_store_succeed(alias):
    def alone(call):
        try:
            return call()
        finally:
            connections.close_all()

    async def in_thread(call):
        return await asyncio.to_thread(alone, call)

    asyncio.run(check_claims(BlockingStoreAdapter(ORMStore(alias), in_thread)))


def test_a_lost_connection_is_opened_again(alias):
    if alias == "sqlite":
        pytest.skip("SQLite has no connection that could break")
    store = ORMStore(alias)
    store.claim(KEY, **ARGUMENTS)
    end_connection(alias)
    assert store.complete(KEY, token=ARGUMENTS["token"], retention=5)


def end_connection(alias):
    """Have the server end this thread's connection."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()" if alias == "postgresql" else "SELECT connection_id()")
        number = cursor.fetchone()[0]
    other = connections[alias].copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)" if alias == "postgresql" else "KILL %s", [number])
    other.close()


@pytest.mark.parametrize("alias", ["postgresql", "mysql"])
def test_a_server_that_is_down_is_unavailable(alias):
    connection = connections[alias]
    connection.close()
    right = connection.settings_dict["PORT"]
    connection.settings_dict["PORT"] = int(nowhere().rpartition(":")[2])
    try:
        for ask in (lambda: ORMStore(alias).claim(KEY, **ARGUMENTS), ORMStore(alias).check):
            with pytest.raises(StoreUnavailable):
                ask()
    finally:
        connection.settings_dict["PORT"] = right


def test_a_step_that_the_database_gave_up_is_tried_once_more(alias, monkeypatch):
    """A deadlock: it surely did not happen."""
    true, fails = orm.run, []

    def run(connection, steps):
        if fails.pop():
            raise OperationalError(1213, "Deadlock found")
        return true(connection, steps)

    monkeypatch.setattr(orm, "run", run)
    fails[:] = [False, True]
    assert ORMStore(alias).claim(KEY, **ARGUMENTS).status.name == "ACQUIRED"
    fails[:] = [True, True]
    with pytest.raises(StoreUnavailable, match="Deadlock"):
        ORMStore(alias).claim(KEY, **ARGUMENTS)


class Router:
    """Sends this app to one database, as a project's own would."""

    def db_for_write(self, model, **hints):
        return "postgresql" if model is WebhookEvent else None

    db_for_read = db_for_write


def test_the_projects_routers_choose_the_database():
    open_database("postgresql")
    with override_settings(DATABASE_ROUTERS=[Router()]):
        ORMStore().claim(KEY, **ARGUMENTS)
        assert WebhookEvent.objects.using("postgresql").get().event_id == "e"
    close_database("postgresql")
