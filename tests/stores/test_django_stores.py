"""Django's stores under the contract: the ORM on three databases, the cache over two servers."""

import threading
from contextlib import contextmanager

import pytest

pytest.importorskip("django")

import servers
from django_site import configure

configure()

from django.core.cache import caches
from django.db import connections
from django.test import override_settings
from django_tables import close_database, open_database

from hookguard import StoreKey, StoreUnavailable
from hookguard.errors import StoreMisconfigured
from hookguard.testing import StoreContract
from hookguard_django.models import WebhookEvent
from hookguard_django.stores import CacheStore, ORMStore

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


class ORMContract(StoreContract):
    alias = ""

    @classmethod
    def setup_class(cls):
        open_database(cls.alias)

    @classmethod
    def teardown_class(cls):
        close_database(cls.alias)

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


class TidyCache(CacheStore):
    def _tried(self, key, attempt):
        try:
            return super()._tried(key, attempt)
        finally:
            if threading.current_thread() is not threading.main_thread():
                caches.close_all()


def cache_settings(kind):
    backend, url = {
        "redis": ("django.core.cache.backends.redis.RedisCache", servers.REDIS),
        "memcached": ("django.core.cache.backends.memcached.PyMemcacheCache", servers.MEMCACHED.removeprefix("memcached://")),
    }[kind]
    return {"default": {"BACKEND": backend, "LOCATION": url}}


class CacheContract(StoreContract):
    kind = ""
    server = ""

    @classmethod
    def setup_class(cls):
        servers.needs(cls.server)
        cls.settings = override_settings(CACHES=cache_settings(cls.kind))
        cls.settings.enable()

    @classmethod
    def teardown_class(cls):
        caches["default"].clear()
        caches.close_all()
        cls.settings.disable()

    def make_store(self, clock):
        caches["default"].clear()
        return TidyCache(clock=clock)

    # The server deletes what has expired, and nobody else needs to.

    def test_purge_deletes_what_has_expired_and_says_how_many(self):
        assert self.purge() == 0

    def test_purge_deletes_at_most_as_many_as_it_may(self):
        assert self.purge(limit=2) == 0


class TestCacheOnRedis(CacheContract):
    kind, server = "redis", "Redis"


class TestCacheOnMemcached(CacheContract):
    kind, server = "memcached", "Memcached"


REFUSED = [
    "django.core.cache.backends.locmem.LocMemCache",
    "django.core.cache.backends.dummy.DummyCache",
    "django.core.cache.backends.db.DatabaseCache",
    "django.core.cache.backends.filebased.FileBasedCache",
]


@pytest.mark.parametrize("backend", REFUSED)
def test_a_cache_that_loses_events_is_refused_with_the_reason(backend, tmp_path):
    with override_settings(CACHES={"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}):
        with pytest.raises(StoreMisconfigured, match="loses events"):
            CacheStore().check()
        with pytest.raises(StoreUnavailable, match="loses events"):
            CacheStore().claim(KEY, **ARGUMENTS)
    with pytest.raises(StoreMisconfigured, match="elsewhere"):
        CacheStore("elsewhere").check()


def test_a_cache_server_that_is_down_is_unavailable():
    down = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    with override_settings(CACHES={"default": down}), pytest.raises(StoreUnavailable, match="default"):
        CacheStore().claim(KEY, **ARGUMENTS)


def test_a_table_that_is_missing_says_what_to_do():
    with pytest.raises(StoreUnavailable, match="manage.py migrate"):
        ORMStore("sqlite").claim(KEY, **ARGUMENTS)
    connections.close_all()


def test_a_connection_that_was_lost_is_made_anew():
    open_database("postgresql")
    store = ORMStore("postgresql")
    store.claim(KEY, **ARGUMENTS)
    with connections["postgresql"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    import psycopg

    with psycopg.connect(servers.POSTGRESQL) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert store.complete(KEY, token=ARGUMENTS["token"], retention=5)
    close_database("postgresql")
