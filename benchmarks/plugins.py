"""What a guarded view costs, against the same framework with the check written by hand in the view.

    python benchmarks/plugins.py

GitHub's scheme over 2 KB, called through each framework's own gateway without a server. Rows: the view alone; the view with
the check a careful developer writes; the same with a dict behind a lock to remember ids, which is as near as hand-written
code comes to what the guard does; and the guard (verify, claim, complete, log line off) with the memory store. The figures
are CPU time of a whole request; the ratio is to the view with the check and the dict.
"""

import asyncio
import hmac
import io
import json
import logging
import threading
import warnings

from rounds import compare, show

from hookguard import MemoryStore, presets

SECRET = "a-secret-that-is-long-enough"
BODY = json.dumps({"id": 1, "filler": "x" * 2000}).encode()
DELIVERY = presets.GITHUB.sign(BODY, SECRET, id="d-1", type="push", headers={"Content-Type": "application/json"})
ENDPOINTS = {"github": {"secrets": [SECRET], "retention": 1e-6}}  # forgotten at once, so that every call is a new event
BATCH = 50


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


def genuine(body, header):
    """The check by hand."""
    return hmac.compare_digest("sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex(), header or "")


def environ():
    """What a WSGI server hands over."""
    found = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/hook",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
    }
    for name, value in DELIVERY.headers.items():
        if not name.startswith("content"):
            found["HTTP_" + name.upper().replace("-", "_")] = value
    return found


def wsgi(app):
    """Return a call of the app that makes one request."""
    base = environ()
    statuses = []

    def call():
        answer = app({**base, "wsgi.input": io.BytesIO(BODY)}, lambda status, headers, exc=None: statuses.append(status))
        for _ in answer:
            pass
        answer.close()

    call()
    assert statuses.pop().startswith("204"), statuses
    return call


def asgi(app, loop):
    """Return a call of the app that makes a batch of requests."""
    headers = [(name.encode(), value.encode()) for name, value in DELIVERY.headers.items()]
    headers += [(b"host", b"localhost"), (b"content-length", str(len(BODY)).encode())]
    sent = []

    async def send(message):
        sent.append(message)

    async def one():
        came = [{"type": "http.request", "body": BODY, "more_body": False}]

        async def receive():
            return came.pop()

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/hook",
            "raw_path": b"/hook",
            "query_string": b"",
            "headers": headers,
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
            "root_path": "",
        }
        await app(scope, receive, send)

    async def batch():
        for _ in range(BATCH):
            await one()

    loop.run_until_complete(one())
    assert sent[0]["status"] == 204, sent

    def call():
        sent.clear()
        loop.run_until_complete(batch())

    return call


def flask():
    """Flask, by WSGI."""
    from flask import Flask, request

    from hookguard_flask import HookGuard

    def make(view, guard=False):
        app = Flask("bench")
        if guard:
            app.config.update(HOOKGUARD_ENDPOINTS=ENDPOINTS, HOOKGUARD_STORE=MemoryStore())
            view = HookGuard(app).guard("github")(view)
        app.post("/hook")(view)
        return wsgi(app)

    seen = Remember()

    def plain():
        return "", 204

    def checked():
        return ("", 204) if genuine(request.get_data(), request.headers.get("X-Hub-Signature-256")) else ("", 401)

    def remembered():
        if not genuine(request.get_data(), request.headers.get("X-Hub-Signature-256")):
            return "", 401
        return ("", 204) if seen.first(request.headers["X-GitHub-Delivery"]) else ("", 200)

    return make(plain), make(checked), make(remembered), make(plain, guard=True), 1


def django():
    """Django, by WSGI."""
    from django.conf import settings

    settings.configure(
        SECRET_KEY="x",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DATABASES={},
        LOGGING_CONFIG=None,
        HOOKGUARD={"ENDPOINTS": ENDPOINTS, "STORE": MemoryStore()},
    )
    import django as package

    package.setup()
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.urls import path

    from hookguard_django import webhook

    seen = Remember()

    def plain(request):
        return HttpResponse(status=204)

    def checked(request):
        return HttpResponse(status=204 if genuine(request.body, request.headers.get("X-Hub-Signature-256")) else 401)

    def remembered(request):
        if not genuine(request.body, request.headers.get("X-Hub-Signature-256")):
            return HttpResponse(status=401)
        return HttpResponse(status=204 if seen.first(request.headers["X-GitHub-Delivery"]) else 200)

    views = {"plain": plain, "checked": checked, "remembered": remembered, "guarded": webhook("github")(plain)}
    urlpatterns.extend(path(name, view) for name, view in views.items())
    handler = WSGIHandler()

    def at(name):
        return wsgi(lambda environ, start: handler({**environ, "PATH_INFO": f"/{name}"}, start))

    return (*(at(name) for name in views), 1)


urlpatterns: list = []


def starlette():
    """Starlette, by ASGI."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from hookguard_starlette import HookGuard

    loop = asyncio.new_event_loop()
    seen = Remember()

    async def plain(request):
        return Response(status_code=204)

    async def checked(request):
        return Response(status_code=204 if genuine(await request.body(), request.headers.get("x-hub-signature-256")) else 401)

    async def remembered(request):
        if not genuine(await request.body(), request.headers.get("x-hub-signature-256")):
            return Response(status_code=401)
        return Response(status_code=204 if seen.first(request.headers["x-github-delivery"]) else 200)

    def make(view, *middleware):
        return asgi(Starlette(routes=[Route("/hook", view, methods=["POST"], middleware=list(middleware))]), loop)

    hooks = HookGuard(ENDPOINTS, store=MemoryStore())
    return make(plain), make(checked), make(remembered), make(plain, hooks.middleware("github")), BATCH


def fastapi():
    """FastAPI with a dependency, by ASGI."""
    from fastapi import Depends, FastAPI, HTTPException, Request

    from hookguard_starlette import HookGuard

    loop = asyncio.new_event_loop()
    seen = Remember()

    async def check(request: Request):
        if not genuine(await request.body(), request.headers.get("x-hub-signature-256")):
            raise HTTPException(401)

    async def remember(request: Request):
        await check(request)
        if not seen.first(request.headers["x-github-delivery"]):
            raise HTTPException(200)

    def make(*dependencies, middleware=None):
        app = FastAPI()
        if middleware is not None:
            app.add_middleware(middleware)

        @app.post("/hook", status_code=204, dependencies=[Depends(dependency) for dependency in dependencies])
        async def hook() -> None:
            pass

        return asgi(app, loop)

    hooks = HookGuard(ENDPOINTS, store=MemoryStore())
    return make(), make(check), make(remember), make(hooks.event("github"), middleware=hooks.Middleware), BATCH


def main():
    """Measure each framework in turn."""
    warnings.simplefilter("ignore")
    logging.getLogger("hookguard").setLevel(logging.CRITICAL)
    for framework in (flask, django, starlette, fastapi):
        plain, checked, remembered, guarded, batch = framework()
        result = compare(
            {
                "the check and a dict behind a lock, by hand": remembered,
                "the check alone, by hand": checked,
                "guarded: verify, claim, complete": guarded,
                "the view alone": plain,
            },
            seconds=0.1,
        )
        show(framework.__doc__, {name: (time / batch, ratio) for name, (time, ratio) in result.items()})


if __name__ == "__main__":
    main()
