"""gunicorn with greenlets, the application imported before threads are replaced by them."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import servers
from flask_deliveries import SECRET, stripe

pytest.importorskip("gunicorn")
pytest.importorskip("gevent")
pytest.importorskip("sqlalchemy")

APP = f"""
import os, time
from pathlib import Path

from flask import Flask
from hookguard import SQLiteStore
from hookguard.stores.sql import SQLStore
from hookguard_flask import HookGuard, current_webhook

app = Flask(__name__, instance_path=str(Path(__file__).parent / "instance"))
url = os.environ["STORE"]
# A busy machine takes its time, and that is not what is tested.
if url.startswith("sqlite:///"):
    url = SQLiteStore(url[len("sqlite:///"):], timeout=20)
elif not url.startswith("redis"):
    url = SQLStore.from_url(url, timeout=20)
app.config["HOOKGUARD_STORE"] = url
app.config["HOOKGUARD_ENDPOINTS"] = {{"stripe": {{"secrets": [{SECRET!r}], "heartbeat": True, "lease": 20}}}}
hooks = HookGuard(app)


@app.post("/stripe")
@hooks.guard("stripe")
def hook():
    time.sleep(0.05)  # other greenlets run meanwhile
    with open(Path(__file__).with_name("ran"), "a") as ran:
        ran.write(current_webhook.id + "\\n")
    return ""
"""


@contextmanager
def greenlets(folder, store):
    (folder / "shop.py").write_text(APP)
    # A worker that stands still is killed after the timeout, and its deliveries are dropped.
    options = ["-k", "gevent", "--preload", "--workers", "2", "--no-control-socket"]
    options += ["--timeout", "20", "--graceful-timeout", "10"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", *options, "shop:app"],
        cwd=folder,
        env={**os.environ, "STORE": store},
        stderr=subprocess.PIPE,
        text=True,
    )
    killer = threading.Timer(300, process.kill)
    killer.start()
    lines = []
    drain = threading.Thread(target=lambda: lines.extend(process.stderr))
    try:
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", line):
                break
        else:
            pytest.fail("gunicorn did not start: " + "".join(lines))
        drain.start()
        yield int(found[1]), lines
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        killer.cancel()
        drain.join(30)
        process.stderr.close()


def stores():
    return {
        "sqlite": lambda folder: f"sqlite:///{folder}/claims.sqlite3",
        "sqlite through SQLAlchemy": lambda folder: f"sqlite+pysqlite:///{folder}/claims.db",
        "PostgreSQL": lambda folder: servers.POSTGRESQL,
        "MariaDB": lambda folder: servers.MARIADB,
        "Redis": lambda folder: servers.REDIS,
    }


@pytest.mark.parametrize("store", stores())
def test_greenlets_of_a_preloaded_application_share_a_store(store, tmp_path):
    if "sqlite" not in store:
        servers.needs(store)
    began = f"{time.time_ns()}"
    events = [f"evt_{began}_{number}" for number in range(30)]

    def send(event_id):
        delivery = stripe(event_id)
        headers = {"Content-Type": "application/json", **dict(delivery.headers)}
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/stripe", delivery.body, headers, method="POST")
        try:
            with urllib.request.urlopen(asked, timeout=30) as answered:
                return answered.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    with greenlets(tmp_path, stores()[store](tmp_path)) as (port, lines):
        with ThreadPoolExecutor(15) as many:
            first = list(many.map(send, events))
        again = [send(event_id) for event_id in events[:3]]
    assert set(first + again) == {200}, "".join(lines)
    assert sorted((tmp_path / "ran").read_text().split()) == sorted(events)
    assert "WORKER TIMEOUT" not in "".join(lines)
