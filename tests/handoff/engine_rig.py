"""An example of the page on the hand-off in a folder of its own, with a real engine: its worker, and hookguard's."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

SECRET = "a-secret-of-your-own-choosing"
PATIENCE = 90

#: The user's own code, which the examples import. The first run of an event that is slow lasts until its process is killed.
ORDERS = """
import os, time

def note(*facts):
    with open(os.path.join(os.path.dirname(__file__), "runs"), "a") as runs:
        runs.write(" ".join(map(str, facts)) + "\\n")

def handle(event):
    note("begins", event.id, event.attempt)
    if event.json()["slow"] and event.attempt == 1:
        time.sleep(600)
    note("ends", event.id, event.attempt)
"""

#: Sends deliveries to the application of an example, as its server would.
DELIVER = """
import asyncio, importlib, json, sys
from hookguard import presets
from hookguard.work.asgi import call_asgi
from hookguard.work.calling import Call, is_asgi
from hookguard.work.wsgi import call_wsgi

module, secret = sys.argv[1:3]
if module == "shop":
    import os
    os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
    from django.core.wsgi import get_wsgi_application
    app = get_wsgi_application()
else:
    app = importlib.import_module(module).app
for name in sys.argv[3:]:
    body = json.dumps({"slow": name.startswith("slow")}).encode()
    signed = presets.GITHUB.sign(body, secret, id=name, type="push", headers={"content-type": "application/json"})
    call = Call("POST", "/hooks/github", "shop.example", signed.headers, signed.body)
    answer = asyncio.run(call_asgi(app, call)) if is_asgi(app) else call_wsgi(app, call)
    assert answer.status == 200, answer
"""


def needs_engine(name):
    """Return an engine's module, or skip the test."""
    return pytest.importorskip(name, reason=f"{name} is missing: pip install 'hookguard-webhooks[engines]'")


class Example:
    """The files of one example, and the processes that its commands start."""

    def __init__(self, folder, module, environment):
        self.folder = folder
        self.module = module
        root = Path(__file__).parents[2]
        path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {
            **os.environ,
            "PATH": path,
            "PYTHONPATH": os.pathsep.join([str(folder), str(root)]),
            "GITHUB_SECRET": SECRET,
            **environment,
        }
        self._started = []
        (folder / "orders.py").write_text(ORDERS)
        own = folder / "bin" / "hookguard"  # the package may not be installed
        own.parent.mkdir(exist_ok=True)
        own.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hookguard.cli "$@"\n')
        own.chmod(0o755)

    def deliver(self, *names):
        """Send an event for each name; one whose name begins with "slow" does not end in its first run."""
        self.run([sys.executable, "-c", DELIVER, self.module, SECRET, *names])

    def run(self, command):
        """Run a command to its end."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            shell=isinstance(command, str),
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, command):
        """Start a command, as a group of processes."""
        log = (self.folder / f"{len(self._started)}.log").open("w")
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        self._started.append(process)
        return process

    def kill(self, process):
        """Kill a command with all processes of its session: some engines give each task a group of its own."""
        found = subprocess.run(["ps", "-o", "pid=", "-s", str(process.pid)], capture_output=True, text=True, check=False)
        for number in {process.pid, *map(int, found.stdout.split())}:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait(PATIENCE)

    def kill_all(self):
        for process in self._started:
            self.kill(process)

    def runs(self, what):
        """The events whose handler got so far, each with its attempt."""
        path = self.folder / "runs"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return sorted((event, int(attempt)) for found, event, attempt in lines if found == what)

    @property
    def inbox(self):
        (found,) = self.folder.rglob("hookguard.sqlite3")
        return found

    def states(self):
        with sqlite3.connect(self.inbox, timeout=30) as file:
            found = [state for (state,) in file.execute("SELECT state FROM hookguard_inbox")]
        file.close()
        return found

    def pass_time(self):
        """Let leases and patience be over, without waiting for it."""
        with sqlite3.connect(self.inbox, timeout=30) as file:
            file.execute("UPDATE hookguard_inbox SET due_at = due_at - 901 WHERE due_at IS NOT NULL")
        file.close()

    def wait(self, holds, what):
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"not in time: {what}\n{self.logs()}"
            time.sleep(0.05)

    def logs(self):
        return "\n".join(f"{path.name}:\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))
