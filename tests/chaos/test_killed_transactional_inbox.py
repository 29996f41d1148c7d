"""Receivers and workers are killed while handlers write in the transaction of their entry: every effect is there, exactly once.

A worker whose completion is a second commit goes through the same rig, and must be found out. ``HOOKGUARD_CHAOS_EVENTS`` and
``HOOKGUARD_CHAOS_KILLS`` say how much: 150 and 6 for a look, 10,000 and 400 by hand.
"""

import os
from collections import Counter

import pytest

for needed in ("flask", "starlette", "gunicorn", "httpx", "sqlalchemy"):
    pytest.importorskip(needed)

import databases
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from test_killed_inbox import django_project, run
from test_killed_inbox import run_rig as run_in

from hookguard.stores.sql import create_table

EVENTS = int(os.environ.get("HOOKGUARD_CHAOS_EVENTS", "150"))
KILLS = int(os.environ.get("HOOKGUARD_CHAOS_KILLS", "6"))


def run_rig(folder, kind, events, kills, **more):
    """Return who was acknowledged, how many effects each event has, who was killed, and the states of the entries."""
    if kind.startswith("django"):
        from django.db import connections

        with django_project(kind.split()[1], folder, CHAOS_TRANSACTIONAL="1", CHAOS_LEASE="3", **more) as (rig, inbox, url):
            databases.make_tables(url)
            acknowledged, _, killed, states = run_in(rig, inbox, events, kills)
            connections["chaos"].close()  # before the count, which waits until nobody else is connected
            return acknowledged, Counter(event for event, _ in databases.effects(url, None)), killed, states
    with databases.own_database(kind) as url:
        engine = create_engine(url, poolclass=NullPool)
        create_table(engine, inbox=True)
        engine.dispose()
        databases.make_tables(url)
        acknowledged, _, killed, states = run(folder, events, kills, url, application="transactional_inbox_app", **more)
        return acknowledged, Counter(event for event, _ in databases.effects(url, None)), killed, states


@pytest.mark.parametrize(
    ("kind", "driver"),
    [
        ("postgresql", ""),
        ("mariadb", ""),
        ("postgresql", "postgresql+asyncpg"),
        ("mariadb", "mysql+asyncmy"),
        ("django postgresql", ""),
        ("django mariadb", ""),
        ("django sqlite", ""),
    ],
)
def test_each_event_has_its_effect_exactly_once(kind, driver, tmp_path, capsys):
    acknowledged, effects, killed, states = run_rig(tmp_path, kind, EVENTS, KILLS, CHAOS_AWAITED=driver)
    with capsys.disabled():
        print(f"\n{driver or kind}: {len(acknowledged)} events, {len(killed)} kills, {effects.total()} effects")
    assert [event for event in acknowledged if event not in effects] == []
    assert [event for event, number in effects.items() if number > 1] == []
    assert states == {"DONE"}


@pytest.mark.parametrize("kind", ["postgresql", "django postgresql"])
def test_the_rig_finds_that_a_second_commit_doubles(kind, tmp_path):
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        _, effects, _, _ = run_rig(folder, kind, 200, 12, CHAOS_WRONG="second-commit")
        if [event for event, number in effects.items() if number > 1]:
            return
    pytest.fail("no effect happened twice, although it was committed before its event was done")
