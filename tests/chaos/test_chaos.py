"""Workers are killed with SIGKILL in every phase of their work, and the provider counts what became of its events.

Transactional mode: nothing is lost and nothing happens twice. Lease mode: nothing is lost, and each second run follows one
whose worker was killed with that very event in its hands. The ways that are known to be wrong go through the same rig, which
must find them out.

``HOOKGUARD_CHAOS_EVENTS`` and ``HOOKGUARD_CHAOS_KILLS`` say how much, 500 and 20 for a look; CI runs 5,000 and 100 for each
store, a long run by hand 60,000 and 400. ``HOOKGUARD_CHAOS_SEED`` runs other duplicates and other kills.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

if not hasattr(os, "fork"):
    pytest.skip("the rig forks its workers", allow_module_level=True)
pytest.importorskip("sqlalchemy")

import databases

EVENTS = int(os.environ.get("HOOKGUARD_CHAOS_EVENTS", "500"))
KILLS = int(os.environ.get("HOOKGUARD_CHAOS_KILLS", "20"))
SEED = int(os.environ.get("HOOKGUARD_CHAOS_SEED", "7"))

HERE = Path(__file__).parent
PHASES = {"verifying", "claiming", "before the effect", "after the effect", "completing", "answering"}


def run(receiver, url, events=EVENTS, kills=KILLS, file=None, seed=SEED):
    """Let the rig loose in a process of its own, without coverage's hooks, which would be what is measured."""
    given = {"receiver": receiver, "url": url, "events": events, "kills": kills, "file": file and str(file), "seed": seed}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE_"))}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(HERE), str(HERE.parent / "support"), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    command = [sys.executable, HERE / "rig.py", json.dumps(given)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["events"] == events
    assert figures["kills"] == kills
    return figures


def complaints(figures, mode):
    """The faults in words; empty for a receiver that keeps its promise."""
    found = [f"{figures[what]} {what}" for what in ("lost", "unexplained") if figures[what]]
    if mode == "transactional" and figures["doubled"]:
        found.append(f"{figures['doubled']} doubled")
    if figures["not done"]:
        found.append(f"{figures['not done']} acknowledged and not done")
    return found


@pytest.fixture
def tell(capsys, request):
    """Print the figures, whatever pytest captures."""

    def show(figures):
        with capsys.disabled():
            print(f"\n{request.node.name}: " + ", ".join(f"{name} {value}" for name, value in figures.items()), flush=True)

    return show


def check_that_kills_were_real(figures):
    assert set(figures["outcomes"]) <= {"handled", "duplicate", "in_progress", "unavailable"}
    if figures["kills"] >= 100:  # with fewer, chance may pass one by
        assert set(figures["by phase"]) >= PHASES, "a phase of the work was never killed"


@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "sqlite"])
@pytest.mark.parametrize("receiver", ["sqlalchemy", "django"])
def test_in_transactional_mode_nothing_is_lost_and_nothing_happens_twice(receiver, kind, tell):
    if receiver == "django":
        pytest.importorskip("django")
    with databases.own_database(kind) as url:
        databases.make_tables(url)
        tell(figures := run(receiver, url))
    assert complaints(figures, "transactional") == []
    check_that_kills_were_real(figures)


def test_an_asynchronous_session_keeps_the_same_promise(tell):
    pytest.importorskip("asyncpg")
    with databases.own_database("postgresql") as url:
        databases.make_tables(url)
        tell(figures := run("sqlalchemy-async", url))
    assert complaints(figures, "transactional") == []
    check_that_kills_were_real(figures)


@pytest.mark.parametrize(("receiver", "kind"), [("lease", "postgresql"), ("lease-sqlite", "sqlite"), ("lease-redis", "redis")])
def test_in_lease_mode_nothing_is_lost_and_each_second_run_follows_a_kill(receiver, kind, tell, tmp_path):
    if kind == "redis":
        pytest.importorskip("redis")
    with databases.own_database(kind) as url:
        tell(figures := run(receiver, url, file=tmp_path / "effects"))
    assert complaints(figures, "lease") == []
    assert figures["doubled"] <= figures["kills"]
    if figures["kills"] >= 100:
        assert figures["doubled"] > 0, "no kill came between an effect and its mark"
    check_that_kills_were_real(figures)


# Negative controls: when one of these is not found out, what is above proves nothing. Where a kill falls is chance, and a quick
# machine leaves it little room: a control may try other kills, a few times.


def find_out(wrong, what, tell, files=None, events=800, kills=60):
    """Return the figures of a run that found each of ``what``."""
    for seed in range(SEED, SEED + 6):
        with databases.own_database("sqlite") as url:
            databases.make_tables(url)
            tell(figures := run(wrong, url, events, kills, files and files / f"effects-{seed}", seed))
        if all(figures[found] for found in what):
            return figures
    pytest.fail(f"the rig did not find out {wrong}")


def test_the_rig_finds_that_marking_first_loses_events(tell, tmp_path):
    find_out("mark-first", ["lost"], tell, tmp_path)


def test_the_rig_finds_that_marking_last_runs_events_twice(tell, tmp_path):
    # Two concurrent runs, and nobody was killed; and a kill between the effect and its mark.
    figures = find_out("check-run-mark", ["unexplained", "doubled"], tell, tmp_path)
    assert figures["lost"] == 0
    assert figures["doubled"] > figures["unexplained"]


def test_the_rig_finds_that_two_transactions_are_not_one(tell):
    figures = find_out("two-transactions", ["doubled"], tell)
    assert figures["lost"] == figures["unexplained"] == 0


def test_the_rig_finds_a_lease_that_ends_before_its_handler(tell, tmp_path):
    figures = find_out("short-lease", ["unexplained"], tell, tmp_path, 600, 10)
    assert figures["lost"] == 0
