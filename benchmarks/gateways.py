"""One request to an application in this process: what gunicorn hands to WSGI, and what uvicorn hands to ASGI."""

from __future__ import annotations

import hmac
import io
import json
import sys
import threading

from hookguard import presets

SECRET = "a-secret-that-is-long-enough"
BODY = json.dumps({"id": 1, "filler": "x" * 2000}).encode()
#: Requests of one call of an ASGI candidate: entering the event loop costs as much as some of what is measured.
BATCH = 50


def sign(event_id="d-1", body=BODY):
    """Return the headers of a genuine GitHub delivery."""
    delivery = presets.GITHUB.sign(body, SECRET, id=event_id, type="push", headers={"Content-Type": "application/json"})
    return {
        "host": "localhost",
        "accept": "*/*",
        "user-agent": "GitHub-Hookshot/0000000",
        "content-length": str(len(body)),
        **dict(delivery.headers.items()),
    }


def genuine(body, header):
    """The check by hand."""
    return hmac.compare_digest("sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex(), header or "")


class Remember:
    """Ids in a dict behind a lock."""

    def __init__(self):
        self._lock = threading.Lock()
        self._seen: dict[str, bool] = {}

    def first(self, event_id):
        with self._lock:
            self._seen.pop(event_id, None)
            self._seen[event_id] = True
            return True


def environ(path):
    """Return the environ that gunicorn makes for a delivery."""
    found = {
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.url_scheme": "http",
        "SERVER_SOFTWARE": "gunicorn/23.0.0",
        "REQUEST_METHOD": "POST",
        "QUERY_STRING": "",
        "RAW_URI": path,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
    }
    for name, value in sign().items():
        key = name.upper().replace("-", "_")
        found[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return found


def wsgi(app, path="/hook"):
    """Return a call of the app that makes one request."""
    base = environ(path)
    statuses = []

    def call():
        answer = app({**base, "wsgi.input": io.BytesIO(BODY)}, lambda status, headers, exc=None: statuses.append(status))
        for _ in answer:
            pass
        answer.close()

    call()
    assert statuses.pop().startswith("204"), statuses
    return call


def scope(path="/hook", headers=None):
    """Return the scope that uvicorn makes for a delivery."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40000),
        "scheme": "http",
        "method": "POST",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers or encoded(sign()),
        "state": {},
    }


def encoded(headers):
    """Return headers as ASGI has them."""
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def request(app, path="/hook", headers=None):
    """Make one request, and return its status."""
    came = [{"type": "http.request", "body": BODY, "more_body": False}]
    status = 0

    async def receive():
        return came.pop()

    async def send(message):
        nonlocal status
        status = message.get("status", status)

    await app(scope(path, headers), receive, send)
    return status


def asgi(app, loop, path="/hook"):
    """Return a call of the app that makes a batch of requests."""
    headers = encoded(sign())

    async def batch():
        for _ in range(BATCH):
            await request(app, path, headers)

    assert loop.run_until_complete(request(app, path, headers)) == 204

    return lambda: loop.run_until_complete(batch())
