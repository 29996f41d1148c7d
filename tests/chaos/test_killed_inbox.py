"""Receivers and workers are killed with SIGKILL at random while events come in over HTTP and are handled from the inbox.

Every event that was answered 2xx must have its effect, and every effect beyond the first must follow one whose worker was killed.
An event that kills its process must end as dead, alone. The workers that are known to be wrong go through the same rig.

``HOOKGUARD_CHAOS_EVENTS`` and ``HOOKGUARD_CHAOS_KILLS`` say how much: 300 and 12 for a look, 10,000 and 400 by hand.
``HOOKGUARD_CHAOS_ROUNDS`` is how often the poison is tried.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask")
pytest.importorskip("gunicorn")
pytest.importorskip("httpx")

import httpx
from running import free_port

from hookguard import SQLiteStore, presets
from hookguard.config import store_from

EVENTS = int(os.environ.get("HOOKGUARD_CHAOS_EVENTS", "300"))
KILLS = int(os.environ.get("HOOKGUARD_CHAOS_KILLS", "12"))
ROUNDS = int(os.environ.get("HOOKGUARD_CHAOS_ROUNDS", "1"))
SECRET = "a-secret-that-is-long-enough"
HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the server's workers through /proc")


def environment(folder, **more):
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("COV")},
        "CHAOS_FOLDER": str(folder),
        "CHAOS_SECRET": SECRET,
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]),
        **more,
    }


class Workers:
    """Worker processes; one that died is started again. ``application`` is the module that they run."""

    def __init__(self, folder, number, application="inbox_app", **more):
        self.application = application
        self.log = (folder / "worker.log").open("ab")
        self.environment = environment(folder, **more)
        self.processes = [self.start() for _ in range(number)]

    def start(self):
        command = [sys.executable, HERE / f"{self.application}.py"]
        return subprocess.Popen(command, env=self.environment, stdout=self.log, stderr=self.log)

    def restart_dead(self):
        self.processes = [each if each.poll() is None else self.start() for each in self.processes]

    def pids(self):
        return [each.pid for each in self.processes if each.poll() is None]

    def stop(self):
        for each in self.processes:
            each.terminate()
        for each in self.processes:
            each.wait(60)
        self.log.close()


class Rig:
    """gunicorn, workers, and the kills of both."""

    def __init__(self, folder, application="inbox_app", **more):
        self.folder, self.application, self.more = folder, application, more
        self.url = f"http://127.0.0.1:{free_port()}"
        self.killed, self.kinds = set(), Counter()

    def __enter__(self):
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            f"{self.application}:app",
            "--preload",
            "--workers",
            "3",
            "--log-level",
            "critical",
        ]
        command += ["--bind", self.url.removeprefix("http://"), "--worker-tmp-dir", str(self.folder)]
        with (self.folder / "log").open("wb") as log:
            self.master = subprocess.Popen(command, env=environment(self.folder, **self.more), cwd=HERE, stdout=log, stderr=log)
        self.workers = Workers(self.folder, 3, self.application, **self.more)
        deadline = time.monotonic() + 60
        while len(self.receivers()) < 3:
            assert self.master.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.workers.stop()
        self.master.terminate()
        self.master.wait(30)

    def receivers(self):
        try:
            text = Path(f"/proc/{self.master.pid}/task/{self.master.pid}/children").read_text()
        except FileNotFoundError:
            return []
        return [int(pid) for pid in text.split()]

    def busy_workers(self):
        """Those that have begun to run events: one that still starts has nothing to lose."""
        begun = {int(line.split()[0]) for line in Path(self.folder, "begun").read_text().splitlines()}
        return [pid for pid in self.workers.pids() if pid in begun]

    def kill(self, number, every=0.25):
        """Kill receivers and workers in turn."""
        chance = random.Random(7)
        while len(self.killed) < number:
            time.sleep(chance.uniform(0, 2 * every))
            self.workers.restart_dead()
            kind = "worker" if chance.random() < 0.6 else "receiver"
            if len(self.killed) == number - 1 and set(self.kinds) == {kind}:
                kind = "receiver" if kind == "worker" else "worker"
            if victims := self.busy_workers() if kind == "worker" else self.receivers():
                victim = chance.choice(victims)
                self.killed.add(victim)  # first: an effect must never be explained by a kill that comes after it was counted
                try:
                    os.kill(victim, signal.SIGKILL)
                    self.kinds[kind] += 1
                except ProcessLookupError:
                    self.killed.discard(victim)
        self.workers.restart_dead()


def deliver_until_acknowledged(client, url, event_id):
    """Act as a provider in a hurry."""
    body = json.dumps({"id": event_id, "type": "order.paid"}).encode()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        delivery = presets.STRIPE.sign(body, SECRET)
        try:
            answer = client.post(f"{url}/guarded", content=body, headers=dict(delivery.headers.items()))
        except httpx.TransportError:
            continue  # the receiver died in the middle
        if answer.is_success:
            return event_id
        assert answer.status_code in (500, 502, 503), answer.status_code
        time.sleep(0.05)
    raise AssertionError(f"{event_id} was never acknowledged")


def send(rig, killer, events):
    """Send events until there are enough, and until all kills are done; return those that were acknowledged."""
    chance = random.Random(11)
    acknowledged = []
    with httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0)) as client, ThreadPoolExecutor(8) as senders:
        while len(acknowledged) < events or killer.is_alive():
            batch = [f"evt_{len(acknowledged) + number}" for number in range(50)]
            twice = [event for event in batch if chance.random() < 0.1]
            sent = [senders.submit(deliver_until_acknowledged, client, rig.url, event) for event in batch + twice]
            acknowledged += sorted({one.result() for one in sent})
    return acknowledged


def wait_until_handled(rig, inbox):
    """Wait as long as entries are handled; return the states of all."""
    handled, deadline = -1, 0.0
    while True:
        numbers: Counter[str] = Counter()
        for count in inbox.counts():
            numbers[count.state.name] += count.number
        if not numbers["WAITING"] and not numbers["HELD"]:
            return {state for state, number in numbers.items() if number}
        if numbers["DONE"] != handled:
            handled, deadline = numbers["DONE"], time.monotonic() + 180
        assert time.monotonic() < deadline, numbers
        rig.workers.restart_dead()
        time.sleep(0.1)


def effects_in(folder):
    found = defaultdict(list)
    for line in (folder / "effects").read_text().splitlines():
        event_id, pid = line.split()
        found[event_id].append(int(pid))
    return found


def run(folder, events, kills, store=None, **more):
    """Return who was acknowledged, the effects of each event, and who was killed; ``store`` is the URL of a server."""
    more |= {} if store is None else {"CHAOS_STORE": store}
    kept: Any = SQLiteStore(folder / "inbox.sqlite3") if store is None else store_from(store)
    found = run_rig(Rig(folder, **more), kept.inbox(), events, kills)
    kept.close()
    return found


def run_rig(rig, inbox, events, kills):
    """As ``run``; the inbox is the one that the rig's processes use."""
    with rig:
        killer = threading.Thread(target=rig.kill, args=(kills,), daemon=True)
        killer.start()
        acknowledged = send(rig, killer, events)
        killer.join(60)
        states = wait_until_handled(rig, inbox)
    assert set(rig.kinds) == {"worker", "receiver"}, "both kinds must be killed"
    return acknowledged, effects_in(rig.folder), rig.killed, states


