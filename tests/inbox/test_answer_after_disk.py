"""I8: the commit is on the disk before the answer leaves, as the system calls of a receiver show.

``HOOKGUARD_ANSWERS`` is how many deliveries are traced: 1,000 by hand, 60 otherwise. Without strace the tests are skipped.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

ANSWERS = int(os.environ.get("HOOKGUARD_ANSWERS", "60"))

STRACE = shutil.which("strace")
pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed: apt-get install strace")

#: A receiver that marks in the trace when a request comes, and when its answer is sent.
RECEIVER = """
import json, os, sys, threading
from concurrent.futures import ThreadPoolExecutor
from hookguard import Endpoint, Guard, SQLiteStore, Verifier, presets

path, answers, threads, synchronous = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
secret = "a-secret-that-is-long-enough"
store = SQLiteStore(path)
guard = Guard(Endpoint(Verifier("stripe", secret), inbox=True), store)
store.inbox()._database.here().connection.execute(f"PRAGMA synchronous = {synchronous}")
out = os.open(os.devnull, os.O_WRONLY)


def serve(number):
    delivery = presets.STRIPE.sign(json.dumps({"id": f"evt_{number}"}).encode(), secret)
    os.write(out, b"REQUEST %d." % number)
    status = guard.run(delivery, lambda event: 500).status
    assert status == 200, status
    os.write(out, b"ANSWER %d." % number)


with ThreadPoolExecutor(threads) as pool:
    list(pool.map(serve, range(answers)))
"""

_LINE = re.compile(r"(?:\[pid +)?(?P<pid>\d+)?\]? *(?P<rest>.*)")


def traced(tmp_path, threads, synchronous="FULL"):
    """Return how many answers were sent after a sync that began after their request, and how many were sent in all."""
    script, trace = tmp_path / "receiver.py", tmp_path / "trace.txt"
    script.write_text(RECEIVER, "utf-8")
    command = [STRACE, "-f", "-qq", "-s", "40", "-e", "trace=fsync,fdatasync,write", "-o", trace]
    receiver = [sys.executable, script, tmp_path / "hooks.sqlite3", str(ANSWERS), str(threads), synchronous]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*command, *receiver], env=environment, capture_output=True, text=True, timeout=300, check=False)
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip(f"this machine does not let strace trace: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    return judged(trace.read_text("utf-8", "replace").splitlines())


def judged(lines):
    """Read a trace: lines are in the order of the system calls' ends, or of their begin if they were interrupted."""
    came, running, synced, answered, good = {}, {}, [], 0, 0
    for now, line in enumerate(lines):
        pid, _, call = line.partition(" ")
        call = call.strip()
        if found := re.search(r'write\(\d+, "(REQUEST|ANSWER) (\d+)\."', call):
            what, number = found[1], int(found[2])
            if what == "REQUEST":
                came[number] = now
            else:
                answered += 1
                good += any(began > came[number] for began in synced)
        elif re.match(r"f(data)?sync\(", call):
            if "unfinished" in call:
                running[pid] = now
            elif call.endswith("= 0"):
                synced.append(now)
        elif re.match(r"<\.\.\. f(data)?sync resumed>", call) and call.endswith("= 0"):
            synced.append(running.pop(pid))
    return good, answered


@pytest.mark.parametrize("threads", [1, 8])
def test_every_answer_follows_a_sync_that_began_after_its_request(tmp_path, threads):
    assert traced(tmp_path, threads) == (ANSWERS, ANSWERS)


def test_without_full_synchronisation_most_answers_do_not(tmp_path):
    good, answered = traced(tmp_path, 1, "NORMAL")
    assert answered == ANSWERS
    assert good < ANSWERS / 2
