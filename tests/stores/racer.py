"""One of the processes that race: ``racer.py KIND PLACE ME THREADS IDS``. Says when it is ready, waits for a line, and prints
the ids it won."""

import sys
import threading

from hookguard import ClaimStatus, SQLiteStore, StoreKey


def make(kind, place):
    """A store, and what a thread does when it is through. A process has four connections, or servers would run out of them."""
    if kind == "sqlite":
        return SQLiteStore(place, timeout=120), None
    if kind == "redis":
        from hookguard.stores.redis import RedisStore

        return RedisStore.from_url(place, prefix="race", timeout=60), None
    if kind in ("postgresql", "mysql"):
        from sqlalchemy import create_engine

        from hookguard.stores.sql import SQLStore

        driver = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}[kind]
        engine = create_engine(driver + place[place.index(":") :], pool_size=4, max_overflow=0, pool_timeout=120)
        return SQLStore(engine, table="hookguard_race", timeout=120), None
    return make_django(place)


def make_django(place):
    import django
    from django.conf import settings
    from django.db import connections
    from servers import django_database

    if place == "postgresql":
        database = {**django_database("PostgreSQL"), "NAME": "hookguard_race"}
        database["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 4, "timeout": 120}}
    else:
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": place, "OPTIONS": {"timeout": 120}}
    settings.configure(INSTALLED_APPS=["hookguard_django"], DATABASES={"default": database}, USE_TZ=True)
    django.setup()
    from hookguard_django.stores import ORMStore

    return ORMStore(), connections.close_all  # of the thread that calls it


def main(kind, place, me, threads, ids):
    store, close = make(kind, place)
    off = threading.Event()
    won = [[] for _ in range(threads)]
    failed = []

    def race(number):
        token = bytes([me, number]) * 8
        off.wait()
        try:
            for step in range(ids):
                index = (step + me * ids // 8) % ids  # each process begins elsewhere, so that more than one wins
                claim = store.claim(StoreKey("s", str(index)), token=token, fingerprint=b"f" * 32, lease=600, retention=600)
                if claim.status == ClaimStatus.ACQUIRED:
                    won[number].append(index)
                if close is not None:
                    close()
        except Exception as error:
            failed.append(error)
            raise

    racing = [threading.Thread(target=race, args=(number,)) for number in range(threads)]
    for thread in racing:
        thread.start()
    print("ready", flush=True)
    sys.stdin.readline()
    off.set()
    for thread in racing:
        thread.join()
    print(" ".join(str(index) for mine in won for index in mine))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3], *(int(argument) for argument in sys.argv[3:])))
