"""How long a claim takes while expired events are deleted, and how many bytes an event takes: ``python benchmarks/purge.py URL``.

The URL is SQLAlchemy's, of a blocking driver. Fills a table of its own with 100,000 expired events, claims new ones all the
while, and purges them in batches, as the store does on its own; then, for comparison, with one DELETE.
"""

import hashlib
import statistics
import sys
import time

from rounds import times_during
from sqlalchemy import create_engine, insert, text
from sqlalchemy.schema import MetaData

from hookguard import StoreKey
from hookguard.stores.sql import SQLStore, event_table

TABLE = "hookguard_purge"
EVENTS = 100_000


def rows(count, expires_at):
    for number in range(count):
        event_id = f"evt_1NG8Du2eZvKYlo2CUI{number:08}"  # as long as Stripe's
        yield {
            "id": hashlib.sha256(event_id.encode()).hexdigest(),
            "scope": "stripe/stripe",
            "event_id": event_id,
            "state": 2,
            "token": b"t" * 16,
            "fingerprint": b"f" * 32,
            "claimed_at": expires_at,
            "lease_until": expires_at,
            "expires_at": expires_at + number / EVENTS,
            "attempt": 1,
        }


def fill(engine, table, expires_at):
    everything = list(rows(EVENTS, expires_at))
    with engine.begin() as connection:
        for start in range(0, EVENTS, 2_000):
            connection.execute(insert(table), everything[start : start + 2_000])


def size(engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"VACUUM ANALYZE {TABLE}"))
            return connection.scalar(text(f"SELECT pg_total_relation_size('{TABLE}')"))
        if engine.dialect.name == "sqlite":
            return connection.scalar(text("PRAGMA page_count")) * connection.scalar(text("PRAGMA page_size"))
        connection.execute(text(f"ANALYZE TABLE {TABLE}")).close()
        return connection.scalar(
            text("SELECT data_length + index_length FROM information_schema.tables WHERE table_name = :name"),
            {"name": TABLE},
        )


def claims_during(store, work):
    """The claims' durations in milliseconds while ``work`` runs, and how long that took in seconds."""

    def claim(number):
        key = StoreKey("bench", f"{id(work)} {number}")
        return lambda: store.claim(key, token=b"t" * 16, fingerprint=b"f" * 32, lease=600, retention=600)

    return times_during(claim, work)


def show(name, took, seconds):
    took.sort()
    p99 = took[int(len(took) * 0.99)]
    print(
        f"{name:32} {seconds:6.2f} s   {len(took):6} claims   p50 {statistics.median(took):6.2f} ms"
        f"   p99 {p99:7.2f} ms   max {took[-1]:8.2f} ms",
        flush=True,
    )


def main(url):
    engine = create_engine(url)
    metadata = MetaData()
    table = event_table(metadata, TABLE)
    metadata.drop_all(engine)
    metadata.create_all(engine)
    store = SQLStore.from_url(url, table=TABLE, timeout=60)
    fill(engine, table, time.time() - 1000)
    print(f"{engine.dialect.name}: {size(engine) / EVENTS:.0f} bytes an event, indexes included")
    show("at rest", *claims_during(store, lambda: time.sleep(3)))

    def in_batches(limit, pause):
        def work():
            while store.purge(limit=limit):
                time.sleep(pause)

        return work

    show("purge(limit=256), as it does itself", *claims_during(store, in_batches(256, 0)))
    fill(engine, table, time.time() - 1000)
    show("purge(limit=1000)", *claims_during(store, in_batches(1000, 0)))
    fill(engine, table, time.time() - 1000)
    show("one DELETE", *claims_during(store, lambda: store.purge(limit=EVENTS)))
    metadata.drop_all(engine)
    store.close()


if __name__ == "__main__":
    main(sys.argv[1])
