"""Detects a pooler of connections, such as PgBouncer, between asyncpg and PostgreSQL.

asyncpg prepares each statement and executes it afterwards. In transaction mode a pooler may send the two to different server
connections. There the statement does not exist, or another client has used its name for another statement
(https://www.pgbouncer.org/features.html, https://magicstack.github.io/asyncpg/current/faq.html, 2026-11-25). Within one
transaction, and without a name, a statement is always found. psycopg sends both in one message, so it is not affected.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine

__all__ = ["BehindPooler", "notice_pooler", "warn_of_pooler"]


class BehindPooler(Exception):
    """The connection leads to a pooler. This error never leaves the store."""


def notice_pooler(engine: Engine) -> None:
    """Raise BehindPooler if another server process answers than the one that asyncpg connected to."""
    direct = False

    # Before SQLAlchemy runs any statement on the new connection.
    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        nonlocal direct
        connection = dialect.connect(*arguments, **options)
        if not direct:
            direct = connection.run_async(_answering) == connection.driver_connection.get_server_pid()
            if not direct:
                connection.terminate()
                raise BehindPooler
        return connection


def warn_of_pooler(connection: Connection) -> Iterator[str]:
    """Yield a remark if an engine of the user's own lacks the options that asyncpg needs behind a pooler."""
    if connection.dialect.driver != "asyncpg":
        return
    proxied = connection.connection
    # A private name of SQLAlchemy's. If it changes, the remark may be given although the options are set.
    caches = getattr(proxied.dbapi_connection, "_prepared_statement_cache", True) is not None
    raw: Any = proxied.driver_connection
    if caches and connection.scalar(text("SELECT pg_backend_pid()")) != raw.get_server_pid():
        yield (
            "a pooler of connections is in front of PostgreSQL: if it is PgBouncer in transaction mode, asyncpg needs"
            ' connect_args={"statement_cache_size": 0, "prepared_statement_cache_size": 0, "prepared_statement_name_func":'
            ' lambda: ""}, and lease mode a store from AsyncSQLStore.from_url()'
        )


async def _answering(raw: Any) -> int:
    # A pooler reports a made-up process number when asyncpg connects. The query runs in a transaction for the reason above, and
    # is prepared by hand because asyncpg's cache would give the statement a name.
    async with raw.transaction():
        statement = await raw.prepare("SELECT pg_backend_pid()", name="")
        return int(await statement.fetchval())
