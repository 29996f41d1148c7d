"""Eight processes of sixteen threads race for the same ids: exactly one winner each, on every store that processes share."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import servers

PROCESSES, THREADS = 8, 16


def place_for(kind, ids, tmp_path):
    """Where the store of this kind is, emptied of what an earlier race left there."""
    if kind == "sqlite":
        return str(tmp_path / "claims.sqlite3")
    if kind == "redis":
        redis = pytest.importorskip("redis")
        servers.needs("Redis")
        with redis.Redis.from_url(servers.REDIS) as client:
            client.delete(*(f"race:s:{number}" for number in range(ids)))
        return servers.REDIS
    if kind in ("postgresql", "mysql"):
        pytest.importorskip("sqlalchemy")
        from sql_urls import engine, fresh

        made = engine({"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}[kind], tmp_path)
        fresh(made, "hookguard_race")
        made.dispose()
        return {"postgresql": servers.POSTGRESQL, "mysql": servers.MARIADB}[kind]
    pytest.importorskip("django")
    place = str(tmp_path / "django.sqlite3")
    if kind == "django on postgresql":
        servers.needs("PostgreSQL")
        pytest.importorskip("psycopg_pool")
        import psycopg

        with psycopg.connect(servers.POSTGRESQL, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS hookguard_race WITH (FORCE)")
            connection.execute("CREATE DATABASE hookguard_race")
        place = "postgresql"
    script = f"import racer; racer.make_django({place!r})[1](); from django.core.management import call_command as call; call('migrate', verbosity=0)"
    subprocess.run([sys.executable, "-c", script], check=True, env=environment())
    return place


def environment():
    here = Path(__file__).parent
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(here), str(here.parent / "support"), os.environ.get("PYTHONPATH", "")]),
    }


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        ("sqlite", 500),
        ("redis", 300),
        ("postgresql", 60),
        ("mysql", 60),
        ("django on sqlite", 12),
        ("django on postgresql", 25),
    ],
)
def test_each_event_has_exactly_one_winner(kind, ids, tmp_path):
    place = place_for(kind, ids, tmp_path)
    racer = [sys.executable, str(Path(__file__).with_name("racer.py")), kind, place]
    racers = [
        subprocess.Popen(
            [*racer, str(me), str(THREADS), str(ids)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for me in range(PROCESSES)
    ]
    for one in racers:
        assert one.stdout.readline() == "ready\n", one.stderr.read()
    for one in racers:
        one.stdin.write("go\n")
        one.stdin.flush()
    winners = Counter()
    racing = 0
    for one in racers:
        out, err = one.communicate(timeout=300)
        assert one.returncode == 0, err
        winners.update(out.split())
        racing += bool(out.split())
    assert len(winners) == ids
    assert set(winners.values()) == {1}
    assert racing > 1, "one process won everything, so nothing was raced for"
