"""Keys are handed off by a worker and run by another engine: nothing is lost, whatever the engine does with a key."""

import asyncio
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

for needed in ("flask", "starlette"):
    pytest.importorskip(needed)

import shop
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from hookguard import ConfigurationError
from hookguard.work import handing
from hookguard.work.asgi import call_asgi
from hookguard.work.calling import Call
from hookguard.work.process import work
from hookguard.work.worker import Worker
from hookguard_starlette import HookGuard

PATIENCE = 60


class Engine:
    """A queue in this process: it keeps the keys, or loses them."""

    def __init__(self):
        self.keys = []

    def send(self, key):
        self.keys.append(key)


def hooks_of(app):
    return app.extensions["hookguard"]


def extension_of(app):
    """The HookGuard of the shop, whose ``run`` an engine's task calls."""
    from hookguard_flask import HookGuard as FlaskGuard

    hooks = FlaskGuard()
    hooks._apps.add(app)
    return hooks


def drained(app, **options):
    return work(Worker(app, hooks_of(app).open_lanes(app), drain=True, **options))


def entry(app):
    (found,) = shop.inbox_of(app).find(limit=10)
    return found


def pass_time(folder, seconds):
    """Let what is due in that time be due now, in the shop's file."""
    with sqlite3.connect(f"{folder}/shop.sqlite3") as file:
        file.execute("UPDATE hookguard_inbox SET due_at = due_at - ? WHERE due_at IS NOT NULL", (seconds,))
    file.close()


def test_key_is_handed_off_and_the_engine_runs_the_entry_once(tmp_path):
    engine = Engine()
    app = shop.make_app(tmp_path, hand_off=engine.send)
    shop.send(app, "evt_1")
    assert engine.keys == []  # the web process speaks to no engine
    summary = drained(app)
    assert str(summary).startswith("1 handed off, in ")
    assert engine.keys == [entry(app).key]
    assert (entry(app).state.name, entry(app).attempt) == ("WAITING", 0)
    assert shop.runs(tmp_path) == []
    outcome = extension_of(app).run(engine.keys[0])
    assert (outcome.outcome, outcome.attempt, outcome.status) == ("handled", 1, 204)
    assert extension_of(app).run(engine.keys[0]) is None
    assert [run[:2] for run in shop.runs(tmp_path)] == [("evt_1", 1)]
    assert shop.states(app) == {"done": 1}


def test_engine_may_run_the_entry_while_its_key_is_handed_off(tmp_path):
    app = shop.make_app(tmp_path, hand_off=lambda key: hooks.run(key))  # noqa: PLW0108 - it comes later
    hooks = extension_of(app)
    shop.send(app, "evt_1")
    drained(app)
    assert [run[:2] for run in shop.runs(tmp_path)] == [("evt_1", 1)]
    assert shop.states(app) == {"done": 1}


def test_key_that_the_engine_loses_is_handed_off_again_and_the_log_says_it(tmp_path, monkeypatch, caplog):
    engine = Engine()
    app = shop.make_app(tmp_path, hand_off=engine.send, patience=0.001)
    shop.send(app, "evt_1")
    worker = Worker(app, hooks_of(app).open_lanes(app))
    monkeypatch.setattr(engine, "send", lambda key: (engine.keys.append(key), len(engine.keys) == 3 and worker.stop()))
    worker._handing = {lane: handing.Handing(lane, engine.send, lease=30) for lane in worker._handing}
    work(worker)
    assert engine.keys == [entry(app).key] * 3
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "has not run, so it is handed off again: is the engine's worker running?" in line.getMessage()


def test_failure_of_hand_off_leaves_the_entry_due_and_uses_up_no_try(tmp_path, caplog):
    tried = []

    def hand_off(key):
        tried.append(key)
        if len(tried) < 3:
            raise ConnectionError("the broker is down")
        worker.stop()

    app = shop.make_app(tmp_path, hand_off=hand_off, tries=1)
    shop.send(app, "evt_1")
    worker = Worker(app, hooks_of(app).open_lanes(app))
    work(worker)
    assert len(tried) == 3
    assert (entry(app).state.name, entry(app).attempt) == ("WAITING", 0)
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "the events of stripe stay in the inbox, because hand_off fails; the worker goes on trying: the broker is down" in str(
        line.getMessage()
    )
    assert any("the events of stripe are handed off again, after" in record.getMessage() for record in caplog.records)


