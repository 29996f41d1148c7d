"""A writer that is killed at any of its steps: nothing that was acknowledged is lost, and nothing is written twice."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import writers
from killed_writer import STEPS
from writers import make, rows

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")


def acknowledged(path, step, count, variant="right", synchronous="NORMAL"):
    """Run a writer until it is killed, and return the numbers of the jobs that it acknowledged."""
    here = Path(__file__)
    run = subprocess.run(
        [sys.executable, str(here.with_name("killed_writer.py")), str(path), step, str(count), variant, synchronous],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    return [int(line) for line in run.stdout.split()]


def check(path, step, count, **options):
    told = acknowledged(path, step, count, **options)
    database, writer = make(path)
    writer.run(writers.good(-1))  # the file works on, and no lock is left behind
    database.close()
    found = Counter(rows(path))
    assert set(told) <= set(found), f"killed at {step}: {set(told) - set(found)} were acknowledged and are lost"
    assert set(found.values()) == {1}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("count", "synchronous"), [(1, "NORMAL"), (2, "FULL"), (7, "NORMAL"), (20, "FULL")])
def test_a_killed_writer_loses_and_doubles_nothing(tmp_path, step, count, synchronous):
    check(tmp_path / "killed.sqlite3", step, count, synchronous=synchronous)


def test_a_writer_that_acknowledges_before_the_commit_is_found(tmp_path):
    with pytest.raises(AssertionError, match="are lost"):
        check(tmp_path / "killed.sqlite3", "COMMIT", 2, variant="acknowledges_before_the_commit")
