"""Claims and completions per second of every store, beside what its server can do at the very least.

    python benchmarks/stores.py [NAME…] [--seconds 2] [--grow]

NAME is memory, sqlite, redis, postgresql, mariadb or django (all by default). The servers are those of the tests, on loopback
or where HOOKGUARD_TEST_REDIS, …_POSTGRESQL and …_MARIADB say. A floor is what nobody can leave out: one bare command
that takes an id (`SET NX PX`, `INSERT … ON CONFLICT DO NOTHING`, a commit for each) and one that marks it as done, on the same
driver, with no error handled, no token compared and no state checked. Floors and stores take turns in the same run; the
ratio is taken between neighbours, because a shared machine drifts by more than what is measured. With one and with eight
clients, each a process of its own. --grow asks instead how a claim slows down from 10^3 to 10^6 stored events.
benchmarks/store_cost.py compares each store with its own statements.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import sqlite3
import statistics
import tempfile
import threading
import time
from collections import OrderedDict

from hookguard import MemoryStore, SQLiteStore, StoreKey

REDIS = os.environ.get("HOOKGUARD_TEST_REDIS", "redis://127.0.0.1:6379/15")
POSTGRESQL = os.environ.get("HOOKGUARD_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/test")
MARIADB = os.environ.get("HOOKGUARD_TEST_MARIADB", "mysql://root@127.0.0.1:3306/test")

FINGERPRINT = b"f" * 32
LEASE, RETENTION = 60.0, 604_800.0
TABLE, FLOOR = "hookguard_bench", "hookguard_bench_floor"


# --- each store, each floor: a function that makes claim(id) and complete(id) --------------------------------------------


def store_calls(store):
    """The pair of calls of a store."""
    tokens = {}

    def claim(identifier):
        token = tokens[identifier] = secrets.token_bytes(16)
        store.claim(StoreKey("bench", identifier), token=token, fingerprint=FINGERPRINT, lease=LEASE, retention=RETENTION)

    def complete(identifier):
        assert store.complete(StoreKey("bench", identifier), token=tokens.pop(identifier), retention=RETENTION)

    return claim, complete


def memory_floor(_):
    held, lock = OrderedDict(), threading.Lock()

    def claim(identifier):
        with lock:
            if identifier not in held:
                held[identifier] = (1, secrets.token_bytes(16), time.monotonic() + RETENTION)

    def complete(identifier):
        with lock:
            held[identifier] = (2, b"", time.monotonic() + RETENTION)

    return claim, complete


def sqlite_floor(folder):
    connection = sqlite3.connect(f"{folder}/floor.db", isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS floor (id TEXT PRIMARY KEY, state INTEGER, token BLOB, expires_at REAL) WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX IF NOT EXISTS expiry ON floor (expires_at)")

    def claim(identifier):
        connection.execute(
            "INSERT INTO floor VALUES (?, 1, ?, ?) ON CONFLICT (id) DO NOTHING",
            (identifier, secrets.token_bytes(16), time.time() + RETENTION),
        )

    def complete(identifier):
        connection.execute("UPDATE floor SET state = 2, expires_at = ? WHERE id = ?", (time.time() + RETENTION, identifier))

    return claim, complete


def redis_floor(_):
    import redis

    client = redis.Redis.from_url(REDIS)

    def claim(identifier):
        client.set(f"floor:{identifier}", secrets.token_bytes(16), nx=True, px=604_800_000)

    def complete(identifier):
        client.set(f"floor:{identifier}", b"2", xx=True, px=604_800_000)

    return claim, complete


def postgresql_floor(_):
    import psycopg

    connection = psycopg.connect(POSTGRESQL, autocommit=True, prepare_threshold=1)

    def claim(identifier):
        connection.execute(
            f"INSERT INTO {FLOOR} VALUES (%s, 1, %s, %s) ON CONFLICT (id) DO NOTHING",
            (identifier, secrets.token_bytes(16), time.time() + RETENTION),
        )

    def complete(identifier):
        connection.execute(f"UPDATE {FLOOR} SET state = 2, expires_at = %s WHERE id = %s", (time.time() + RETENTION, identifier))

    return claim, complete


def mariadb_floor(_):
    from urllib.parse import urlsplit

    import pymysql

    parts = urlsplit(MARIADB)
    connection = pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.path[1:],
        autocommit=True,
    )
    cursor = connection.cursor()

    def claim(identifier):
        cursor.execute(
            f"INSERT IGNORE INTO {FLOOR} VALUES (%s, 1, %s, %s)",
            (identifier, secrets.token_bytes(16), time.time() + RETENTION),
        )

    def complete(identifier):
        cursor.execute(f"UPDATE {FLOOR} SET state = 2, expires_at = %s WHERE id = %s", (time.time() + RETENTION, identifier))

    return claim, complete


def memory_store(_):
    return MemoryStore(2_000_000, single_process=True)


def sqlite_store(folder):
    return SQLiteStore(f"{folder}/ours.db", timeout=30)


def redis_store(_):
    from hookguard.stores.redis import RedisStore

    return RedisStore.from_url(REDIS)


def sql_store(url):
    from hookguard.stores.sql import SQLStore

    return SQLStore.from_url(url, table=TABLE, timeout=30)


def postgresql_store(_):
    return sql_store(POSTGRESQL)


def mariadb_store(_):
    return sql_store(MARIADB)


def django_store(_):
    from django.apps import apps
    from django.conf import settings

    if not apps.ready:
        import django

        settings.configure(INSTALLED_APPS=["hookguard_django"], DATABASES={"default": django_database()}, USE_TZ=True)
        django.setup()
    from django.core.management import call_command

    from hookguard_django.stores import ORMStore

    call_command("migrate", "hookguard", verbosity=0)
    return ORMStore()


def django_database():
    from urllib.parse import urlsplit

    parts = urlsplit(POSTGRESQL)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname,
        "PORT": parts.port,
    }


def empty_postgresql():
    import psycopg

    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {TABLE}, {FLOOR}")
        connection.execute(f"CREATE TABLE {FLOOR} (id varchar(64) PRIMARY KEY, state int, token bytea, expires_at float8)")
        connection.execute(f"CREATE INDEX ON {FLOOR} (expires_at)")
    postgresql_store(None).create_table()


def empty_mariadb():
    from sqlalchemy import create_engine, text

    with create_engine(MARIADB.replace("mysql://", "mysql+pymysql://", 1)).begin() as connection:
        connection.execute(text(f"DROP TABLE IF EXISTS {TABLE}, {FLOOR}"))
        connection.execute(
            text(
                f"CREATE TABLE {FLOOR} (id varchar(64) CHARACTER SET ascii PRIMARY KEY, state int, token varbinary(64),"
                " expires_at double, INDEX (expires_at))"
            )
        )
    mariadb_store(None).create_table()


def empty_redis():
    import redis

    redis.Redis.from_url(REDIS).flushdb()


def empty_django():
    empty_postgresql()
    django_store(None)


def nothing():
    """A folder of its own is empty already."""


#: Name: what makes the floor and what it is, what makes the store, what empties both.
KINDS = {
    "memory": (memory_floor, "OrderedDict + Lock", memory_store, nothing),
    "sqlite": (sqlite_floor, "INSERT … ON CONFLICT + UPDATE", sqlite_store, nothing),
    "redis": (redis_floor, "SET NX PX + SET XX PX", redis_store, empty_redis),
    "postgresql": (postgresql_floor, "INSERT … ON CONFLICT + UPDATE, prepared", postgresql_store, empty_postgresql),
    "mariadb": (mariadb_floor, "INSERT IGNORE + UPDATE", mariadb_store, empty_mariadb),
    "django": (postgresql_floor, "INSERT … ON CONFLICT + UPDATE, prepared (PostgreSQL)", django_store, empty_django),
}


# --- how fast ------------------------------------------------------------------------------------------------------------


def calls_of(name, which, folder):
    floor, _, store, _ = KINDS[name]
    return floor(folder) if which == "floor" else store_calls(store(folder))


def client(name, which, folder, seconds, barrier, results):
    """One client: claim and complete until the time is over; report how many, and the longest claim."""
    claim, complete = calls_of(name, which, folder)
    prefix = secrets.token_hex(4)
    claim(f"{prefix}-warm")
    complete(f"{prefix}-warm")
    barrier.wait()
    longest, count = 0.0, 0
    began = time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        identifier = f"{prefix}-{count * 2654435761 % 2**32:08x}-{count}"
        claim(identifier)
        longest = max(longest, time.perf_counter() - now)
        complete(identifier)
        count += 1
    results.put((count / (time.perf_counter() - began), longest))


def rate(name, which, clients, seconds, folder):
    """Pairs of claim and completion per second over all clients, and the longest claim in milliseconds."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(clients), context.Queue()
    workers = [context.Process(target=client, args=(name, which, folder, seconds, barrier, results)) for _ in range(clients)]
    for worker in workers:
        worker.start()
    told = [results.get(timeout=seconds + 120) for _ in workers]
    for worker in workers:
        worker.join()
    return sum(pairs for pairs, _ in told), max(longest for _, longest in told) * 1000


