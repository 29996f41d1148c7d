"""Workers in processes of their own: they take, run, settle, stop, drain, and outlive what handlers do."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("flask")
pytest.importorskip("click")

import shop

from hookguard.work.process import TWICE

HERE = Path(__file__).parent
PATIENCE = 90  # a busy machine takes long to start a process


@pytest.fixture
def app(tmp_path):
    return shop.make_app(tmp_path)


def command(folder, *options):
    environment = {**os.environ, "SHOP_FOLDER": str(folder), "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    return [sys.executable, "-m", "hookguard.cli", "work", "shop:app", *options], environment


def drain(folder, *options):
    """Let a worker work off what is due; return its JSON lines."""
    line, environment = command(folder, "--drain", "--json", *options)
    done = subprocess.run(line, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def working(folder, *options):
    line, environment = command(folder, *options)
    log = folder / f"worker-{time.monotonic_ns()}.log"
    with log.open("w") as output:
        process = subprocess.Popen(line, env=environment, cwd=folder, stdout=output, stderr=output)
    process.log = log
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)


def wait_until(holds, what="it happened"):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.02)


def test_stored_event_is_handled_by_the_worker_with_the_same_view(app, tmp_path):
    assert shop.send(app, "evt_1").status_code == 200
    assert shop.runs(tmp_path) == []
    lines = drain(tmp_path)
    assert [(event, attempt) for event, attempt, _ in shop.runs(tmp_path)] == [("evt_1", 1)]
    assert shop.states(app) == {"done": 1}
    outcome = next(line for line in lines if line.get("outcome") == "handled")
    assert (outcome["endpoint"], outcome["event_id"], outcome["attempt"], outcome["status"]) == ("stripe", "evt_1", 1, 204)
    assert outcome["lag"] > 0
    assert lines[0]["message"].startswith("working on stripe, github: up to 8 concurrently, from SQLiteInbox(")
    assert lines[-1]["outcomes"] == {"handled": 1}


def test_event_that_fails_is_due_again_and_handled(app, tmp_path):
    shop.send(app, "evt_1", fails=2)
    lines = []
    while shop.states(app) != {"done": 1}:
        lines += drain(tmp_path)
    outcomes = [(line["outcome"], line["attempt"]) for line in lines if "outcome" in line]
    assert outcomes == [("failed", 1), ("failed", 2), ("handled", 3)]
    failed = next(line for line in lines if line.get("outcome") == "failed")
    assert failed["level"] == "ERROR"
    assert failed["reason_code"] == "handler_status" or failed["reason"].startswith("ValueError: not yet; due again in 0.")
    assert 0.02 <= failed["due_again"] <= 0.08


def test_event_whose_tries_are_used_up_is_dead(tmp_path):
    app = shop.make_app(tmp_path, tries=1)
    shop.send(app, "evt_1", fails=9)
    work_with(app)
    assert shop.states(app) == {"dead": 1}
    (entry,) = shop.inbox_of(app).find(limit=9)
    assert entry.reason == "handler_raised: ValueError: not yet"


def work_with(app, **options):
    """Let a worker in this process drain the inbox."""
    from hookguard.work.process import work
    from hookguard.work.worker import Worker

    return work(Worker(app, app.extensions["hookguard"].open_lanes(app), drain=True, **options))


def test_handlers_that_exit_give_up_or_ask_for_time_do_not_end_the_worker(app, tmp_path):
    for identifier, asked in {"exits": {"exits": True}, "gives": {"gives_up": True}, "busy": {"busy": True}, "fine": {}}.items():
        shop.send(app, identifier, **asked)
    lines = drain(tmp_path, "--at-once", "1")
    outcomes = {(line["event_id"], line["attempt"]): (line["outcome"], line["reason"]) for line in lines if "outcome" in line}
    assert outcomes["exits", 1][0] == "failed"
    assert outcomes["exits", 1][1].startswith("SystemExit: 3; due again in 0.")
    assert outcomes["gives", 1] == ("dead", "GiveUp: this customer is gone")
    assert outcomes["busy", 1] == ("failed", "the handler answered 503; due again in 0.0 s")
    assert outcomes["busy", 2] == ("handled", "")
    assert outcomes["fine", 1] == ("handled", "")


def test_killed_worker_s_event_is_taken_by_the_next_after_its_lease(app, tmp_path):
    shop.send(app, "evt_1", sleep=1.0)
    with working(tmp_path) as worker:
        wait_until(lambda: shop.runs(tmp_path, "begins"), "the handler began")
        os.kill(worker.pid, signal.SIGKILL)
    assert shop.states(app) == {"held": 1}
    assert drain(tmp_path)[-1]["outcomes"] == {}, "the lease still lasts"
    end_leases(tmp_path)
    lines = drain(tmp_path)
    assert [(line["outcome"], line["attempt"]) for line in lines if "outcome" in line] == [("handled", 2)]
    assert [attempt for _, attempt, _ in shop.runs(tmp_path)] == [2]


def end_leases(folder):
    """Let the leases of workers that died end now."""
    import sqlite3

    with sqlite3.connect(f"{folder}/shop.sqlite3") as connection:
        connection.execute("UPDATE hookguard_inbox SET due_at = 1 WHERE state = 1")
    connection.close()


def test_stopped_worker_lets_its_handlers_end_and_takes_nothing_more(app, tmp_path):
    for number in range(3):
        shop.send(app, f"evt_{number}", sleep=0.6)
    with working(tmp_path, "--at-once", "2") as worker:
        wait_until(lambda: len(shop.runs(tmp_path, "begins")) == 2, "two handlers began")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0
    assert len(shop.runs(tmp_path)) == 2
    assert shop.states(app) == {"done": 2, "waiting": 1}
    assert "waiting up to 25 s for 2 handlers" in worker.log.read_text()
    assert "ended: 2 handled, in" in worker.log.read_text()


def test_handler_that_outlasts_the_grace_is_left_to_its_lease(app, tmp_path):
    shop.send(app, "evt_1", sleep=60)
    with working(tmp_path, "--grace", "0.2") as worker:
        wait_until(lambda: shop.runs(tmp_path, "begins"), "the handler began")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 1
    assert "1 handlers still run and are left to their leases" in worker.log.read_text()
    assert shop.states(app) == {"held": 1}


def test_second_signal_ends_the_worker(app, tmp_path):
    shop.send(app, "evt_1", sleep=60)
    with working(tmp_path) as worker:
        wait_until(lambda: shop.runs(tmp_path, "begins"), "the handler began")
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in worker.log.read_text(), "it is stopping")
        time.sleep(TWICE)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 128 + signal.SIGTERM
    assert shop.states(app) == {"held": 1}


def test_two_sigterms_of_one_stop_let_the_handlers_end(app, tmp_path):
    shop.send(app, "evt_1", sleep=0.6)
    with working(tmp_path) as worker:
        wait_until(lambda: shop.runs(tmp_path, "begins"), "the handler began")
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in worker.log.read_text(), "it is stopping")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0
    assert shop.states(app) == {"done": 1}


def test_flood_of_one_endpoint_does_not_starve_the_other(app, tmp_path):
    for number in range(40):
        shop.send(app, f"evt_{number}")
    shop.send(app, "d-1", endpoint="github")
    drain(tmp_path, "--at-once", "2")
    order = [event for event, _, _ in shop.runs(tmp_path)]
    assert len(order) == 41
    assert order.index("d-1") < 15  # a busy machine may let a handler of its turn end late


def test_worker_of_one_endpoint_leaves_the_others_alone(app, tmp_path):
    shop.send(app, "evt_1")
    shop.send(app, "d-1", endpoint="github")
    drain(tmp_path, "--endpoint", "github")
    assert [event for event, _, _ in shop.runs(tmp_path)] == ["d-1"]


def test_max_concurrent_holds_in_the_worker(app, tmp_path):
    for number in range(4):
        shop.send(app, f"d-{number}", endpoint="github", sleep=0.05)
    drain(tmp_path)
    lines = (tmp_path / "runs").read_text().splitlines()
    assert [line.split()[-1] for line in lines] == ["begins", "ends"] * 4


def test_entries_run_concurrently(app, tmp_path):
    for number in range(4):
        shop.send(app, f"evt_{number}", sleep=0.5)
    drain(tmp_path)
    assert [line.split()[-1] for line in (tmp_path / "runs").read_text().splitlines()][:4] == ["begins"] * 4


def test_view_that_is_gone_never_completes_the_entry(app, tmp_path):
    shop.send(app, "evt_1")
    other = shop.make_app(tmp_path, tries=1)
    other.view_functions["stripe"] = lambda: ("", 200)
    work_with(other)
    (entry,) = shop.inbox_of(app).find(limit=9)
    assert (entry.state.name, entry.reason[:14]) == ("DEAD", "not_settled: n")
    assert "the application answered 200" in entry.reason


def test_entry_of_another_version_stays_and_is_logged(app, tmp_path):
    import sqlite3

    shop.send(app, "evt_1")
    with sqlite3.connect(f"{tmp_path}/shop.sqlite3") as connection:
        connection.execute("""UPDATE hookguard_inbox SET head = replace(head, '"v":1', '"v":2')""")
    connection.close()
    (line,) = [line for line in drain(tmp_path) if "outcome" in line]
    assert (line["level"], line["outcome"], line["reason_code"]) == ("ERROR", "failed", "unreadable")
    assert shop.runs(tmp_path, "begins") == []
    with sqlite3.connect(f"{tmp_path}/shop.sqlite3") as connection:
        connection.execute("""UPDATE hookguard_inbox SET head = replace(head, '"v":2', '"v":1')""")
    connection.close()
    while shop.states(app) != {"done": 1}:
        drain(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["work", "shop"], "is not of the form module:name"),
        (["work", "nowhere:app"], "the module 'nowhere' was not found"),
        (["work", "shop:nothing"], "shop has no 'nothing'"),
        (["work", "shop:app", "--endpoint", "strip"], "did you mean 'stripe'?"),
        (["work", "shop:NAMES"], "shop has no HookGuard"),
        (["work", "shop:app", "--hooks", "shop:NAMES"], "--hooks shop:NAMES is tuple"),
    ],
)
def test_mistake_on_the_command_line_is_one_sentence(arguments, complaint, tmp_path):
    environment = command(tmp_path)[1]
    done = subprocess.run(
        [sys.executable, "-m", "hookguard.cli", *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert complaint in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_flask_s_own_command_works_too(app, tmp_path):
    shop.send(app, "evt_1")
    environment = command(tmp_path)[1]
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "shop", "hookguard", "work", "--drain"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "INFO stripe handled: 'order.paid' 'evt_1'" in done.stderr
    assert shop.states(app) == {"done": 1}
