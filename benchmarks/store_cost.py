"""The cost of a store over its own statements: CPU time of a claim and its completion, beside the same statements by hand.

    python benchmarks/store_cost.py [NAME…] [--rounds 41]

NAME is sqlite, redis, postgresql, mariadb or django (all by default); the servers are those of benchmarks/stores.py, whose
floors are other commands, the least that takes an id. Here both sides send the same text with the same values on the same
driver. By hand there is one connection, no deadline, no retry, no error handled, and the rows stay as they are. The time of
the server is not counted. Django's statements by hand are those of the driver, psycopg.
PostgreSQL has a row between the two: SQLAlchemy alone, with a connection from the store's pool for each statement.
"""

from __future__ import annotations

import argparse
import re
import secrets
import sqlite3
import tempfile
import time

from rounds import compare, show
from stores import FINGERPRINT, KINDS, LEASE, MARIADB, POSTGRESQL, REDIS, RETENTION, TABLE, store_calls

from hookguard import StoreKey
from hookguard.stores.statements import Statements

TOKEN = secrets.token_bytes(16)
CLAIM = {"token": TOKEN, "fingerprint": FINGERPRINT, "lease": LEASE, "retention": RETENTION}
COMPLETE = {"token": TOKEN, "retention": RETENTION, "reply": None}
ASKED = StoreKey("bench", "any")


def values(identifier, more):
    """The values of a statement of :class:`Statements`; the id in the table is the store's own hash."""
    key = StoreKey("bench", identifier)
    return {"id": key.idempotency_key, "scope": key.scope, "event_id": key.id, **more}


def driver_sql(statement):
    """The text with the placeholders of psycopg and PyMySQL."""
    return re.sub(r":(\w+)", r"%(\1)s", statement.sql)


def postgresql_sql(table):
    """The store's two statements for psycopg."""
    statements = Statements("postgresql", table=table)
    claim = next(statements.claim(ASKED, TOKEN, FINGERPRINT, LEASE, RETENTION))
    return driver_sql(claim), driver_sql(next(statements.complete(ASKED, TOKEN, RETENTION, None)))


def sqlalchemy_alone(engine):
    claim_sql, complete_sql = postgresql_sql(TABLE)

    def claim(identifier):
        with engine.connect() as connection:
            assert connection.exec_driver_sql(claim_sql, values(identifier, CLAIM)).fetchall()

    def complete(identifier):
        with engine.connect() as connection:
            assert connection.exec_driver_sql(complete_sql, values(identifier, COMPLETE)).rowcount == 1

    return claim, complete


def postgresql_by_hand(_, table=TABLE):
    import psycopg

    connection = psycopg.connect(POSTGRESQL, autocommit=True, prepare_threshold=1)
    claim_sql, complete_sql = postgresql_sql(table)

    def claim(identifier):
        assert connection.execute(claim_sql, values(identifier, CLAIM)).fetchall()

    def complete(identifier):
        assert connection.execute(complete_sql, values(identifier, COMPLETE)).rowcount == 1

    return claim, complete


def django_by_hand(folder):
    return postgresql_by_hand(folder, "hookguard_event")


def mariadb_by_hand(_):
    import pymysql
    from sqlalchemy.engine import make_url

    url = make_url(MARIADB)
    connection = pymysql.connect(
        host=url.host,
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        database=url.database,
        autocommit=True,
    )
    cursor = connection.cursor()
    steps = Statements("mysql", table=TABLE).claim(ASKED, TOKEN, FINGERPRINT, LEASE, RETENTION)
    look_sql = driver_sql(next(steps))
    claim_sql = driver_sql(steps.send([]))
    complete_sql = driver_sql(next(Statements("mysql", table=TABLE).complete(ASKED, TOKEN, RETENTION, None)))

    def claim(identifier):
        asked = values(identifier, CLAIM)
        cursor.execute(look_sql, asked)
        cursor.fetchall()
        assert cursor.execute(claim_sql, asked) == 1

    def complete(identifier):
        assert cursor.execute(complete_sql, values(identifier, COMPLETE)) == 1

    return claim, complete


def sqlite_by_hand(folder):
    from hookguard.stores.sqlite import statements

    connection = sqlite3.connect(f"{folder}/hand.db", isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(statements.SCHEMA)

    def claim(identifier):
        now = time.time()
        assert not connection.execute(statements.LOOK, ("bench", identifier)).fetchall()
        until = {"now": now, "lease_until": now + LEASE, "expires_at": now + LEASE + RETENTION}
        asked = {"scope": "bench", "id": identifier, "token": TOKEN, "fingerprint": FINGERPRINT, **until}
        assert connection.execute(statements.CLAIM, asked).fetchall()

    def complete(identifier):
        asked = {"scope": "bench", "id": identifier, "now": time.time(), **COMPLETE}
        assert connection.execute(statements.COMPLETE, asked).rowcount == 1

    return claim, complete


def redis_by_hand(_):
    import redis

    from hookguard.stores.redis.scripts import Calls

    client = redis.Redis.from_url(REDIS)
    calls = Calls("hookguard", None)
    claim_script = client.script_load(calls.claim(ASKED, TOKEN, FINGERPRINT, LEASE, RETENTION).script.text)
    complete_script = client.script_load(calls.complete(ASKED, TOKEN, RETENTION, None).script.text)
    lease, retention = int(LEASE * 1e6), int(RETENTION * 1e6)

    def claim(identifier):
        asked = client.evalsha(claim_script, 1, f"hookguard:bench:{identifier}", "", TOKEN, FINGERPRINT, lease, retention)
        assert asked[0] == 0

    def complete(identifier):
        assert client.evalsha(complete_script, 1, f"hookguard:bench:{identifier}", "", TOKEN, retention) == 1

    return claim, complete


BY_HAND = {
    "sqlite": sqlite_by_hand,
    "redis": redis_by_hand,
    "postgresql": postgresql_by_hand,
    "mariadb": mariadb_by_hand,
    "django": django_by_hand,
}


def pairs(calls):
    """A function that claims and completes another event at each call."""
    claim, complete = calls
    prefix, count = secrets.token_hex(4), 0

    def pair():
        nonlocal count
        count += 1
        # Ids come in no order, or a B-tree would look too good.
        identifier = f"{count * 2654435761 % 2**32:08x}-{prefix}-{count}"
        claim(identifier)
        complete(identifier)

    return pair


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(BY_HAND), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=41)
    given = parser.parse_args()
    for name in given.names:
        if name not in BY_HAND:
            parser.error(f"no store is called {name!r}: there are {', '.join(BY_HAND)}")
        _, _, make, empty = KINDS[name]
        with tempfile.TemporaryDirectory() as folder:
            empty()
            store = make(folder)
            candidates = {"its statements, by hand": pairs(BY_HAND[name](folder))}
            if name == "postgresql":
                candidates["SQLAlchemy alone"] = pairs(sqlalchemy_alone(store.engine))
            candidates["the store"] = pairs(store_calls(store))
            for _ in range(50):  # psycopg prepares a statement at its fifth use
                for pair in candidates.values():
                    pair()
            show(f"{name}: a claim and its completion, CPU", compare(candidates, rounds=given.rounds, seconds=0.05))
            empty()


if __name__ == "__main__":
    main()