def race(names, seconds):
    print(
        f"{'store':<11} {'clients':>7} {'floor /s':>10} {'store /s':>10} {'ratio':>6} {'longest claim, floor / store':>30}   floor"
    )
    for name in names:
        for clients in (1, 8):
            if name == "memory" and clients > 1:
                continue  # a process's own
            floors, stores, ratios = [], [], []
            for _ in range(3):
                with tempfile.TemporaryDirectory() as folder:
                    KINDS[name][3]()
                    floors.append(rate(name, "floor", clients, seconds, folder))
                    stores.append(rate(name, "store", clients, seconds, folder))
                    ratios.append(stores[-1][0] / floors[-1][0])
            waits = f"{max(wait for _, wait in floors):.0f} / {max(wait for _, wait in stores):.0f} ms"
            print(
                f"{name:<11} {clients:>7} {statistics.median(f for f, _ in floors):>10,.0f}"
                f" {statistics.median(s for s, _ in stores):>10,.0f} {statistics.median(ratios):>5.2f}x {waits:>30}   {KINDS[name][1]}",
                flush=True,
            )


# --- how it grows --------------------------------------------------------------------------------------------------------


def fill_by_calls(claim, complete):
    """Fill by the store's own calls, which are quick enough."""

    def fill(begin, end):
        for number in range(begin, end):
            claim(f"old-{number}")
            complete(f"old-{number}")

    return fill


