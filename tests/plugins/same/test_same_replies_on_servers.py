"""The same again over real sockets: gunicorn for WSGI and uvicorn for ASGI, with the SQLite store."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

for needed in ("flask", "django", "starlette", "fastapi", "litestar", "quart", "httpx", "gunicorn", "uvicorn"):
    pytest.importorskip(needed)

import httpx
from running import free_port
from same_scenarios import ENDPOINTS, scenarios

HERE = Path(__file__).parent
SERVED = [
    ("flask_sync", "wsgi"),
    ("flask_async", "wsgi"),
    ("django_sync", "wsgi"),
    ("django_sync", "asgi"),
    ("django_async", "asgi"),
    ("starlette", "asgi"),
    ("fastapi_dependency", "asgi"),
    ("litestar", "asgi"),
    ("quart", "asgi"),
]
#: Both servers believe X-Forwarded-Proto from 127.0.0.1 unless they are set not to: a proxy on the same host has that address.
UNTRUSTING = {"wsgi": ["--forwarded-allow-ips", ""], "asgi": ["--no-proxy-headers"]}
#: One framework's own way (see the test without servers).
SKIPPED = {("litestar", "a handler that cannot read the JSON"), ("quart", "a handler that cannot read the JSON")}


@pytest.fixture(scope="module", params=SERVED, ids="-".join)
def server(request, tmp_path_factory):
    kind, gateway = request.param
    folder = tmp_path_factory.mktemp(kind)
    port = free_port()
    settings = {"endpoints": ENDPOINTS, "store": f"sqlite:///{folder}/claims.sqlite3"}
    environment = {
        **os.environ,
        "SAME_KIND": kind,
        "SAME_GATEWAY": gateway,
        "SAME_SETTINGS": json.dumps(settings),
        "SAME_RAN": str(folder / "ran"),
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
    }
    if gateway == "wsgi":
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "same_apps:app",
            "--bind",
            f"127.0.0.1:{port}",
            "--workers",
            "2",
            *UNTRUSTING["wsgi"],
            "--log-level",
            "error",
        ]
    else:
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "same_apps:app",
            "--port",
            str(port),
            "--log-level",
            "error",
            "--lifespan",
            "off",
            *UNTRUSTING["asgi"],
        ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=HERE, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise AssertionError(f"{kind} did not start:\n{(folder / 'log').read_text()}") from None
                    time.sleep(0.05)
            yield kind, f"http://127.0.0.1:{port}", folder
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize("name", scenarios())
def test_the_same_reply_over_a_socket(server, name):
    kind, url, folder = server
    if (kind, name) in SKIPPED:
        pytest.skip("this framework turns every exception into its own 500")
    claims = folder / "claims.sqlite3"
    forget_everything(claims)
    ran = folder / "ran"
    ran.unlink(missing_ok=True)
    for number, step in enumerate(scenarios()[name], 1):
        delivery, wanted = step.delivery, step.answer
        # A connection each: a server may close the old one after an exception.
        answer = httpx.request(
            delivery.method,
            f"{url}/hooks/{step.endpoint}{delivery.url}",
            content=delivery.body,
            headers=list(delivery.headers.items()),
            timeout=20,
        )
        count = len(ran.read_text().splitlines()) if ran.exists() else 0
        assert (answer.status_code, count) == (wanted.status, wanted.ran), f"step {number}: {answer.text[:200]}"
        for header, value in wanted.headers:
            assert answer.headers.get(header) == value, f"step {number}: {header}"
        if wanted.body is not None:
            assert answer.content == wanted.body, f"step {number}"


def forget_everything(path):
    """Each scenario starts with an empty store."""
    if path.exists():
        import contextlib
        import sqlite3

        with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection, connection:
            connection.execute("DELETE FROM hookguard_claim")
