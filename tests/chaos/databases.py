"""Databases that chaos has to itself, and what is in them when it is over."""

import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import servers
from receivers import PREFIX
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.pool import NullPool

DRIVERS = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql", "sqlite": "sqlite+pysqlite"}


@contextmanager
def own_database(kind):
    """The URL of an empty database, dropped afterwards; a skip that says which server is missing."""
    if kind == "redis":
        servers.needs("Redis")
        import redis

        with redis.Redis.from_url(servers.REDIS) as client:
            _forget_keys(client)
            yield servers.REDIS
            _forget_keys(client)
        return
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="hookguard-chaos-") as folder:
            yield f"{DRIVERS[kind]}:///{folder}/chaos.db"
        return
    servers.needs({"postgresql": "PostgreSQL", "mariadb": "MariaDB"}[kind])
    url = make_url({"postgresql": servers.POSTGRESQL, "mariadb": servers.MARIADB}[kind]).set(drivername=DRIVERS[kind])
    name = f"hookguard_chaos_{os.getpid()}_{time.time_ns() % 1_000_000}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind == "postgresql" else "")))


def _forget_keys(client):
    """A server is shared with others, so only what chaos itself left there."""
    for key in client.scan_iter(match=f"{PREFIX}*", count=1000):
        client.delete(key)


@contextmanager
def looking(url):
    """A connection that sees what is committed, once the server has buried those who were killed.

    A killed worker's last statement, its COMMIT too, may still be under way on the server.
    """
    engine = create_engine(url, poolclass=NullPool)
    others = {
        "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()",
        "sqlite": "SELECT 0",  # the system frees a dead process's locks immediately
    }[engine.dialect.name]
    deadline = time.monotonic() + 30
    while True:
        with engine.connect() as connection:
            if not connection.execute(text(others)).scalar():
                break
        assert time.monotonic() < deadline, "connections of dead workers are still open"
        time.sleep(0.02)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def make_tables(url):
    """The handlers' rows and the wrong ways' marks; no key prevents a double."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE effect (event_id VARCHAR(40) NOT NULL, worker INTEGER NOT NULL)"))
        connection.execute(text("CREATE TABLE mark (id VARCHAR(40) PRIMARY KEY)"))
        if engine.dialect.name == "sqlite":
            connection.connection.cursor().execute("PRAGMA journal_mode = WAL")
    engine.dispose()


def effects(url, file):
    """(event, worker) of each effect, in the order in which they happened where that is known."""
    if file is not None and Path(file).exists():
        found = [line.split() for line in Path(file).read_text().splitlines()]
        return [(event, int(worker)) for event, worker in found]
    with looking(url) as connection:
        return [(row.event_id, row.worker) for row in connection.execute(text("SELECT event_id, worker FROM effect"))]


def not_done(url):
    """How many events a store's table in this database does not hold as done; None where there is no such table.

    A worker that is killed while it checks its store leaves the row of that check, until the row expires.
    """
    if url.startswith("redis"):
        return None
    with looking(url) as connection:
        if not inspect(connection).has_table("hookguard_event"):
            return None
        return connection.execute(text("SELECT count(*) FROM hookguard_event WHERE state <> 2 AND event_id LIKE 'evt%'")).scalar()
