"""The page about the worker: its commands work on real projects, and its handler does what the page says."""

import configparser
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

for needed in ("flask", "django", "starlette", "click"):
    pytest.importorskip(needed)

from inboxes import SECRET, Box
from pages import blocks, shell

from hookguard import GiveUp

PAGE = blocks("docs/worker.md")

SHOP = f"""
from flask import Flask
from hookguard_flask import HookGuard
app = Flask(__name__)
app.config["HOOKGUARD_ENDPOINTS"] = {{"stripe": {{"secrets": ["{SECRET}"], "inbox": True}}}}
app.config["HOOKGUARD_STORE"] = "sqlite:///hookguard.sqlite3"
hooks = HookGuard(app)
app.post("/hooks/stripe", endpoint="stripe")(hooks.guard("stripe")(lambda: ("", 204)))
"""
MANAGE = f"""
import sys
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path
settings.configure(
    SECRET_KEY="x", ALLOWED_HOSTS=["shop.example"], ROOT_URLCONF="__main__", USE_TZ=True, INSTALLED_APPS=["hookguard_django"],
    HOOKGUARD={{"STORE": "sqlite:///hookguard.sqlite3", "ENDPOINTS": {{"stripe": {{"SECRETS": ["{SECRET}"], "INBOX": True}}}}}},
)
import django
django.setup()
from hookguard_django import webhook
urlpatterns = [path("hooks/stripe", webhook("stripe")(lambda request: HttpResponse(status=204)))]
execute_from_command_line(sys.argv)
"""
MAIN = f"""
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from hookguard_starlette import HookGuard
hooks = HookGuard({{"stripe": {{"secrets": ["{SECRET}"], "inbox": True}}}}, store="sqlite:///hookguard.sqlite3")
async def stripe(request):
    return Response(status_code=204)
app = Starlette(routes=[Route("/hooks/stripe", stripe, methods=["POST"], middleware=[hooks.middleware("stripe")])])
"""


def start(line, folder):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable if word == "python" else word for word in shlex.split(line)]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.runs("docs/worker.md", "The worker")
def test_each_command_handles_what_is_stored_and_stops(tmp_path):
    for name, text in {"shop.py": SHOP, "manage.py": MANAGE, "main.py": MAIN}.items():
        (tmp_path / name).write_text(text)
    box = Box(tmp_path / "hookguard.sqlite3")
    lines = PAGE["The worker"].printed().splitlines()
    assert len(lines) == 3
    for number, line in enumerate(lines):
        key = box.put(f"evt_{number}")
        worker = start(line, tmp_path)
        deadline = time.monotonic() + 30
        while box.state(key) != "DONE":
            assert worker.poll() is None, worker.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        printed, _ = worker.communicate(timeout=30)
        assert worker.returncode == 0, printed
        assert "working on stripe: up to 8 concurrently, from SQLiteInbox(" in printed
        assert f"stripe handled: 'order.paid' 'evt_{number}'" in printed
        assert "ended: 1 handled, in" in printed


@pytest.mark.runs("docs/worker.md", "What your answer means")
def test_the_handler_of_the_page_gives_up_on_a_customer_that_is_gone(capsys):
    handle = PAGE["What your answer means"].run()["handle"]
    customers = {"ada": SimpleNamespace(orders=1)}
    event = SimpleNamespace(json=lambda: {"customer": "ada"}, attempt=6, received_at=1_800_000_000.0)
    handle(event, customers)
    assert customers["ada"].orders == 2
    assert "1800000000.0" in capsys.readouterr().out
    event.json = lambda: {"customer": "bob"}
    with pytest.raises(GiveUp, match="this customer is gone"):
        handle(event, customers)


@pytest.mark.runs("docs/worker.md", "What your answer means 2")
def test_the_commands_about_the_inbox_work_as_printed(tmp_path):
    box = Box(tmp_path / "hookguard.sqlite3")
    key, other = box.put("evt_1"), box.put("evt_2")
    box.kill(key)
    box.kill(other)
    printed = PAGE["What your answer means 2"].printed().replace("4f1c2a9be0d7", key[:12])
    done = shell(printed, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 of 1 entries are due again" in done.stdout
    assert "1 of 1 entries are gone" in done.stdout
    assert (box.state(key), box.state(other)) == (None, "WAITING")


@pytest.mark.runs("docs/worker.md", "Stopping and crashing")
def test_the_unit_gives_the_worker_its_grace():
    unit = configparser.ConfigParser(strict=True)
    unit.optionxform = str
    unit.read_string(PAGE["Stopping and crashing"].printed())
    from hookguard.work.defaults import GRACE

    assert unit.getfloat("Service", "TimeoutStopSec") > GRACE
    assert unit["Service"]["ExecStart"].endswith("flask --app shop hookguard work")