def fill_redis(claim, complete):
    """Copy one completed event's hash under other ids, many in a round trip."""
    import redis

    claim("pattern")
    complete("pattern")
    client = redis.Redis.from_url(REDIS)
    (pattern,) = list(client.scan_iter(match="*pattern*"))
    row = client.hgetall(pattern)

    def fill(begin, end):
        for start in range(begin, end, 5_000):
            with client.pipeline(transaction=False) as pipe:
                for number in range(start, min(start + 5_000, end)):
                    key = pattern.replace(b"pattern", f"old-{number}".encode())
                    pipe.hset(key, mapping=row)
                    pipe.pexpire(key, 604_800_000)
                pipe.execute()

    return fill


def fill_sql(name):
    """Let the database make its own rows."""
    from sqlalchemy import create_engine, text

    url = {"postgresql": POSTGRESQL, "mariadb": MARIADB}[name]
    driver = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}[name]
    engine = create_engine(driver + url[url.index(":") :])
    numbers = {
        "postgresql": "generate_series(CAST(:first AS int), CAST(:last AS int)) AS seq(n)",
        "mariadb": "(SELECT seq AS n FROM seq_0_to_999999 WHERE seq BETWEEN :first AND :last) AS numbers",
    }[name]
    digest = {
        "postgresql": "encode(sha256(convert_to(CAST(n AS text), 'UTF8')), 'hex')",
        "mariadb": "SHA2(CAST(n AS char), 256)",
    }[name]
    columns = "id, scope, event_id, state, token, fingerprint, claimed_at, lease_until, expires_at, attempt"

    def fill(begin, end):
        with engine.begin() as connection:
            connection.execute(
                text(
                    f"INSERT INTO {TABLE} ({columns}) SELECT {digest}, 'bench', CONCAT('old-', n), 2, :token, :fingerprint,"
                    f" :now, :now, :now + {RETENTION} + n, 1 FROM {numbers}"
                ),
                {"first": begin, "last": end - 1, "token": b"t" * 16, "fingerprint": FINGERPRINT, "now": time.time()},
            )

    return fill


def filler(name, claim, complete):
    if name == "redis":
        return fill_redis(claim, complete)
    return fill_sql(name) if name in ("postgresql", "mariadb") else fill_by_calls(claim, complete)


def grow(names):
    print(f"{'store':<11} {'stored':>9} {'claim p50 us':>13} {'p99 us':>9} {'against 10^3':>13}")
    for name in names:
        if name == "django":
            continue  # its statements are those of the database's own row
        with tempfile.TemporaryDirectory() as folder:
            KINDS[name][3]()
            claim, complete = store_calls(KINDS[name][2](folder))
            fill = filler(name, claim, complete)
            stored, first = 0, None
            for size in (1_000, 10_000, 100_000, 1_000_000):
                fill(stored, size)
                stored = size
                taken = []
                for number in range(3_000):
                    identifier = f"new-{size}-{number}"
                    began = time.perf_counter()
                    claim(identifier)
                    taken.append((time.perf_counter() - began) * 1e6)
                    complete(identifier)
                middle = statistics.median(taken)
                first = first or middle
                print(f"{name:<11} {size:>9,} {middle:>13.1f} {sorted(taken)[-30]:>9.1f} {middle / first:>12.2f}x", flush=True)


def main():
    """Print the table that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(KINDS), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each client works")
    parser.add_argument("--grow", action="store_true", help="how a claim slows down with what is stored")
    given = parser.parse_args()
    for name in given.names:
        if name not in KINDS:
            parser.error(f"no store is called {name!r}: there are {', '.join(KINDS)}")
    try:
        if given.grow:
            grow(given.names)
        else:
            race(given.names, given.seconds)
    finally:
        # A million ids that stay behind slow down whatever goes through that database next, the tests for one.
        for name in given.names:
            KINDS[name][3]()


if __name__ == "__main__":
    main()
