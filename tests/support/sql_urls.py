"""The databases that the SQL stores are tried on, each by a blocking and an asynchronous driver or two."""

import pytest
import servers


def url(driver, folder):
    """A SQLAlchemy URL, or a skip that says which server is missing."""
    if "sqlite" in driver:
        return f"{driver}:///{folder}/claims.db"
    if driver.startswith("postgresql"):
        servers.needs("PostgreSQL")
        return driver + servers.POSTGRESQL.removeprefix("postgresql")
    servers.needs("MariaDB")
    return driver + servers.MARIADB.removeprefix("mysql")


BLOCKING = ("postgresql+psycopg", "mysql+pymysql", "sqlite+pysqlite")
AWAITED = ("postgresql+asyncpg", "postgresql+psycopg_async", "mysql+asyncmy", "sqlite+aiosqlite")

pytest.importorskip("sqlalchemy")
from sqlalchemy import create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from hookguard.stores.sql import AsyncSQLStore, SQLStore, create_table


def engine(driver, folder, **options):
    """An engine that does not wait for the disk, which no test here is about."""
    made = create_engine(url(driver, folder), **options)
    hasten(made)
    return made


def async_engine(driver, folder, **options):
    made = create_async_engine(url(driver, folder), **options)
    hasten(made.sync_engine)
    return made


def hasten(made):
    @event.listens_for(made, "connect")
    def connected(connection, _):
        cursor = connection.cursor()
        if made.dialect.name == "postgresql":
            cursor.execute("SET synchronous_commit = off")
            connection.commit()
        elif made.dialect.name == "sqlite":
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = OFF")
        cursor.close()


def fresh(made, table):
    """An empty table."""
    with made.begin() as connection:
        connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
    create_table(made, table)


__all__ = ["AWAITED", "BLOCKING", "AsyncSQLStore", "SQLStore", "async_engine", "engine", "fresh", "hasten", "url"]
