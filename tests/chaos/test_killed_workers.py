"""Workers of a real server are killed with SIGKILL at random while 600 events come in over HTTP, some of them twice, concurrently.

The sender does what providers do: it sends again until it hears 2xx. Then every event that was acknowledged must have had
its effect, and every effect beyond the first must follow one whose worker was killed. The rig of ``test_chaos`` does without
a server, so that it is faster and aims.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("flask")
pytest.importorskip("gunicorn")
pytest.importorskip("httpx")

import httpx
from running import free_port

from hookguard import presets

SECRET = "a-secret-that-is-long-enough"
WORKERS = 6


class Receiver:
    """gunicorn with its workers, and who kills them."""

    def __init__(self, folder):
        self.folder = folder
        self.killed = set()
        self.url = f"http://127.0.0.1:{free_port()}"
        self._stop = threading.Event()

    def __enter__(self):
        environment = {
            # Without coverage's hooks, which would take longer than the code they measure.
            **{name: value for name, value in os.environ.items() if not name.startswith("COV")},
            "CHAOS_FOLDER": str(self.folder),
            "CHAOS_SECRET": SECRET,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "chaos_app:app",
            "--preload",
            "--workers",
            str(WORKERS),
            "--log-level",
            "critical",
        ]
        command += ["--bind", self.url.removeprefix("http://"), "--worker-tmp-dir", str(self.folder)]
        with (self.folder / "log").open("wb") as log:
            self.master = subprocess.Popen(command, env=environment, cwd=Path(__file__).parent, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while len(self.workers()) < WORKERS:
            assert self.master.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self._stop.set()
        self.master.terminate()
        self.master.wait(20)

    def workers(self):
        try:
            text = Path(f"/proc/{self.master.pid}/task/{self.master.pid}/children").read_text()
        except FileNotFoundError:
            return []
        return [int(pid) for pid in text.split()]

    def kill_now_and_then(self, every):
        chance = random.Random(7)
        while not self._stop.wait(chance.uniform(0, 2 * every)):
            if workers := self.workers():
                victim = chance.choice(workers)
                # Written down first: an effect must never be explained by a kill that comes after it was counted.
                self.killed.add(victim)
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    self.killed.discard(victim)


def deliver_until_acknowledged(client, url, event_id):
    """Act as a provider in a hurry."""
    body = json.dumps({"id": event_id}).encode()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        delivery = presets.STRIPE.sign(body, SECRET)  # signed again for each try, as Stripe does
        try:
            headers = dict(delivery.headers.items())
            answer = client.post(f"{url}/guarded", content=body, headers=headers)
        except httpx.TransportError:
            continue  # the worker died in the middle
        if answer.is_success:
            return
        assert answer.status_code in (500, 502, 503), answer.status_code
        time.sleep(0.05)
    raise AssertionError(f"{event_id} was never acknowledged")


def run(folder, events, kill_every):
    """Send the events while workers are killed; return the effects by event, and who was killed."""
    chance = random.Random(11)
    with Receiver(folder) as receiver, httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        killer = threading.Thread(target=receiver.kill_now_and_then, args=(kill_every,), daemon=True)
        killer.start()
        with ThreadPoolExecutor(12) as senders:
            sent = [
                senders.submit(deliver_until_acknowledged, client, receiver.url, f"evt_{number}")
                for number in range(events)
                for _ in range(2 if chance.random() < 0.15 else 1)
            ]
            for one in sent:
                one.result()
    effects = defaultdict(list)
    for line in (folder / "effects").read_text().splitlines():
        event_id, pid = line.split()
        effects[event_id].append(int(pid))
    return effects, receiver.killed


def lost(effects, events):
    return [number for number in range(events) if f"evt_{number}" not in effects]


def unexplained(effects, killed):
    """Effects beyond the first whose forerunner's worker was not killed."""
    return [(event_id, pids) for event_id, pids in effects.items() if any(pid not in killed for pid in pids[:-1])]


pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the server's workers through /proc")


def test_nothing_acknowledged_is_lost_and_every_extra_run_has_its_kill(tmp_path):
    events = 600
    effects, killed = run(tmp_path, events, kill_every=0.08)
    assert len(killed) >= 10, "too few kills to prove anything"
    assert lost(effects, events) == []
    assert unexplained(effects, killed) == []
    extra = sum(len(pids) - 1 for pids in effects.values())
    assert extra <= len(killed)
    print(f"{events} events, {len(killed)} workers killed, {extra} extra runs, 0 lost")