def test_hand_off_that_hangs_holds_nothing_up_for_long(tmp_path):
    released = threading.Event()
    app = shop.make_app(tmp_path, hand_off=lambda key: released.wait(PATIENCE))
    shop.send(app, "evt_1")
    (lane,) = hooks_of(app).open_lanes(app, ["stripe"])
    side = handing.Handing(lane, lane.settings.hand_off, lease=30, seconds=0.05)

    async def main():
        (held,) = await lane.take(1, 30)
        taken = await side.hand_off(held)
        room = handing.AT_ONCE - side._under_way
        released.set()
        while side._under_way:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        return taken, room

    assert asyncio.run(main()) == (False, handing.AT_ONCE - 1)
    assert side.room == 0  # it rests for a second
    assert (entry(app).state.name, entry(app).attempt) == ("WAITING", 0)
    assert extension_of(app).run(entry(app).key).outcome == "handled"


def test_awaited_functions_and_functions_that_return_a_coroutine_are_awaited(tmp_path):
    keys = []

    async def hand_off(key):
        await asyncio.sleep(0)
        keys.append(key)

    app = shop.make_app(tmp_path, hand_off=hand_off)
    shop.send(app, "evt_1")
    drained(app)
    (tmp_path / "other").mkdir()
    other = shop.make_app(tmp_path / "other", hand_off=lambda key: hand_off(key))  # noqa: PLW0108 - it is no coroutine function
    shop.send(other, "evt_2")
    drained(other)
    assert keys == [entry(app).key, entry(other).key]


def test_function_that_exits_is_a_failure_of_the_hand_off(tmp_path):
    async def exits(key):
        sys.exit(3)

    app = shop.make_app(tmp_path, hand_off=exits)
    shop.send(app, "evt_1")
    assert drained(app).handed_off == 0
    assert shop.states(app) == {"waiting": 1}


def test_function_is_found_by_its_path_when_the_worker_starts(tmp_path, monkeypatch):
    (tmp_path / "own_tasks.py").write_text("class run:\n    keys = []\n    delay = keys.append\n")
    monkeypatch.syspath_prepend(tmp_path)
    app = shop.make_app(tmp_path, hand_off="own_tasks:run.delay")
    shop.send(app, "evt_1")
    drained(app)
    from own_tasks import run

    assert run.keys == [entry(app).key]
    wrong = shop.make_app(tmp_path, hand_off="own_tasks:run.later")
    with pytest.raises(ConfigurationError, match="hand_off 'own_tasks:run.later' cannot be imported"):
        Worker(wrong, hooks_of(wrong).open_lanes(wrong))


def test_worker_that_dies_while_it_hands_off_loses_nothing(tmp_path):
    code = (
        "import os, signal, shop\n"
        "from hookguard.work.process import work\nfrom hookguard.work.worker import Worker\n"
        f"app = shop.make_app({str(tmp_path)!r}, hand_off=lambda key: os.kill(os.getpid(), signal.SIGKILL))\n"
        "shop.send(app, 'evt_1')\n"
        "work(Worker(app, app.extensions['hookguard'].open_lanes(app), drain=True))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
    died = subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=PATIENCE)
    assert died.returncode == -signal.SIGKILL
    engine = Engine()
    app = shop.make_app(tmp_path, hand_off=engine.send)
    assert drained(app).handed_off == 0  # it waits for its patience
    pass_time(tmp_path, 900)
    assert drained(app).handed_off == 1
    assert extension_of(app).run(engine.keys[0]).outcome == "handled"


def test_entry_whose_run_failed_is_handed_off_again_by_the_schedule(tmp_path):
    engine = Engine()
    app = shop.make_app(tmp_path, hand_off=engine.send, tries=2)
    shop.send(app, "evt_1", fails=9)
    drained(app)
    run = extension_of(app).run
    first = run(engine.keys[0])
    assert (first.outcome, first.reason) == ("failed", f"ValueError: not yet; due again in {first.due_again:.1f} s")
    pass_time(tmp_path, 1)
    drained(app)
    assert (run(engine.keys[1]).outcome, run(engine.keys[1])) == ("dead", None)
    assert shop.states(app) == {"dead": 1}


