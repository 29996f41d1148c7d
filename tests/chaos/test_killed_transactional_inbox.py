"""Receivers and workers are killed while handlers write in the transaction of their entry: every effect is there, exactly once.

A worker whose completion is a second commit goes through the same rig, and must be found out. ``HOOKGUARD_CHAOS_EVENTS`` and
``HOOKGUARD_CHAOS_KILLS`` say how much: 150 and 6 for a look, 10,000 and 400 by hand.
"""

import os
from collections import Counter
from contextlib import contextmanager

import pytest

for needed in ("flask", "starlette", "gunicorn", "httpx", "sqlalchemy"):
    pytest.importorskip(needed)

import databases
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from test_killed_inbox import Rig, django_project, run_rig

from hookguard.config import store_from
from hookguard.stores.sql import create_table

EVENTS = int(os.environ.get("HOOKGUARD_CHAOS_EVENTS", "150"))
KILLS = int(os.environ.get("HOOKGUARD_CHAOS_KILLS", "6"))


@contextmanager
def sqlalchemy_application(kind, folder, **more):
    """The rig of an application with SQLAlchemy, its inbox, the database's URL, and what closes the inbox."""
    with databases.own_database(kind) as url:
        engine = create_engine(url, poolclass=NullPool)
        create_table(engine, inbox=True)
        engine.dispose()
        store = store_from(url)
        yield Rig(folder, "transactional_inbox_app", CHAOS_STORE=url, **more), store.inbox(), url, store.close


def run(folder, kind, events, kills, **more):
    """Return who was acknowledged, how many effects each event has, who was killed, the states, and what explains a fault."""
    opened = sqlalchemy_application(kind, folder, **more)
    if kind.startswith("django"):
        opened = django_project(kind.split()[1], folder, CHAOS_TRANSACTIONAL="1", CHAOS_LEASE="3", **more)
    with opened as (rig, inbox, url, close):
        databases.make_tables(url)
        acknowledged, _, killed, states = run_rig(rig, inbox, events, kills)
        close()  # the count waits until nobody else is connected
        with databases.looking(url) as connection:
            found = Counter(event for (event,) in connection.execute(text("SELECT event_id FROM effect")))
            wrong = {event for event in acknowledged if found[event] != 1} | {event for event in found if found[event] != 1}
            return acknowledged, found, killed, states, [explain(connection, folder, event) for event in sorted(wrong)]


def explain(connection, folder, event):
    """Return the rows of an event in the inbox, and the notes of its runs."""
    row = "SELECT state, attempt, crashes, received_at, changed_at, reason FROM hookguard_inbox WHERE event_id = :event"
    stored = [tuple(each) for each in connection.execute(text(row), {"event": event})]
    runs = [line for line in (folder / "begun").read_text().splitlines() if line.split()[1] == event]
    return {"event": event, "stored": stored, "runs": runs}


KINDS = [
    ("postgresql", ""),
    ("mariadb", ""),
    ("postgresql", "postgresql+asyncpg"),
    ("mariadb", "mysql+asyncmy"),
    ("django postgresql", ""),
    ("django mariadb", ""),
    ("django sqlite", ""),
]


@pytest.mark.parametrize(("kind", "driver"), KINDS)
def test_each_event_has_its_effect_exactly_once(kind, driver, tmp_path, capsys):
    acknowledged, effects, killed, states, faults = run(tmp_path, kind, EVENTS, KILLS, CHAOS_AWAITED=driver)
    with capsys.disabled():
        print(f"\n{driver or kind}: {len(acknowledged)} events, {len(killed)} kills, {effects.total()} effects")
    assert faults == []
    assert set(effects) == set(acknowledged)
    assert states == {"DONE"}


@pytest.mark.parametrize("kind", ["postgresql", "django postgresql"])
def test_the_rig_finds_that_a_second_commit_doubles(kind, tmp_path):
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        _, effects, _, _, faults = run(folder, kind, 200, 12, CHAOS_WRONG="second-commit")
        if doubled := [event for event, number in effects.items() if number > 1]:
            assert {fault["event"] for fault in faults} >= set(doubled)
            return
    pytest.fail("no effect happened twice, although it was committed before its event was done")