def lost(acknowledged, effects):
    return [event for event in acknowledged if event not in effects]


def unexplained(effects, killed):
    """Effects beyond the first whose forerunner's worker was not killed."""
    return [(event_id, pids) for event_id, pids in effects.items() if any(pid not in killed for pid in pids[:-1])]


@contextmanager
def django_project(kind, folder, **also):
    """The rig of a Django project, its inbox, the database's URL, and what closes the inbox; ``also`` is the environment."""
    pytest.importorskip("django")
    from databases import own_database
    from django_site import configure
    from sqlalchemy import make_url

    configure()
    from django.db import connections

    from hookguard_django.stores import ORMStore

    engine = {"sqlite": "sqlite3", "postgresql": "postgresql", "mariadb": "mysql"}[kind]
    with own_database(kind) as address:
        url = make_url(address)
        database = {"ENGINE": f"django.db.backends.{engine}", "NAME": url.database, "USER": url.username or ""}
        database |= {"PASSWORD": url.password or "", "HOST": url.host or "", "PORT": url.port or ""}
        if kind == "sqlite":
            database["OPTIONS"] = {"timeout": 20, "init_command": "PRAGMA journal_mode = WAL"}
        # Long enough for a busy machine: without a lost lease, only a kill explains a second run.
        more = {"CHAOS_DATABASE": json.dumps(database | {"CONN_MAX_AGE": 60}), "CHAOS_LEASE": "30"} | also
        migrate = [sys.executable, HERE / "django_inbox_app.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, env=environment(folder, **more), check=True)
        connections.settings["chaos"] = connections.configure_settings({"default": {}, "chaos": database})["chaos"]
        try:
            yield Rig(folder, "django_inbox_app", **more), ORMStore("chaos").inbox(), address, connections["chaos"].close
        finally:
            connections["chaos"].close()
            del connections["chaos"], connections.settings["chaos"]


@pytest.mark.parametrize(
    "kind", ["sqlite", "postgresql", "mariadb", "redis", "django sqlite", "django postgresql", "django mariadb"]
)
def test_nothing_answered_is_lost_and_every_extra_run_has_its_kill(kind, tmp_path, capsys):
    if kind == "sqlite":
        acknowledged, effects, killed, states = run(tmp_path, EVENTS, KILLS)
    elif kind.startswith("django"):
        with django_project(kind.split()[1], tmp_path) as (rig, inbox, *_):
            acknowledged, effects, killed, states = run_rig(rig, inbox, EVENTS // 2, KILLS)
    elif kind == "redis":
        pytest.importorskip("redis")
        from redis_servers import Server

        with closing(Server(tmp_path, "--appendonly", "yes")) as server:
            acknowledged, effects, killed, states = run(tmp_path, EVENTS, KILLS, server.url)
    else:
        pytest.importorskip("sqlalchemy")
        from databases import own_database

        with own_database(kind) as url:
            acknowledged, effects, killed, states = run(tmp_path, EVENTS, KILLS, url)
    extra = sum(len(pids) - 1 for pids in effects.values())
    with capsys.disabled():
        print(f"\n{kind}: {len(acknowledged)} events, {len(killed)} kills, {extra} extra runs")
    assert lost(acknowledged, effects) == []
    assert unexplained(effects, killed) == []
    assert states == {"DONE"}


def test_the_rig_finds_that_taken_must_not_mean_done(tmp_path):
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        acknowledged, effects, _, _ = run(folder, 200, 12, CHAOS_WRONG="taken-means-done")
        if lost(acknowledged, effects):
            return
    pytest.fail("no event was lost, although what was taken was gone")


def poison(folder, **more):
    """Let workers handle 200 events, one of which kills its process; return the entries' states and the kills."""
    from hookguard import Delivery, Endpoint, Verifier
    from hookguard.inbox.kept import Keeper
    from hookguard.inbox.settings import InboxSettings

    inbox, endpoint = SQLiteStore(folder / "inbox.sqlite3").inbox(), Endpoint(Verifier("stripe", [SECRET]))
    keeper = Keeper(endpoint="stripe", preset=endpoint.preset, settings=InboxSettings(), retention=3600)

    def stored(number):
        body = json.dumps({"id": f"evt_{number}", "type": "poison" if number == 70 else "order.paid"}).encode()
        signed = presets.STRIPE.sign(body, SECRET)
        headers = [*signed.headers.items(), ("host", "shop.example")]
        event = endpoint.verifier.verify(Delivery(body, headers, "POST", "/guarded", None, True, "/guarded"))
        return keeper.keep(event, endpoint.key(event))

    inbox.put([stored(number) for number in range(200)])
    deaths, deadline = 0, time.monotonic() + 180
    while any(count.state.name in ("WAITING", "HELD") for count in inbox.counts()):
        assert time.monotonic() < deadline, inbox.counts()
        worker = Workers(folder, 1, CHAOS_LEASE="1", CHAOS_DRAIN="1", **more)
        deaths += worker.processes[0].wait(60) == -signal.SIGKILL
        worker.log.close()
        time.sleep(0.1)
    return {entry.event_id: entry for entry in inbox.find(limit=500)}, deaths


@pytest.mark.parametrize("number", range(ROUNDS))
def test_event_that_kills_its_process_dies_alone_after_five_kills(number, tmp_path):
    entries, deaths = poison(tmp_path)
    assert deaths == 5
    dead = {event: entry.reason for event, entry in entries.items() if entry.state.name == "DEAD"}
    assert list(dead) == ["evt_70"]
    assert "its worker died 5 times" in dead["evt_70"]
    assert set(effects_in(tmp_path)) == {f"evt_{number}" for number in range(200)} - {"evt_70"}


def test_the_poison_finds_that_crashes_must_not_count_as_tries(tmp_path):
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        entries, _ = poison(folder, CHAOS_WRONG="crashes-are-tries")
        if [event for event, entry in entries.items() if entry.state.name == "DEAD" and event != "evt_70"]:
            return
    pytest.fail("no innocent event died beside the poison")