def test_engine_whose_worker_dies_leaves_the_entry_to_its_lease(tmp_path):
    engine = Engine()
    app = shop.make_app(tmp_path, hand_off=engine.send)
    shop.send(app, "evt_1", sleep=PATIENCE)
    drained(app)
    code = f"import shop\nfrom test_hand_off import extension_of\napp = shop.make_app({str(tmp_path)!r})\nextension_of(app).run({engine.keys[0]!r})\n"
    here = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": here})
    until = time.monotonic() + PATIENCE
    while not shop.runs(tmp_path, "begins"):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert extension_of(app).run(engine.keys[0]) is None  # held: the engine's second delivery does nothing
    child.kill()
    child.wait()
    with sqlite3.connect(f"{tmp_path}/shop.sqlite3") as file:
        file.execute("UPDATE hookguard_inbox SET due_at = due_at - 31, body = CAST(replace(body, ': 60', ': 0') AS BLOB)")
    file.close()
    assert drained(app).handed_off == 1
    outcome = extension_of(app).run(engine.keys[1])
    assert (outcome.outcome, outcome.attempt) == ("handled", 2)


def test_lease_is_extended_while_the_engine_runs_the_entry(tmp_path, monkeypatch):
    from hookguard.work import handed

    monkeypatch.setattr(handed, "LEASE", 0.6)
    app = shop.make_app(tmp_path)
    shop.send(app, "evt_1", sleep=2)
    outcome = extension_of(app).run(entry(app).key)
    assert (outcome.outcome, entry(app).crashes) == ("handled", 0)
    assert shop.states(app) == {"done": 1}


@pytest.mark.parametrize("key", ["", "nonsense", "0" * 64, "\0", "0" * 64 + ".part"])
def test_key_of_no_entry_is_nothing_to_do(tmp_path, key):
    assert extension_of(shop.make_app(tmp_path)).run(key) is None


def test_key_of_another_application_stays_for_that_one(tmp_path, caplog):
    app = shop.make_app(tmp_path)
    shop.send(app, "d-1", endpoint="github")
    key = entry(app).key
    from flask import Flask

    other = Flask("other")
    other.config["HOOKGUARD_ENDPOINTS"] = {"stripe": {"secrets": [shop.SECRET], "inbox": True}}
    other.config["HOOKGUARD_STORE"] = f"sqlite:///{tmp_path}/shop.sqlite3"
    from hookguard_flask import HookGuard as FlaskGuard

    assert FlaskGuard(other).run(key) is None
    assert "is of endpoint 'github', which has no inbox here" in caplog.text
    assert shop.states(app) == {"waiting": 1}


def test_store_that_fails_is_logged_and_the_engine_hears_nothing(tmp_path, caplog):
    app = shop.make_app(tmp_path)
    shop.send(app, "evt_1")
    key = entry(app).key
    with sqlite3.connect(f"{tmp_path}/shop.sqlite3") as file:
        file.execute("ALTER TABLE hookguard_inbox RENAME TO gone")
    file.close()
    assert extension_of(app).run(key) is None
    assert "it stays in the inbox, and its key is handed off again" in caplog.text


def test_events_of_a_queue_that_loses_a_third_are_all_handled(tmp_path):
    number, count = 30, 0
    engine = Engine()

    def hand_off(key):
        nonlocal count
        count += 1
        if count % 3:
            engine.keys.append(key)

    app = shop.make_app(tmp_path, hand_off=hand_off)
    for each in range(number):
        shop.send(app, f"evt_{each}")
    run = extension_of(app).run
    while shop.states(app) != {"done": number}:
        drained(app)
        while engine.keys:
            run(engine.keys.pop())
        pass_time(tmp_path, 900)
    assert count > number
    assert sorted(run[0] for run in shop.runs(tmp_path)) == sorted(f"evt_{each}" for each in range(number))


# --- ASGI


def site(folder, keys, *, slow=False):
    hooks = HookGuard(
        {"stripe": {"secrets": [shop.SECRET], "inbox": {"hand_off": keys.append}}}, store=f"sqlite:///{folder}/shop.sqlite3"
    )
    lives, seen = [], []

    async def handle(request):
        seen.append((request.scope["hookguard.event"].id if "hookguard.event" in request.scope else None, request.state.kept))
        if slow:
            await asyncio.sleep(PATIENCE)
        return Response(status_code=204)

    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def lifespan(app):
        lives.append("begins")
        try:
            yield {"kept": "state"}
        finally:
            lives.append("ends")

    app = Starlette(
        routes=[Route("/hooks/stripe", handle, methods=["POST"], middleware=[hooks.middleware("stripe")])], lifespan=lifespan
    )
    return app, hooks, lives, seen


def put_into(app, identifier):
    from hookguard.headers import Headers

    delivery = shop.signed("stripe", identifier)
    call = Call("POST", "/hooks/stripe", "shop.example", Headers(delivery.headers.items()), delivery.body)
    assert asyncio.run(call_asgi(app, call)).status == 200


