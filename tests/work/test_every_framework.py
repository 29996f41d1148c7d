"""The same stored deliveries end in the same states in every framework, behind its checks of host, scheme and CSRF."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

for needed in ("flask", "flask_wtf", "django", "starlette", "fastapi", "litestar", "click"):
    pytest.importorskip(needed)

import every_app

from hookguard import Delivery, Endpoint, SQLiteStore, Verifier, presets
from hookguard.inbox.kept import Keeper
from hookguard.inbox.settings import InboxSettings

HERE = Path(__file__).parent

#: The content of the event, the entry's state afterwards, and its attempts.
EVENTS = {
    "fine": ({}, "DONE", 1),
    "fails-once": ({"fails": 1}, "DONE", 2),
    "fails-always": ({"fails": 9}, "DEAD", 2),
    "raises": ({"raises": True}, "WAITING", 1),
    "gives-up": ({"gives_up": True}, "DEAD", 1),
    "not-found": ({"status": 404}, "WAITING", 1),
}
SETTINGS = InboxSettings(tries=2, first=60, keep_headers=("x-kept",))
TARGET = f"{every_app.PATH}?shop=n%C3%B6rd&x=1"


def stored(name, host=every_app.HOST, secure=True, target=TARGET, **asked):
    """A delivery as an inbox keeps it."""
    body = json.dumps({"id": f"evt-{name}", "type": "order.paid", "text": "Grüße", **asked}).encode()
    signed = presets.STRIPE.sign(body, every_app.SECRET)
    headers = [*signed.headers.items(), ("host", host), ("content-type", "application/json"), ("x-kept", "yes")]
    endpoint = Endpoint(Verifier("stripe", [every_app.SECRET]))
    event = endpoint.verifier.verify(Delivery(body, headers, "POST", target, "192.0.2.7", secure, target))
    keeper = Keeper(endpoint="stripe", preset=endpoint.preset, settings=SETTINGS, retention=3600)
    return keeper.keep(event, endpoint.key(event))


#: The standard error of each worker that ran.
tracebacks = []


def work_off(kind, folder, **more):
    """Let a worker of this kind drain the inbox in the folder."""
    environment = {
        **os.environ,
        "EVERY_KIND": kind,
        "EVERY_FOLDER": str(folder),
        **more,
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
    }
    command = [sys.executable, "-m", "hookguard.cli", "work", "every_app:app", "--hooks", "every_app:hooks", "--drain", "--json"]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tracebacks.append(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def entries(inbox):
    return {entry.event_id.removeprefix("evt-"): entry for entry in inbox.find(limit=100)}


@pytest.mark.parametrize("kind", every_app.KINDS)
def test_same_deliveries_end_in_the_same_states(kind, tmp_path):
    inbox = SQLiteStore(tmp_path / "inbox.sqlite3").inbox()
    inbox.put([stored(name, **asked) for name, (asked, _, _) in EVENTS.items()])
    work_off(kind, tmp_path)
    found = {name: (entry.state.name, entry.attempt) for name, entry in entries(inbox).items()}
    # Litestar answers 500 to an exception and does not let it out, so the guard around it sees the status only.
    hidden = {"gives-up": ("WAITING", 1)} if kind == "litestar" else {}
    assert found == {name: (state, attempt) for name, (_, state, attempt) in EVENTS.items()} | hidden
    runs = [json.loads(line) for line in (tmp_path / "runs").read_text().splitlines()]
    facts = {tuple(facts) for _, _, *facts, _, _ in runs}
    assert facts == {(every_app.HOST, "https", every_app.PATH, "shop=n%C3%B6rd&x=1", "192.0.2.7")}
    assert {kept for *_, kept in runs} == {"yes"}


@pytest.mark.parametrize("kind", every_app.KINDS)
def test_mistake_has_a_traceback_and_a_decision_has_none(kind, tmp_path):
    inbox = SQLiteStore(tmp_path / "inbox.sqlite3").inbox()
    inbox.put([stored("gives-up", gives_up=True)])
    work_off(kind, tmp_path)
    assert "Traceback" not in tracebacks[-1]
    inbox.put([stored("raises", raises=True)])
    work_off(kind, tmp_path)
    if kind.startswith("flask"):  # Django's log goes by its settings; others only raise it, and the worker has a line for it
        assert "RuntimeError: the handler's own mistake" in tracebacks[-1]


# Without these, the test above would pass in an application that checks nothing.


@pytest.mark.parametrize("kind", ["flask", "django_wsgi", "django_asgi_async", "starlette_route", "fastapi_dependency"])
def test_checks_of_host_and_scheme_are_on(kind, tmp_path):
    inbox = SQLiteStore(tmp_path / "inbox.sqlite3").inbox()
    inbox.put(
        [stored("other-host", host="evil.example"), stored("plain", secure=False), stored("elsewhere", target="/elsewhere")]
    )
    work_off(kind, tmp_path)
    found = entries(inbox)
    assert {entry.state.name for entry in found.values()} == {"WAITING"}
    assert {entry.reason.partition(":")[0] for entry in found.values()} == {"not_settled"}
    assert not (tmp_path / "runs").exists()