def test_asgi_application_runs_entries_on_one_lifespan_of_each_loop(tmp_path):
    keys = []
    app, hooks, lives, seen = site(tmp_path, keys)
    for number in range(3):
        put_into(app, f"evt_{number}")
    summary = work(Worker(app, hooks.open_lanes(app), drain=True))
    assert (summary.handed_off, lives) == (3, ["begins", "ends"])

    async def two():
        return await asyncio.gather(*[hooks.run(key, app) for key in keys[:2]])

    assert [outcome.outcome for outcome in asyncio.run(two())] == ["handled", "handled"]
    assert asyncio.run(hooks.run(keys[2], app)).outcome == "handled"
    assert asyncio.run(hooks.run(keys[2], app)) is None
    assert lives == ["begins", "ends"] * 4
    assert [state for _, state in seen] == ["state"] * 3
    hooks.guard_for("stripe").store.close()


def test_cancelled_run_is_left_to_its_lease_and_the_engine_sees_its_cancellation(tmp_path):
    keys = []
    app, hooks, _, seen = site(tmp_path, keys, slow=True)
    put_into(app, "evt_1")
    work(Worker(app, hooks.open_lanes(app), drain=True))

    async def main():
        task = asyncio.ensure_future(hooks.run(keys[0], app))
        while not seen:  # noqa: ASYNC110 - the handler runs on this loop
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    store = hooks.guard_for("stripe").store
    (found,) = store.inbox().find(limit=10)
    assert (found.state.name, found.attempt) == ("HELD", 1)
    store.close()


def test_asgi_application_that_does_not_start_takes_nothing(tmp_path, caplog):
    keys = []
    app, hooks, _, _ = site(tmp_path, keys)
    put_into(app, "evt_1")
    work(Worker(app, hooks.open_lanes(app), drain=True))

    async def broken(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    assert asyncio.run(hooks.run(keys[0], broken)) is None
    assert "no database" in caplog.text
    store = hooks.guard_for("stripe").store
    assert [found.attempt for found in store.inbox().find(limit=10)] == [0]
    store.close()


# --- Django


@pytest.mark.parametrize("asynchronous", [False, True])
def test_django_project_runs_entries_by_their_keys(tmp_path, asynchronous):
    pytest.importorskip("django")
    from django.http import HttpResponse
    from django.test import Client
    from django.urls import path
    from django_site import site as project

    import hookguard_django
    from hookguard_django.work import application, open_lanes

    seen, keys = [], []

    def view(request):
        seen.append((request.webhook.id, request.webhook.attempt))
        return HttpResponse(status=204)

    async def async_view(request):
        return view(request)

    settings = {
        "ENDPOINTS": {"stripe": {"SECRETS": [shop.SECRET], "INBOX": {"HAND_OFF": keys.append}}},
        "STORE": f"sqlite:///{tmp_path}/shop.sqlite3",
    }
    chosen = hookguard_django.webhook("stripe")(async_view if asynchronous else view)
    with project(path("hooks/stripe", chosen), HOOKGUARD=settings):
        for identifier in ("evt_1", "evt_2"):
            delivery = shop.signed("stripe", identifier)
            headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in delivery.headers.items()}
            answer = Client().post("/hooks/stripe", delivery.body, content_type="application/json", **headers)
            assert answer.status_code == 200
        assert work(Worker(application(), open_lanes(None), drain=True)).handed_off == 2
        assert hookguard_django.run(keys[0]).outcome == "handled"
        assert asyncio.run(hookguard_django.arun(keys[1])).outcome == "handled"
        assert hookguard_django.run(keys[1]) is None
    assert sorted(seen) == [("evt_1", 1), ("evt_2", 1)]


def test_django_check_finds_a_function_that_does_not_exist(tmp_path):
    pytest.importorskip("django")
    from django_site import site as project

    settings = {
        "ENDPOINTS": {"stripe": {"SECRETS": [shop.SECRET], "INBOX": {"HAND_OFF": "json:later"}}},
        "STORE": f"sqlite:///{tmp_path}/shop.sqlite3",
    }
    with project(HOOKGUARD=settings):
        from hookguard_django.checks import check_settings

        (message,) = check_settings()
    assert message.id == "hookguard.C1"
    assert "hand_off 'json:later' cannot be imported" in message.msg


def test_keys_are_one_line_of_text(tmp_path):
    app = shop.make_app(tmp_path)
    shop.send(app, "evt_1")
    assert json.loads(json.dumps(entry(app).key)) == entry(app).key
    assert len(entry(app).key) == 64
